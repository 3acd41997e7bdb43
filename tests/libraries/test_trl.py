"""TRL: GRPO trains a tiny causal model on our scorer's rewards, and what it logs comes into a buffer.

TRL is not among our requirements, so that `.ci/libraries trl` installs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from buffers import GrowingBatchBuffer, import_rollouts
from seq2seq_env.adapters import environment_factory, prompts, reward_function
from tests.conftest import OverlapScorer
from tests.digest_scorer import Digest
from tests.libraries.conftest import WordTask

trl = pytest.importorskip("trl", reason="TRL is not installed, see .ci/libraries")
datasets = pytest.importorskip("datasets")
chat_templates = pytest.importorskip("transformers.utils.chat_template_utils")

pytestmark = pytest.mark.filterwarnings("ignore")  # its own, of what it calls


@pytest.fixture
def tokenizer(words: WordTask, tmp_path: Path) -> Any:
    """The task's words, with a space between them."""
    words.tokenizer.save(tmp_path)
    special = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    make: Any = PreTrainedTokenizerFast
    return make(tokenizer_file=str(tmp_path / "tokenizer.json"), **special)


@pytest.fixture
def model(words: WordTask) -> Any:
    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    config = LlamaConfig(vocab_size=words.tokenizer.vocab_size, max_position_embeddings=32, **sizes)
    config.pad_token_id, config.eos_token_id = words.tokenizer.pad_id, words.tokenizer.eos_id
    return LlamaForCausalLM(config)


def test_grpo_trains_on_the_scorer_and_its_completions_are_a_grow_step(
    words: WordTask, model: Any, tokenizer: Any, tmp_path: Path
) -> None:
    settings = trl.GRPOConfig(
        output_dir=str(tmp_path / "grpo"), max_steps=2, per_device_train_batch_size=4, num_generations=4,
        max_completion_length=2, log_completions=True, logging_steps=1, report_to=[], use_cpu=True, bf16=False,
        save_strategy="no", disable_tqdm=True, learning_rate=1e-3, seed=0,
    )  # fmt: skip
    before = model.lm_head.weight.detach().clone()
    trainer = trl.GRPOTrainer(
        model=model,
        reward_funcs=reward_function(Digest(), name="digest"),
        args=settings,
        train_dataset=datasets.Dataset.from_list(prompts(words)),
        processing_class=tokenizer,
    )
    trainer.train()
    logged = [entry for entry in trainer.state.log_history if "rewards/digest/mean" in entry]
    assert len(logged) == 2
    assert not bool((model.lm_head.weight == before).all())
    came = import_rollouts(
        [tmp_path / "grpo" / "completions"], "trl", tmp_path / "buffer", words, temperature=1.0, progress=False
    )
    assert (came.trajectories, came.with_log_prob, came.temperature) == (8, 0, 1.0)
    data = GrowingBatchBuffer(tmp_path / "buffer", task=words).select()
    assert data.mean_reward() == pytest.approx(sum(each["rewards/digest/mean"] for each in logged) / 2, abs=1e-6)


def test_the_environments_tool_is_described_by_its_docstring(words: WordTask) -> None:
    described = chat_templates.get_json_schema(environment_factory(words, OverlapScorer(words))().submit)["function"]
    assert (described["name"], described["parameters"]["required"]) == ("submit", ["translation"])

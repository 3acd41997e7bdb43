"""TRL: GRPO trains a tiny causal model on our scorer's rewards, and what it logs comes into a buffer.

TRL is not among our requirements, so that `.ci/libraries trl` installs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from buffers import GrowingBatchBuffer, import_rollouts
from seq2seq_env import Scorer, load_scorer, load_task
from seq2seq_env.adapters import environment_factory, prompts, reward_function
from seq2seq_env.tasks import Task
from tests.conftest import OverlapScorer
from tests.digest_scorer import Digest
from tests.libraries.conftest import WordTask

trl = pytest.importorskip("trl", reason="TRL is not installed, see .ci/libraries")
datasets = pytest.importorskip("datasets")
chat_templates = pytest.importorskip("transformers.utils.chat_template_utils")

pytestmark = pytest.mark.filterwarnings("ignore")  # its own, of what it calls


def library_tokenizer(task: Task, folder: Path) -> Any:
    """The task's tokenizer, as the library has it."""
    folder.mkdir()
    task.tokenizer.save(folder)
    special = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    make: Any = PreTrainedTokenizerFast
    return make(tokenizer_file=str(folder / "tokenizer.json"), **special)


def tiny_model(task: Task) -> Any:
    """A causal model of the task's vocabulary."""
    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    config = LlamaConfig(vocab_size=task.tokenizer.vocab_size, max_position_embeddings=128, **sizes)
    config.pad_token_id, config.eos_token_id = task.tokenizer.pad_id, task.tokenizer.eos_id
    return LlamaForCausalLM(config)


def grpo(task: Task, model: Any, scorer: Scorer, folder: Path, **settings: Any) -> list[dict[str, Any]]:
    """What two steps log, whose completions are kept in ``folder``."""
    trainer = trl.GRPOTrainer(
        model=model,
        reward_funcs=reward_function(scorer, name="scorer"),
        args=trl.GRPOConfig(
            output_dir=str(folder), max_steps=2, per_device_train_batch_size=4, num_generations=4,
            log_completions=True, logging_steps=1, report_to=[], use_cpu=True, bf16=False, save_strategy="no",
            disable_tqdm=True, learning_rate=1e-3, seed=0, **settings,
        ),
        train_dataset=datasets.Dataset.from_list(prompts(task)),
        processing_class=library_tokenizer(task, folder),
    )  # fmt: skip
    trainer.train()
    return [entry for entry in trainer.state.log_history if "rewards/scorer/mean" in entry]


def test_grpo_trains_on_the_scorer_and_its_completions_are_a_grow_step(words: WordTask, tmp_path: Path) -> None:
    model = tiny_model(words)
    before = model.lm_head.weight.detach().clone()
    logged = grpo(words, model, Digest(), tmp_path / "grpo", max_completion_length=2)
    assert len(logged) == 2
    assert not bool((model.lm_head.weight == before).all())
    came = import_rollouts(
        [tmp_path / "grpo" / "completions"], "trl", tmp_path / "buffer", words, temperature=1.0, progress=False
    )
    assert (came.trajectories, came.with_log_prob, came.temperature) == (8, 0, 1.0)
    data = GrowingBatchBuffer(tmp_path / "buffer", task=words).select()
    assert data.mean_reward() == pytest.approx(sum(each["rewards/scorer/mean"] for each in logged) / 2, abs=1e-6)


def test_grpo_trains_on_the_embedded_task_and_its_learned_scorer(tmp_path: Path) -> None:
    task = load_task("phrasebook-de-en", train_size=100, source_only_size=0)
    model = tiny_model(task)
    before = model.lm_head.weight.detach().clone()
    logged = grpo(task, model, load_scorer("phrasebook-qe"), tmp_path / "grpo", max_completion_length=12)
    assert all(0 < entry["rewards/scorer/mean"] < 1 for entry in logged)
    assert not bool((model.lm_head.weight == before).all())
    came = import_rollouts(
        [tmp_path / "grpo" / "completions"], "trl", tmp_path / "buffer", task, temperature=1.0, progress=False
    )
    assert came.trajectories == 8


def test_the_environments_tool_is_described_by_its_docstring(words: WordTask) -> None:
    described = chat_templates.get_json_schema(environment_factory(words, OverlapScorer(words))().submit)["function"]
    assert (described["name"], described["parameters"]["required"]) == ("submit", ["translation"])

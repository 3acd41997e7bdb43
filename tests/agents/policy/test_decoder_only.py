"""Policies on decoder-only models: a new Llama, and pretrained ones with a prompt or a chat template."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from agents import (
    BC,
    Agent,
    LoRA,
    Seq2SeqPolicy,
    TrainingConfig,
    ValueNetwork,
    adapted,
    agent_class,
    make_agent,
    make_sampler,
)
from agents.policy.length_limits import length_limits
from buffers import GrowingBatchBuffer, Slice, grow
from seq2seq_env import Constraint
from seq2seq_env.env import Seq2SeqTranslateEnv
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks.task import Task
from seq2seq_env.tokenization.prompt_tokenizer import PromptTokenizer
from tests.conftest import ENGLISH, GERMAN, TinyTask
from tests.tiny_decoder_only import OPTIONS, save_decoder_only
from tests.tiny_models import tiny_policy_config

SOURCES = ["eins rot haus", "zwei auto", "drei", "hund blau"]
AGENTS = ("bvmpo", "ilql", "reward-conditioned")
"""Of the contract: a value network and a prior, a head of action values, a token in the end of the prompt."""


class PromptTask(TinyTask):
    """The tiny task in a decoder-only model's tokens."""

    max_source_length = 32

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        super().__init__()
        self.tokenizer = PromptTokenizer(folder, **options)
        self.fingerprint = f"tiny-{folder.name}"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("decoder-only")
    return {name: save_decoder_only(name, root / name, GERMAN + ENGLISH) for name in OPTIONS}


@pytest.fixture(scope="module")
def tasks(folders: dict[str, Path], tiny_task: Task) -> dict[str, Task]:
    return {"new": tiny_task} | {name: PromptTask(folder, OPTIONS[name]) for name, folder in folders.items()}


@pytest.fixture(scope="module")
def policies(folders: dict[str, Path], tasks: dict[str, Task]) -> dict[str, Seq2SeqPolicy]:
    new = Seq2SeqPolicy.from_config(tasks["new"].tokenizer, tiny_policy_config(architecture="decoder-only"), seed=3)
    return {"new": new} | {
        name: Seq2SeqPolicy.from_pretrained(folder, tasks[name].tokenizer, 12) for name, folder in folders.items()
    }


def by_the_library(policy: Seq2SeqPolicy, source: str, target: list[int], temperature: float) -> Any:
    """Log-probabilities of a target: the model's own forward over one row of text, without padding."""
    row = [*policy.tokenizer.encode([source])[0], *policy.start, *target[:-1]]
    with torch.no_grad():
        logits = policy.model(input_ids=torch.tensor([row])).logits[0, -len(target) :]
    logits[:, [*policy.tokenizer.never_written, policy.tokenizer.unk_id]] = -torch.inf
    logits[:, policy.tokenizer.vocab_size :] = -torch.inf
    return torch.log_softmax(logits / temperature, -1)[torch.arange(len(target)), target].numpy()


@pytest.mark.parametrize("name", ["new", *OPTIONS])
def test_log_probabilities_are_those_of_the_models_own_forward(name: str, policies: dict[str, Seq2SeqPolicy]) -> None:
    policy = policies[name]
    samples = policy.sample(policy.encode(SOURCES), 3, 0.8, seed=2)
    targets = [samples.tokens[low:high].tolist() for low, high in pairwise(samples.offsets)]
    sources = [SOURCES[i] for i in samples.source_index]
    wanted = [by_the_library(policy, s, t, 0.8) for s, t in zip(sources, targets, strict=True)]
    scored = policy.log_probs(policy.encode(sources), targets, 0.8)
    np.testing.assert_allclose(np.concatenate(scored), np.concatenate(wanted), atol=1e-5, rtol=0)
    np.testing.assert_allclose(samples.log_prob, np.concatenate(wanted), atol=1e-5, rtol=0)
    # Batch-invariant: padding on the left moves nothing.
    alone = policy.sample(policy.encode(SOURCES[:1]), 3, 0.8, seed=2)
    assert alone.tokens.tolist() == samples.tokens[: samples.offsets[3]].tolist()
    assert make_sampler(policy, "transformers") is policy
    pytest.importorskip("ctranslate2")
    drawn = make_sampler(policy, "ctranslate2").sample(policy.encode(SOURCES), 3, 0.8, seed=2)
    targets = [drawn.tokens[low:high].tolist() for low, high in pairwise(drawn.offsets)]
    scored = policy.log_probs(policy.encode(sources), targets, 0.8)
    np.testing.assert_allclose(drawn.log_prob, np.concatenate(scored), atol=1e-4, rtol=0)


def test_beam_search_and_a_forced_beginning(policies: dict[str, Seq2SeqPolicy]) -> None:
    policy = policies["llama"].constrained(Constraint.from_text(policies["llama"].tokenizer, prefix="two"))
    for text in (*policy.translate(SOURCES), *policy.translate(SOURCES, num_beams=2)):
        assert text.startswith("two")
    greedy = policy.likeliest_tokens(SOURCES)
    assert greedy[0] == policy.likeliest_tokens(SOURCES[:1])[0]
    scores = policy.next_token_scores(policy.encode(SOURCES), [row[:2] for row in greedy])
    assert scores.argmax(-1).tolist() == [row[2] for row in greedy]


@pytest.mark.parametrize("name", ["new", "gpt2"])
def test_it_is_saved_in_the_hubs_format(name: str, policies: dict[str, Seq2SeqPolicy], tmp_path: Path) -> None:
    policy = policies[name]
    policy.save(tmp_path)
    loaded = Seq2SeqPolicy.load(tmp_path)
    assert loaded.fingerprint == policy.fingerprint
    assert (loaded.start, loaded.max_source_length) == (policy.start, policy.max_source_length)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert theirs.config.eos_token_id == theirs.generation_config.eos_token_id == policy.tokenizer.eos_id
    for ours, other in zip(policy.model.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(ours, other)
    assert "text-generation" in policy.publication("mit").card.pipeline_tag


@pytest.fixture(scope="module")
def grown(
    policies: dict[str, Seq2SeqPolicy], tasks: dict[str, Task], fake_scorer: Scorer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Slice:  # fmt: skip
    """Samples of the model with a chat template, and references, scored."""
    buffer = GrowingBatchBuffer(tmp_path_factory.mktemp("grown"), task=tasks["llama"])
    grow(
        policies["llama"], fake_scorer, tasks["llama"], buffer, grow_step=1, num_sources=8, candidates=3,
        temperature=1.0, seed=0, progress=False,
    )  # fmt: skip
    return buffer.select()


@pytest.mark.parametrize("name", AGENTS)
def test_agents_train_it_and_save_it(
    name: str, policies: dict[str, Seq2SeqPolicy], grown: Slice, quick: TrainingConfig, tmp_path: Path
) -> None:
    known = {field.name for field in fields(agent_class(name).Config)}
    options = {"value_tokens": 60} if "value_tokens" in known else {}
    agent = make_agent(name, policies["llama"].clone(), **options)
    agent.improve(grown, replace(quick, max_tokens=96, evaluate_every=96, warmup_tokens=0))
    agent.save(tmp_path)
    loaded = Agent.load(tmp_path)
    assert loaded.policy.fingerprint == agent.policy.fingerprint != policies["llama"].fingerprint
    assert loaded.translate(SOURCES) == agent.translate(SOURCES)


def test_a_token_of_the_reward_leaves_the_prompt_as_long_as_it_was(policies: dict[str, Seq2SeqPolicy]) -> None:
    policy, sources = policies["llama"], policies["llama"].encode(SOURCES[:1])
    targets = policy.tokenizer.encode_targets(["one red house"])
    conditioned = make_agent("reward-conditioned", policy.clone()).policy
    assert conditioned.start == (policy.model.config.vocab_size + 4, *policy.start[1:])
    assert conditioned.max_source_length == policy.max_source_length
    np.testing.assert_allclose(
        conditioned.log_probs(sources, targets)[0], policy.log_probs(sources, targets)[0], rtol=0, atol=1e-5
    )


def test_training_lowers_the_loss_of_targets_alone(policies: dict[str, Seq2SeqPolicy], grown: Slice) -> None:
    policy = policies["llama"].clone()
    [batch] = grown.batches(100_000, seed=0)
    wider = replace(
        batch, source=torch.nn.functional.pad(batch.source, (0, 3), value=policy.tokenizer.pad_id),
        source_mask=torch.nn.functional.pad(batch.source_mask, (0, 3)),
    )  # fmt: skip
    agent = BC(policy)
    assert agent.loss(wider).loss.item() == pytest.approx(agent.loss(batch).loss.item(), abs=1e-5)
    torch.testing.assert_close(ValueNetwork.from_policy(policy)(wider), ValueNetwork.from_policy(policy)(batch))
    before = agent.loss(batch).loss.item()
    with adapted(policy, LoRA(rank=2), seed=0):
        agent.improve(grown, TrainingConfig(learning_rate=3e-2, max_tokens=400, warmup_tokens=0, progress=False))
    assert agent.loss(batch).loss.item() < before - 0.02


def test_the_environment_plays_it(
    policies: dict[str, Seq2SeqPolicy], tasks: dict[str, Task], fake_scorer: Scorer
) -> None:
    policy, task = policies["llama"], tasks["llama"]
    env = Seq2SeqTranslateEnv(task, fake_scorer, split="test")
    observation, info = env.reset(options={"source_index": 2})
    value, over = ValueNetwork.from_policy(policy), False
    assert value.potential({key: each[None] for key, each in observation.items()}).shape == (1,)
    written = []
    while not over:
        written.append(BC(policy).act(observation, action_mask=info["action_mask"]))
        observation, _, terminated, truncated, info = env.step(written[-1])
        over = terminated or truncated
    source = task.pair("test", 2)[0]
    assert written == policy.likeliest_tokens([source])[0][: len(written)]


def test_what_does_not_belong_together_is_refused(
    folders: dict[str, Path], policies: dict[str, Seq2SeqPolicy], tasks: dict[str, Task], policy: Seq2SeqPolicy
) -> None:
    llama = policies["llama"]
    with pytest.raises(
        ValueError, match=r"has 128 positions, of which \d+ tokens of the prompt and 124 of a target leave"
    ):
        length_limits(llama.model.config, llama.tokenizer, llama.start, 124)
    with pytest.raises(ValueError, match="a prompt is for decoder-only models, and this one has an encoder"):
        Seq2SeqPolicy(policy.model, tasks["llama"].tokenizer, 12)
    too_long = "haus " * 120
    with pytest.raises(ValueError, match=r"source 0 has \d+ tokens, the policy reads \d+ at most"):
        llama.encode([too_long])

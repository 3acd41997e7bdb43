"""Adapters train alone, and leave an ordinary policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents import AGENTS, BC, LoRA, Seq2SeqPolicy, TrainingConfig, adapted, agent_class, make_agent
from buffers import GrowingBatchBuffer, Slice, grow
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks.task import Task

SMALL = LoRA(rank=2, alpha=4.0)


@pytest.fixture
def quicker(quick: TrainingConfig) -> TrainingConfig:
    return replace(quick, max_tokens=150, evaluate_every=150, schedule="constant", warmup_tokens=0)


def weights_of(policy: Seq2SeqPolicy) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in policy.model.state_dict().items()}


def test_only_adapters_train_and_become_weights(policy: Seq2SeqPolicy, pairs: Slice, quicker: TrainingConfig) -> None:
    before, names = weights_of(policy), [name for name, _ in policy.model.named_parameters()]
    fixed = {name for name, parameter in policy.model.named_parameters() if not parameter.requires_grad}
    with adapted(policy, SMALL, seed=0):
        trained = [name for name, parameter in policy.model.named_parameters() if parameter.requires_grad]
        assert trained
        assert all("lora_" in name for name in trained)
        assert sum(policy.model.get_parameter(name).numel() for name in trained) < 3_000
        BC(policy).improve(pairs, quicker)
    after = weights_of(policy)
    assert [name for name, _ in policy.model.named_parameters()] == names
    assert fixed == {name for name, parameter in policy.model.named_parameters() if not parameter.requires_grad}
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.rpartition(".")[2] for name in changed} == {"weight"}
    assert any("q_proj" in name for name in changed)
    assert any("fc1" in name for name in changed)
    assert not any("embed" in name or "shared" in name or "lm_head" in name for name in changed)
    update = after["model.decoder.layers.0.fc1.weight"] - before["model.decoder.layers.0.fc1.weight"]
    assert int(torch.linalg.matrix_rank(update, atol=1e-5)) == 2


def test_adapters_start_as_the_policy_and_the_generator_stays(policy: Seq2SeqPolicy) -> None:
    before, samples = policy.fingerprint, policy.sample(policy.encode(["zwei", "rot haus"]), 3, 1.0, 0)
    state = torch.random.get_rng_state()
    with adapted(policy, LoRA(rank=2, layers=("q_proj", "v_proj"), dropout=0.1), seed=0):
        assert policy.sample(policy.encode(["zwei", "rot haus"]), 3, 1.0, 0).texts == samples.texts
        adapters = {name.split(".")[-4] for name, _ in policy.model.named_parameters() if "lora_A" in name}
        assert adapters == {"q_proj", "v_proj"}
    assert policy.fingerprint == before
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("layers", [("fc1", "fc2"), ("out_proj",), ("q_proj", "v_proj"), ()])
def test_what_is_sampled_with_adapters_has_their_log_probabilities(
    policy: Seq2SeqPolicy, layers: tuple[str, ...]
) -> None:
    sources = policy.encode(["zwei", "rot haus", "eins blau hund"])
    with adapted(policy, LoRA(rank=8, layers=layers), seed=0):
        with torch.no_grad():
            for name, parameter in policy.model.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(generator=torch.Generator().manual_seed(1))
        samples = policy.sample(sources, 3, 1.0, 0)
        rows = [samples.tokens[low:high].tolist() for low, high in pairwise(samples.offsets)]
        expected = policy.log_probs([sources[index] for index in samples.source_index], rows)
    torch.testing.assert_close(torch.from_numpy(samples.log_prob), torch.from_numpy(np.concatenate(expected)))


def test_going_on_from_a_checkpoint_gives_the_same_bits(
    policy: Seq2SeqPolicy, pairs: Slice, quicker: TrainingConfig, tmp_path: Path
) -> None:
    def step(agent: BC, seed: int) -> None:
        with adapted(agent.policy, SMALL, seed=seed):
            agent.improve(pairs, replace(quicker, seed=seed))

    agent = BC(policy)
    step(agent, 1)
    agent.save(tmp_path)
    step(agent, 2)
    resumed = BC.load(tmp_path)
    step(resumed, 2)
    assert resumed.policy.fingerprint == agent.policy.fingerprint != BC.load(tmp_path).policy.fingerprint


@pytest.fixture(scope="module")
def pretrained(pretrained_folder: Callable[[str], Path], pretrained_task: Callable[[str], Task]) -> Seq2SeqPolicy:
    return Seq2SeqPolicy.from_pretrained(pretrained_folder("t5"), pretrained_task("t5").tokenizer, 12)


@pytest.fixture(scope="module")
def grown_by_it(
    pretrained: Seq2SeqPolicy,
    pretrained_task: Callable[[str], Task],
    fake_scorer: Scorer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Slice:
    """Samples of the pretrained policy and references, scored."""
    buffer = GrowingBatchBuffer(tmp_path_factory.mktemp("t5"), task=pretrained_task("t5"))
    grow(pretrained, fake_scorer, pretrained_task("t5"), buffer, grow_step=1, num_sources=6, candidates=3,
         temperature=1.0, seed=0, progress=False)  # fmt: skip
    return buffer.select()


@pytest.mark.parametrize("name", sorted(name for name in AGENTS if agent_class(name).adapts))
def test_every_agent_trains_adapters(
    name: str, pretrained: Seq2SeqPolicy, grown_by_it: Slice, quicker: TrainingConfig
) -> None:
    policy = pretrained.clone()
    options: dict[str, Any] = {"value_tokens": 100} if hasattr(agent_class(name).Config(), "value_tokens") else {}
    agent = make_agent(name, policy, **options)
    before = weights_of(policy)
    with adapted(agent.policy, SMALL, seed=0):
        agent.improve(grown_by_it, quicker)
    changed = {key for key, value in weights_of(agent.policy).items() if not torch.equal(before[key], value)}
    assert changed
    assert not any("shared" in key or "lm_head" in key or "layer_norm" in key for key in changed)


def test_bad_options_are_refused(policy: Seq2SeqPolicy) -> None:
    with pytest.raises(ValueError, match="rank is -1"):
        LoRA(rank=-1)
    with pytest.raises(ValueError, match=r"dropout is 1.0; give a share"):
        LoRA(rank=1, dropout=1.0)
    before = policy.fingerprint
    with (
        pytest.raises(ValueError, match="the model has no linear layer 'query'; choose of fc1, fc2"),
        adapted(policy, LoRA(rank=2, layers=("query",)), seed=0),
    ):
        pass
    assert policy.fingerprint == before

"""A training that was killed goes on as if nothing had happened."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from agents import BC, LossAgent, Seq2SeqPolicy, TrainingConfig, make_agent
from agents.training.history import ImproveReport
from buffers import Slice
from tests.tiny_models import tiny_policy_config

RISING_THEN_STALE = [0.1, 0.4, 0.3, 0.2, 0.6]


class Killed(BaseException):
    """As a signal would."""


@pytest.fixture
def config(quick: TrainingConfig) -> TrainingConfig:
    """Five evaluations, two epochs and a half; dropout draws from the generators."""
    return replace(quick, evaluate_every=170, patience=9)


@pytest.fixture
def dropping(policy: Seq2SeqPolicy) -> Seq2SeqPolicy:
    policy.model.config.dropout = 0.3
    for module in policy.model.modules():
        if isinstance(vars(module).get("dropout"), float):
            vars(module)["dropout"] = 0.3
    return policy


def scores(stop: int | None = None, first: int = 0) -> Callable[[Seq2SeqPolicy], float]:
    """An evaluation of known values that kills the training at its ``stop``-th call."""
    calls = iter(range(first, 99))

    def evaluate(policy: Seq2SeqPolicy) -> float:
        call = next(calls)
        if call == stop:
            raise Killed
        return RISING_THEN_STALE[call % 5]

    return evaluate


def comparable(report: ImproveReport) -> object:
    rows = [row._replace(seconds=0.0) for row in report.history]
    return rows, report.best_evaluation, report.best_tokens, report.tokens, report.steps, report.stopped_early


@pytest.mark.parametrize(("name", "killed_at"), [("bc", 1), ("bc", 3), ("bc", 4), ("bvmpo", 2), ("iql", 2), ("dpo", 3)])
def test_a_killed_training_ends_as_one_that_was_not(
    name: str, killed_at: int, dropping: Seq2SeqPolicy, grown: Slice, config: TrainingConfig, tmp_path: Path
) -> None:
    options: dict[str, dict[str, object]] = {
        "bvmpo": {"value_tokens": 50, "epsilon_alpha": 0.1, "old_policy_every": 3},
        "iql": {"value_tokens": 50, "target_rate": 0.1},
    }
    state = tmp_path / "run" / "state.safetensors"

    def agent() -> LossAgent:
        fresh = make_agent(name, dropping.clone(), **options.get(name, {}))
        assert isinstance(fresh, LossAgent)
        return fresh

    straight = agent()
    wanted = straight.improve(grown, config, scores())
    killed = agent()
    with pytest.raises(Killed):
        killed.improve(grown, config, scores(killed_at), resume=state)
    again = agent()
    torch.rand(7)  # whatever the process did before
    report = again.improve(grown, config, scores(first=killed_at), resume=state)
    assert comparable(report) == comparable(wanted)
    assert again.policy.fingerprint == straight.policy.fingerprint
    for part, network in straight.networks.items():
        for key, value in network.state_dict().items():
            assert torch.equal(again.networks[part].state_dict()[key], value), (part, key)
    assert [file.name for file in state.parent.iterdir()] == ["state.safetensors"]


def test_without_an_evaluation_the_last_weights_are_the_same(
    dropping: Seq2SeqPolicy, pairs: Slice, config: TrainingConfig, tmp_path: Path
) -> None:
    straight, again = BC(dropping), BC(dropping.clone())
    short = replace(config, log_every=1)
    rows: list[int] = []

    def kill(name: str, value: float, tokens: int) -> None:
        rows.append(tokens)
        if tokens > 500:
            raise Killed

    with pytest.raises(Killed):
        BC(dropping.clone()).improve(pairs, short, log=kill, resume=tmp_path / "state")
    straight.improve(pairs, config)
    report = again.improve(pairs, config, resume=tmp_path / "state")
    assert 340 <= report.history[2].tokens < rows[-1]
    assert again.policy.fingerprint == straight.policy.fingerprint


def test_a_finished_training_is_not_trained_again(
    policy: Seq2SeqPolicy, pairs: Slice, config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, again = BC(policy), BC(policy.clone())
    wanted = first.improve(pairs, config, scores(), resume=tmp_path / "state")
    monkeypatch.setattr(BC, "loss", None)  # a step would fail
    report = again.improve(pairs, replace(config, progress=True, workers=1), scores(0), resume=tmp_path / "state")
    assert comparable(report) == comparable(wanted)
    assert again.policy.fingerprint == first.policy.fingerprint


def test_a_stale_training_stays_stopped(
    policy: Seq2SeqPolicy, pairs: Slice, config: TrainingConfig, tmp_path: Path
) -> None:
    short = replace(config, patience=2)
    wanted = BC(policy).improve(pairs, short, scores(), resume=tmp_path / "state")
    assert wanted.stopped_early
    assert comparable(BC(policy.clone()).improve(pairs, short, scores(0), resume=tmp_path / "state")) == comparable(
        wanted
    )


def test_the_file_is_safetensors_and_json(
    policy: Seq2SeqPolicy, pairs: Slice, config: TrainingConfig, tmp_path: Path
) -> None:
    agent = BC(policy)
    report = agent.improve(pairs, config, scores(), resume=tmp_path / "state")
    with safe_open(tmp_path / "state", "pt") as file:
        names, metadata = set(file.keys()), file.metadata()
    record = json.loads(metadata["state"])
    assert [row["evaluation"] for row in record["history"]["rows"]] == [row.evaluation for row in report.history]
    assert record["position"]["tokens"] == report.tokens
    assert {name.split(".")[0] for name in names} == {"network", "kept", "optimizer", "generator"}
    weights = {f"network.policy.{key}" for key in agent.policy.model.state_dict()}
    assert weights <= names
    assert "generator.0.cpu" in names


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"learning_rate": 0.5}, "is the state of another training: learning_rate was 0.01 and is now 0.5"),
        ({"seed": 4}, "seed was 0 and is now 4"),
    ],
)
def test_the_state_of_another_training_is_refused(
    policy: Seq2SeqPolicy, pairs: Slice, config: TrainingConfig, tmp_path: Path, change: dict[str, float], why: str
) -> None:
    BC(policy).improve(pairs, config, scores(), resume=tmp_path / "state")
    other = policy.clone()
    before = other.fingerprint
    with pytest.raises(ValueError, match=rf"state' .*{why}; delete it to train from the start"):
        BC(other).improve(pairs, replace(config, **change), scores(), resume=tmp_path / "state")  # type: ignore[arg-type]
    assert other.fingerprint == before


def test_other_data_and_networks_are_refused(
    policy: Seq2SeqPolicy, pairs: Slice, grown: Slice, config: TrainingConfig, tmp_path: Path
) -> None:
    BC(policy).improve(grown, config, resume=tmp_path / "state")
    with pytest.raises(ValueError, match=r"data was .* and is now"):
        BC(policy.clone()).improve(pairs, config, resume=tmp_path / "state")
    wider = Seq2SeqPolicy.from_config(policy.tokenizer, tiny_policy_config(ffn_dim=48), seed=3)
    with pytest.raises(ValueError, match="is the state of other networks"):
        BC(wider).improve(grown, config, resume=tmp_path / "state")


def test_another_agent_and_other_options_are_refused(
    policy: Seq2SeqPolicy, grown: Slice, config: TrainingConfig, tmp_path: Path
) -> None:
    make_agent("dpo", policy.clone()).improve(grown, config, resume=tmp_path / "state")
    for name, options, why in (
        ("ipo", {}, "learner was 'dpo' and is now 'ipo'"),
        ("dpo", {"beta": 0.7}, r"dpo\.beta was .* and is now 0\.7"),
    ):
        agent = make_agent(name, policy.clone(), **options)
        with pytest.raises(ValueError, match=f"state' is the state of another training: {why}; delete it to train"):
            agent.improve(grown, config, resume=tmp_path / "state")
        assert agent.policy.fingerprint == policy.fingerprint


def test_a_corrupt_or_foreign_file_is_one_sentence(
    policy: Seq2SeqPolicy, pairs: Slice, config: TrainingConfig, tmp_path: Path
) -> None:
    BC(policy).improve(pairs, config, resume=tmp_path / "state")
    content = (tmp_path / "state").read_bytes()
    for corrupt in (b"", b"no state", content[:-100]):
        (tmp_path / "state").write_bytes(corrupt)
        with pytest.raises(ValueError, match=r"state' is corrupt .*; delete it to train from the start"):
            BC(policy.clone()).improve(pairs, config, resume=tmp_path / "state")
    save_file({"a": torch.zeros(1)}, tmp_path / "state")
    with pytest.raises(ValueError, match="state' is no state of a training; delete it"):
        BC(policy.clone()).improve(pairs, config, resume=tmp_path / "state")

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from agents import BVMPO, OAC, BVMPOConfig, OACConfig, Seq2SeqPolicy, TrainingConfig
from agents.importance import log_ratio
from buffers import GrowingBatchBuffer, Slice, TokenBatch, grow
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks import Task


def test_ratios_are_one_where_the_policy_has_not_moved(trained: Seq2SeqPolicy, grown: Slice) -> None:
    # The batch was grown by this policy at temperature 2, which the ratio must use too.
    batch = next(iter(grown.batches(100, seed=0)))
    same = OAC(trained, OACConfig(rho_bar=9.0)).loss(batch)
    plain = OAC(trained, OACConfig(importance_weight=False)).loss(batch)
    assert same.policy_loss.item() == pytest.approx(plain.policy_loss.item(), rel=1e-4)
    batch = replace(batch, temperature=torch.full_like(batch.temperature, 0.8))
    moved = OAC(trained, OACConfig(rho_bar=9.0)).loss(batch)
    assert abs(moved.policy_loss.item() - plain.policy_loss.item()) > 1e-3


QUICK = TrainingConfig(max_tokens=20, warmup_tokens=1, progress=False)


def test_the_data_say_at_which_temperature_they_were_sampled(trained: Seq2SeqPolicy, grown: Slice) -> None:
    for agent in (OAC(trained, OACConfig(value_tokens=0)), BVMPO(trained, BVMPOConfig(value_tokens=0))):
        agent.improve(grown, QUICK)
    OAC(trained, OACConfig(value_tokens=0, behaviour_temperature=2.0)).improve(grown, QUICK)
    with pytest.raises(ValueError, match=r"is 0\.8, and the data was sampled at 2; leave the option out"):
        OAC(trained, OACConfig(value_tokens=0, behaviour_temperature=0.8)).improve(grown, QUICK)
    OAC(trained, OACConfig(value_tokens=0, behaviour_temperature=0.8, importance_weight=False)).improve(grown, QUICK)


def test_where_the_data_record_no_temperature_the_option_must(trained: Seq2SeqPolicy, grown: Slice) -> None:
    data = Slice.from_trajectories(grown.read(), grown.pad_id)
    with pytest.raises(ValueError, match="trajectories record none; give the option behaviour_temperature"):
        OAC(trained, OACConfig(value_tokens=0)).improve(data, QUICK)
    told, recorded = (next(iter(each.batches(100, seed=0))) for each in (data, grown))
    losses = [
        OAC(trained, OACConfig(behaviour_temperature=temperature)).loss(batch).policy_loss.item()
        for temperature, batch in ((2.0, told), (None, recorded))
    ]
    assert losses[0] == pytest.approx(losses[1])


def test_each_trajectory_has_its_own_temperature(
    trained: Seq2SeqPolicy, tiny_task: Task, fake_scorer: Scorer, tmp_path: Path
) -> None:
    """Two Grow steps at two temperatures: the ratio of a policy that has not moved is 1 in both."""
    buffer = GrowingBatchBuffer(tmp_path)
    for step, temperature in ((1, 0.5), (2, 1.5)):
        grow(
            trained, fake_scorer, tiny_task, buffer, grow_step=step, num_sources=4, candidates=2,
            temperature=temperature, seed=0, progress=False,
        )  # fmt: skip
    batch = next(iter(buffer.select().batches(1_000, seed=0)))
    assert set(batch.temperature.tolist()) == {0.5, 1.5}
    ratio = log_ratio(trained.evaluate(batch), batch)
    assert ratio.abs().max() < 1e-4


def test_values_that_do_not_train_are_computed_once(
    trained: Seq2SeqPolicy, grown: Slice, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = OAC(trained.clone(), OACConfig(value_tokens=0, value_weight=0.0))
    agent.improve(grown, QUICK)  # which makes the value network
    with torch.no_grad():
        agent.value.head.weight.normal_()
    batch, forward = next(iter(grown.batches(100, seed=0))), agent.value.forward
    seen: list[int] = []

    def counted(part: TokenBatch) -> torch.Tensor:
        seen.append(len(part))
        return forward(part)

    monkeypatch.setattr(agent.value, "forward", counted)
    fresh = agent.loss(batch)
    agent._kept = None
    with agent.improving(grown, QUICK):
        first, again = agent.loss(batch), agent.loss(batch)
    assert len(seen) == 2
    for other in (first, again):
        torch.testing.assert_close(other, fresh)
    with agent.improving(grown, replace(QUICK, source_drop=0.1)):
        agent.loss(batch)
    assert len(seen) == 3, "noisy sources have values of their own"
    agent.prepare(grown, QUICK)
    seen.clear()
    with agent.improving(grown, QUICK):
        agent.loss(batch)
    assert seen, "values of the network before are read after it was trained again"


def test_values_of_a_network_before_are_dropped_with_it(trained: Seq2SeqPolicy, grown: Slice) -> None:
    agent, other = (OAC(trained.clone(), OACConfig(value_tokens=0)) for _ in range(2))
    agent.value.start_at(0.25)
    other.value.start_at(0.75)
    agent._has_value = True
    batch = next(iter(grown.batches(100, seed=0)))
    with agent.improving(grown, QUICK):
        before = agent.loss(batch).advantage.item()
    agent.adopt(other)
    with agent.improving(grown, QUICK):
        assert agent.loss(batch).advantage.item() == pytest.approx(before - 0.5, abs=1e-5)

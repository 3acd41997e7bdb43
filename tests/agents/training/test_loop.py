from __future__ import annotations

import io
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from agents import BC, FilteredBC, Seq2SeqPolicy, TrainingConfig, fit
from agents.bc import BCLoss
from buffers import GrowingBatchBuffer, Slice, Threshold, TokenBatch, grow
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks.task import Task
from tests.agents.training.test_history import scripted


class BrokenBC(BC):
    """Its loss is ``value`` from the ``after``-th step on."""

    after = 5
    value = float("nan")

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> BCLoss:
        self.after -= 1
        values = super().loss(batch)
        return values._replace(loss=values.loss * self.value) if self.after < 0 else values


def test_grow_then_improve_on_what_the_filter_keeps(
    trained: Seq2SeqPolicy, tiny_task: Task, fake_scorer: Scorer, quick: TrainingConfig, tmp_path: Path
) -> None:
    buffer = GrowingBatchBuffer(tmp_path)
    grow(trained, fake_scorer, tiny_task, buffer, grow_step=0, candidates=4, temperature=1.5, seed=0, progress=False)
    agent = FilteredBC(trained)
    data = buffer.select(Threshold(0.9)) if agent.filters else buffer.select()

    def mean_reward(policy: Seq2SeqPolicy) -> float:
        sources = tiny_task.split("train").sources * 4
        texts = policy.sample(policy.encode(sources), 2, 1.5, seed=1).texts
        return float(fake_scorer.score([source for source in sources for _ in range(2)], texts).mean())

    report = agent.improve(data, replace(quick, learning_rate=3e-3, max_tokens=2000, evaluate_every=500), mean_reward)
    assert report.best_evaluation is not None
    assert report.history[0].evaluation is not None
    assert report.best_evaluation > report.history[0].evaluation + 0.02


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_with_the_last_good_weights(
    policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig, value: float
) -> None:
    agent = BrokenBC(policy)
    agent.value = value
    before = policy.fingerprint
    with pytest.raises(FloatingPointError, match=rf"the loss is {value} at step 6, batch \d of epoch 1 \(\d+ targets"):
        fit(agent, pairs, quick)
    assert policy.fingerprint == before
    assert not policy.model.training


def test_a_loss_that_is_not_finite_keeps_the_best_evaluated(
    policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig
) -> None:
    agent = BrokenBC(policy)
    agent.after = 12
    evaluate, shown = scripted([0.1, 0.2, 0.1])
    with pytest.raises(FloatingPointError, match="are back in place"):
        agent.improve(pairs, quick, evaluate)
    assert policy.fingerprint == shown[1]


def test_a_gradient_that_is_not_finite_stops_too(
    policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def steep(self: BC, batch: TokenBatch, progress: float) -> BCLoss:
        value: Tensor = self.policy.evaluate(batch).log_prob.sum()
        return BCLoss((value - value.detach()).abs().sqrt(), value.detach())  # slope infinite at 0

    monkeypatch.setattr(BC, "loss", steep)
    with pytest.raises(FloatingPointError, match="the gradient's norm is nan at step 1, batch 0 of epoch 0"):
        fit(BC(policy), pairs, quick)


def test_an_empty_slice_is_refused(policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig) -> None:
    nothing = pairs.where(np.zeros(len(pairs), dtype=np.bool_))
    with pytest.raises(ValueError, match="nothing to train on: the slice is empty"):
        fit(BC(policy), nothing, quick)


def test_an_evaluation_of_nan_is_refused(policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig) -> None:
    with pytest.raises(ValueError, match="evaluate gave NaN after 0 tokens"):
        fit(BC(policy), pairs, quick, lambda: float("nan"))


def test_the_global_generator_is_left_as_it_was(policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig) -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    fit(BC(policy), pairs, replace(quick, max_tokens=50))
    assert torch.equal(torch.rand(1), expected)


def test_the_progress_bar_shows_tokens_loss_and_best(
    policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seq2seq_env.progress.LINE_EVERY", 0.0)
    shown = io.StringIO()
    with redirect_stderr(shown):
        BC(policy).improve(pairs, replace(quick, progress=True), scripted([0.25] * 9)[0])
    assert "tok/s, loss=" in shown.getvalue()
    assert "best=0.25" in shown.getvalue()


def test_the_loss_of_every_second_step_is_logged(policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig) -> None:
    logged: list[tuple[str, int]] = []
    report = BC(policy).improve(
        pairs, replace(quick, log_every=2), log=lambda name, value, tokens: logged.append((name, tokens))
    )
    steps = [tokens for name, tokens in logged if name == "step_loss"]
    assert len(steps) == report.steps // 2
    assert steps == sorted(set(steps))
    assert [tokens for name, tokens in logged if name == "loss"] == [row.tokens for row in report.history[1:]]


def test_weight_decay_shrinks_matrices_alone(policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig) -> None:
    config = replace(quick, max_tokens=1, warmup_tokens=0, learning_rate=1e-3, evaluate_every=1000)
    other = policy.clone()
    fit(BC(policy), pairs, replace(config, weight_decay=0.0))
    fit(BC(other), pairs, replace(config, weight_decay=100.0))
    for (name, plain), decayed in zip(policy.model.named_parameters(), other.model.parameters(), strict=True):
        assert torch.equal(plain, decayed) == (plain.dim() == 1 or "embed_positions" in name)


def test_gradients_are_clipped(policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig) -> None:
    norms = []

    step = torch.optim.AdamW.step

    def spy(self: Any, *args: Any) -> Any:
        gradients = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        norms.append(float(torch.linalg.vector_norm(torch.cat([g.flatten() for g in gradients]))))
        return step(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", spy)
        fit(BC(policy), pairs, replace(quick, max_grad_norm=1e-3, max_tokens=100))
    assert norms == pytest.approx([1e-3] * len(norms), rel=1e-3)

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from agents import BC, BCLoss, FilteredBC, Seq2SeqPolicy, TrainingConfig, fit
from agents.training import precision
from agents.training.precision import supported_precision
from buffers import GrowingBatchBuffer, Slice, Threshold, TokenBatch, grow
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks.task import Task

CPU = torch.device("cpu")


def scripted(values: list[float]) -> tuple[Callable[[Seq2SeqPolicy], float], list[str]]:
    """An evaluation that gives ``values`` in turn, and the fingerprints of the policies it was shown."""
    shown: list[str] = []
    script: Iterator[float] = iter(values)

    def evaluate(policy: Seq2SeqPolicy) -> float:
        assert not policy.model.training
        shown.append(policy.fingerprint)
        return next(script)

    return evaluate, shown


class BrokenBC(BC):
    """Its loss is ``value`` from the ``after``-th step on."""

    after = 5
    value = float("nan")

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> BCLoss:
        self.after -= 1
        values = super().loss(batch)
        return values._replace(loss=values.loss * self.value) if self.after < 0 else values


def test_the_best_weights_are_kept_and_ties_keep_the_earlier(
    policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig
) -> None:
    evaluate, shown = scripted([0.1, 0.5, 0.5, 0.4])
    report = BC(policy).improve(pairs, quick, evaluate)
    assert len(shown) == 4
    assert policy.fingerprint == shown[1]
    assert report.best_evaluation == 0.5
    assert report.best_tokens == report.history[1].tokens
    assert report.stopped_early  # two evaluations in a row did not rise
    assert report.tokens < quick.max_tokens
    assert not policy.model.training


def test_grow_then_improve_on_what_the_filter_keeps(
    trained: Seq2SeqPolicy, tiny_task: Task, fake_scorer: Scorer, quick: TrainingConfig, tmp_path: Path
) -> None:
    buffer = GrowingBatchBuffer(tmp_path)
    grow(trained, fake_scorer, tiny_task, buffer, grow_step=0, candidates=4, temperature=1.5, seed=0, progress=False)
    agent = FilteredBC(trained)
    data = buffer.select(Threshold(0.9)) if agent.filters else buffer.select()

    def mean_reward(policy: Seq2SeqPolicy) -> float:
        sources = tiny_task.split("train").sources * 4
        texts = policy.sample(sources, 2, 1.5, seed=1).texts
        return float(fake_scorer.score([source for source in sources for _ in range(2)], texts).mean())

    report = agent.improve(data, replace(quick, learning_rate=3e-3, max_tokens=2000, evaluate_every=500), mean_reward)
    assert report.best_evaluation is not None
    assert report.history[0].evaluation is not None
    assert report.best_evaluation > report.history[0].evaluation + 0.02


def test_a_rise_renews_the_patience(policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig) -> None:
    evaluate, shown = scripted([0.5, 0.4, 0.6, 0.5, 0.7])
    report = BC(policy).improve(pairs, quick, evaluate)
    assert policy.fingerprint == shown[-1]
    assert not report.stopped_early
    assert report.tokens >= quick.max_tokens


def test_training_that_never_helps_keeps_the_first_weights(
    policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig
) -> None:
    before = policy.fingerprint
    report = BC(policy).improve(pairs, replace(quick, patience=1), scripted([0.5, 0.4])[0])
    assert policy.fingerprint == before
    assert (report.best_tokens, report.best_evaluation) == (0, 0.5)


def test_without_evaluation_the_budget_is_spent_and_the_last_weights_kept(
    policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig
) -> None:
    before = policy.fingerprint
    report = BC(policy).improve(pairs, quick)
    assert policy.fingerprint != before
    assert quick.max_tokens <= report.tokens < quick.max_tokens + 32
    assert report.best_tokens == report.tokens
    assert report.best_evaluation is None
    assert not report.stopped_early


def test_the_history_holds_what_was_measured(policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig) -> None:
    logged: list[tuple[str, float, int]] = []
    report = BC(policy).improve(
        pairs, quick, scripted([0.1, 0.2, 0.3, 0.4, 0.5])[0], lambda *values: logged.append(values)
    )
    first, *rest = report.history
    assert (first.tokens, first.loss, first.metrics, first.evaluation) == (0, None, {}, 0.1)
    assert [row.evaluation for row in rest] == [0.2, 0.3, 0.4, 0.5]
    assert all(200 * (i + 1) <= row.tokens < 200 * (i + 1) + 4 * 32 for i, row in enumerate(rest))
    losses = [row.loss for row in rest if row.loss is not None]
    assert len(losses) == 4
    assert losses[-1] < losses[0]
    assert set(rest[0].metrics) == {"sequence_log_prob"}
    assert [row.learning_rate for row in rest] == [1e-2] * 4
    assert {name for name, _, _ in logged} == {"loss", "sequence_log_prob", "learning_rate", "evaluation"}
    assert [(value, tokens) for name, value, tokens in logged if name == "loss"] == [(r.loss, r.tokens) for r in rest]
    assert sum(row.tokens > 0 for row in report.history) == len(rest)


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
        value: Tensor = self.policy.token_log_probs(batch).sum()
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
    policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig
) -> None:
    shown = io.StringIO()
    with redirect_stderr(shown):
        BC(policy).improve(pairs, replace(quick, progress=True), scripted([0.25] * 9)[0])
    assert "tok/s, loss=" in shown.getvalue()
    assert "best=0.25" in shown.getvalue()


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


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.5, 1.0, 1.0, 1.0]),
        ("linear", [0.5, 1.0, 0.5, 0.0]),
        ("cosine", [0.5, 1.0, 0.5, 0.0]),
        ("inverse-sqrt", [0.5, 1.0, (100 / 550) ** 0.5, 0.1**0.5]),
    ],
)
def test_learning_rates(schedule: Any, expected: list[float]) -> None:
    config = TrainingConfig(learning_rate=1.0, schedule=schedule, warmup_tokens=100, max_tokens=1000)
    assert [config.learning_rate_at(tokens) for tokens in (50, 100, 550, 1000)] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate is 0.0; give a number above 0"),
        ({"max_tokens": -1}, "max_tokens is -1"),
        ({"patience": 0}, "patience is 0"),
        ({"seed": -1}, "seed is -1; give 0 or more"),
        ({"max_grad_norm": float("nan")}, "max_grad_norm is nan"),
        ({"schedule": "step"}, "no schedule 'step'; choose one of constant, inverse-sqrt, linear, cosine"),
        ({"precision": "fp16"}, "no precision 'fp16'; choose one of fp32, bf16, auto"),
        ({"attention": "flash"}, "no attention 'flash'; choose one of eager, sdpa, auto"),
        ({"optimiser": "adam"}, "no optimiser 'adam'; choose one of fused, foreach, auto"),
        ({"compile": "yes"}, "no compile 'yes'; choose one of on, off, auto"),
    ],
)
def test_budgets_out_of_range_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**change)


NARROW, WIDE = [nn.Linear(128, 512)], [nn.Linear(128, 512), nn.Linear(256, 512)]


def test_bf16_falls_back_where_there_are_no_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_bf16", lambda device: False)
    assert supported_precision("auto", WIDE, CPU) == "no"
    with pytest.warns(RuntimeWarning, match="cpu has no bfloat16 instructions; training in float32"):
        assert supported_precision("bf16", WIDE, CPU) == "no"


def test_bf16_is_taken_where_there_are_and_a_network_is_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_bf16", lambda device: True)
    assert supported_precision("auto", WIDE, CPU) == "bf16"
    assert supported_precision("auto", NARROW, CPU) == "no"
    assert supported_precision("bf16", NARROW, CPU) == "bf16"
    assert supported_precision("fp32", WIDE, CPU) == "no"


def test_bf16_trains(
    policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = policy.clone()
    fit(BC(other), pairs, replace(quick, precision="fp32"))
    monkeypatch.setattr(precision, "has_bf16", lambda device: True)  # emulated here, and slow
    report = fit(BC(policy), pairs, replace(quick, precision="bf16"))
    losses = [row.loss for row in report.history if row.loss is not None]
    assert losses[-1] < losses[0]
    assert policy.fingerprint != other.fingerprint
    assert {p.dtype for p in policy.model.parameters()} == {torch.float32}

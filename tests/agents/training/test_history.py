from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from agents import BC, Seq2SeqPolicy, TrainingConfig
from buffers import Slice


def scripted(values: list[float]) -> tuple[Callable[[Seq2SeqPolicy], float], list[str]]:
    """An evaluation that gives ``values`` in turn, and the fingerprints of the policies it was shown."""
    shown: list[str] = []
    script: Iterator[float] = iter(values)

    def evaluate(policy: Seq2SeqPolicy) -> float:
        assert not policy.model.training
        shown.append(policy.fingerprint)
        return next(script)

    return evaluate, shown


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


def test_weights_before_the_first_step_can_go_unevaluated(
    policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig
) -> None:
    before = policy.fingerprint
    evaluate, shown = scripted([0.4, 0.3, 0.2, 0.1])
    report = BC(policy).improve(pairs, replace(quick, evaluate_first=False), evaluate)
    assert before not in shown
    assert [row.evaluation for row in report.history] == [None, 0.4, 0.3, 0.2]
    assert report.best_tokens == report.history[1].tokens
    assert policy.fingerprint == shown[0]


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

"""What a run's gain is compared with that trains nothing: the supervised policy's best of N, and at equal entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.runs.experiment import Experiment
from experiments.runs.settings import Settings
from experiments.runs.stages import EQUAL_ENTROPY, RERANKED, keep_at_entropy
from experiments.runs.supervised import supervised

if TYPE_CHECKING:
    from agents import Seq2SeqPolicy

BEST_OF = 8
"""Samples of the supervised policy for each source, of which reranking takes the best."""


def rerank(run: Experiment[Settings], policy: Seq2SeqPolicy) -> None:
    """What choosing the best of N samples gives without training, to compare with (section 4.4)."""
    if not run.folder.has(RERANKED):
        reward = run.evaluator.best_of(policy, "test", BEST_OF) if run.folder.is_writer else None
        run.folder.finish(RERANKED, reward)


def equal_entropy(run: Experiment[Settings], last: str) -> None:
    """The supervised policy, not trained further, at the temperature that gives it the last stage's entropy."""
    if run.folder.has(EQUAL_ENTROPY):
        return
    row: dict[str, object] = {}
    if run.folder.is_writer:
        measures = run.folder.result(last)
        nats = next(each["nats"] for each in measures if (each["split"], each["decode"]) == ("test", "sample"))
        row = keep_at_entropy(run, EQUAL_ENTROPY, supervised(run), nats)
    run.folder.finish(EQUAL_ENTROPY, row)

"""Pairs per second of a learned scorer in each arithmetic of its linear layers, and how far its scores move.

The pairs are those of stored samples: what a shipped behaviour policy wrote, each once. Speed is timed in turns, in
seconds of CPU time; where the machine has no bfloat16 it is emulated, which rounds the same, and its speed says
nothing. Rank agreement is Kendall's tau over all pairs, and the share of sources with several samples whose best one
stays the best.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any, get_args
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from experiments.benchmarks.scorer_pool import samples
from experiments.benchmarks.timings import Benchmark, Timed, by_cpu, parse_options, rates, spread
from experiments.reports.tables import table
from seq2seq_env.models.low_precision_names import Arithmetic
from seq2seq_env.scorers import LearnedScorer, load_scorer


@dataclass(frozen=True)
class Config(Benchmark):
    """Options of the benchmark."""

    scorer: str = "phrasebook-qe"
    """Learned scorer that is timed, by name or folder."""
    behaviour: str = "lowres-supervised"
    """Shipped policy whose samples are scored."""
    sources: int = 500
    """Number of sources."""
    candidates: int = 8
    """Number of samples of each source."""
    repeats: int = 3
    """Timings of each, at least 1."""


TINY = {"sources": 8, "candidates": 4, "repeats": 1}


def agreement(sources: list[str], before: NDArray[np.float32], after: NDArray[np.float32]) -> tuple[float, float]:
    """Kendall's tau over all pairs, and the share of sources with several pairs whose best one stays the best."""
    from scipy.stats import kendalltau

    rows_of: dict[str, list[int]] = {}
    for row, source in enumerate(sources):
        rows_of.setdefault(source, []).append(row)
    several = [np.array(rows) for rows in rows_of.values() if len(rows) > 1]
    same = [before[rows].argmax() == after[rows].argmax() for rows in several]
    return float(kendalltau(before, after)[0]), float(np.mean(same)) if same else float("nan")


def main() -> None:
    """Measure and print."""
    config = parse_options(Config, __doc__, TINY)
    import torch

    from seq2seq_env.models import low_precision

    loaded = load_scorer(config.scorer)
    if not isinstance(loaded, LearnedScorer):
        raise SystemExit(f"error: {config.scorer!r} is no checkpoint of one network; name a learned scorer")
    drawn = samples(config.behaviour, config.sources, config.candidates)
    pairs = list(dict.fromkeys(zip(*drawn, strict=True)))
    sources, hypotheses = [source for source, _ in pairs], [hypothesis for _, hypothesis in pairs]
    scorers: dict[str, LearnedScorer] = {}
    kinds: tuple[Arithmetic, ...] = get_args(Arithmetic)
    with ExitStack() as stack:
        emulated = not low_precision.has_bf16(torch.device("cpu"))
        if emulated:
            stack.enter_context(patch.object(low_precision, "has_bf16", lambda device: True))
        for kind in kinds:
            name = f"{kind}, emulated" if emulated and kind == "bfloat16" else kind
            scorers[name] = LearnedScorer(loaded.folder, compute_type=kind)

    def scoring(scorer: LearnedScorer) -> Timed:
        return by_cpu(lambda: scorer.score(sources, hypotheses))

    speed = rates({name: scoring(scorer) for name, scorer in scorers.items()}, len(pairs), config.repeats)
    exact, rows = scorers["float32"].score(sources, hypotheses), list[list[Any]]()
    for name, scorer in scorers.items():
        moved = np.abs(scorer.score(sources, hypotheses) - exact)
        tau, best = agreement(sources, exact, scorer.score(sources, hypotheses))
        ratio = median(speed[name]) / median(speed["float32"])
        rows.append([
            name, spread(speed[name]), f"{ratio:.2f}", f"{moved.max():.2g}", f"{moved.mean():.2g}", f"{tau:.3f}",
            f"{best:.1%}",
        ])  # fmt: skip
    print(f"{len(pairs):,} pairs that differ; torch {torch.__version__}, {torch.get_num_threads()} threads")
    names = ("", "pairs per CPU second", "of float32", "most moved", "on average", "Kendall's tau", "same best")
    print(table(names, rows))


if __name__ == "__main__":
    main()

"""Settings of a small Grow step, and a scorer that fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from buffers import InThreads
from seq2seq_env.scorers.scorer import Scorer

SETTINGS: dict[str, Any] = {
    "grow_step": 1,
    "candidates": 5,
    "temperature": 0.8,
    "seed": 0,
    "sources_per_shard": 10,
    "workers": InThreads(1),  # so that shards come in order
    "progress": False,
}


class CountingScorer:
    """Another scorer's scores, with an accident at some call and all after it."""

    def __init__(self, scorer: Scorer, fail_at_call: int | None = None, value: float | None = None) -> None:
        self.scorer, self.fail_at_call, self.value = scorer, fail_at_call, value
        self.fingerprint = scorer.fingerprint
        self.calls: list[list[tuple[str, str]]] = []

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        self.calls.append(list(zip(sources, hypotheses, strict=True)))
        scores = self.scorer.score(sources, hypotheses)
        if self.fail_at_call is not None and len(self.calls) >= self.fail_at_call:
            if self.value is None:
                raise RuntimeError("power cut")
            scores[-1] = self.value
        return scores

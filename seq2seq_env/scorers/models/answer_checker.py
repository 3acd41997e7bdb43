"""Exact checker of the answers to the arithmetic task's problems."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seq2seq_env.tasks.arithmetic import problems
from seq2seq_env.tasks.arithmetic.task import judge


class AnswerChecker:
    """1 for a hypothesis that ends with the right answer ("answer 12"), else 0.

    It solves the problem from its text, so it needs no task and rates problems of any seed. It is reward and true
    quality in one: there is nothing to be fooled but the way to the answer, which it does not look at.
    """

    def __init__(self) -> None:
        code = Path(problems.__file__).read_bytes()
        self.fingerprint = hashlib.sha256(b"arithmetic-checker" + code).hexdigest()

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        """See :class:`seq2seq_env.scorers.scorer.Scorer`.

        Raises:
            ValueError: If a source is no such problem, or has an answer that no hypothesis can give.
        """
        return judge(sources, hypotheses)

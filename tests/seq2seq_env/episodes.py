"""Helpers of tests of episodes: the tiny task's special tokens and words, a counting scorer, environments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray

from seq2seq_env import Scorer, Seq2SeqTranslateEnv, Seq2SeqTranslateVectorEnv, Task

EOS, UNK, PAD = 0, 1, 18  # of the tiny task, whose 16 words lie between


def word(env: Seq2SeqTranslateEnv, text: str) -> int:
    return env.tokenizer.encode([text])[0][0]


class CountingScorer:
    fingerprint = "counting"

    def __init__(self) -> None:
        self.calls: list[tuple[list[str], list[str]]] = []

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        self.calls.append((list(sources), list(hypotheses)))
        return np.full(len(sources), 0.25, dtype=np.float32)


def native(task: Task, scorer: Scorer, num_envs: int, **arguments: Any) -> Seq2SeqTranslateVectorEnv:
    return Seq2SeqTranslateVectorEnv(num_envs, task=task, scorer=scorer, **arguments)


def scalars(task: Task, scorer: Scorer, num_envs: int, mode: AutoresetMode, **arguments: Any) -> SyncVectorEnv:
    envs: SyncVectorEnv = SyncVectorEnv(
        [lambda: Seq2SeqTranslateEnv(task, scorer, **arguments)] * num_envs, autoreset_mode=mode
    )
    return envs

"""The Markov decision process of translation: what is translated, and what a translation is worth.

A package of seq2seq-env. Importing it registers ``Seq2SeqTranslate-v0`` with Gymnasium. The names below are imported at
first use, so that neither the import nor ``gymnasium.make`` waits for a deep-learning library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from gymnasium.envs.registration import register

from seq2seq_env.installation import warn_of_overwritten_packages, warn_of_untested_versions

if TYPE_CHECKING:
    from seq2seq_env.constraint import Constraint
    from seq2seq_env.env import Seq2SeqTranslateEnv
    from seq2seq_env.scorers import Scorer, load_scorer
    from seq2seq_env.tasks import load_task
    from seq2seq_env.tasks.task import Split, Task
    from seq2seq_env.tasks.tokenizer import Tokenizer
    from seq2seq_env.vector_env import Seq2SeqTranslateVectorEnv

__all__ = [
    "Constraint",
    "Scorer",
    "Seq2SeqTranslateEnv",
    "Seq2SeqTranslateVectorEnv",
    "Split",
    "Task",
    "Tokenizer",
    "load_scorer",
    "load_task",
]

_MODULES = {
    "Constraint": "seq2seq_env.constraint",
    "Scorer": "seq2seq_env.scorers",
    "Seq2SeqTranslateEnv": "seq2seq_env.env",
    "Seq2SeqTranslateVectorEnv": "seq2seq_env.vector_env",
    "Split": "seq2seq_env.tasks.task",
    "Task": "seq2seq_env.tasks.task",
    "Tokenizer": "seq2seq_env.tasks.tokenizer",
    "load_scorer": "seq2seq_env.scorers",
    "load_task": "seq2seq_env.tasks",
}

warn_of_overwritten_packages()
warn_of_untested_versions()

register(
    id="Seq2SeqTranslate-v0",
    entry_point="seq2seq_env.env:Seq2SeqTranslateEnv",
    vector_entry_point="seq2seq_env.vector_env:Seq2SeqTranslateVectorEnv",
)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Supervised policies that the benchmark's seeds start from, shipped as matrices of 8 bits.

On another kind of processor the same training ends in another policy, and an agent is compared with others from the
same start alone. With the starts given, everybody's trainings of a seed belong in one table.

The start *is* the rounded policy. What rounding takes any training might win back: at 8 bits 0.001 of greedy true
quality, where the 4 bits of behaviours take 0.01.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.datasets.behaviours import behaviour_names, load_behaviour, save_behaviour

if TYPE_CHECKING:
    from agents import Seq2SeqPolicy
    from seq2seq_env.tasks import Task

STARTS = Path(str(files("experiments.datasets") / "starts"))

BITS = 8


def is_shipped(regime: str, seed: int, folder: Path = STARTS) -> bool:
    """Whether there is a start of this seed."""
    return start_name(regime, seed) in behaviour_names(folder)


def load_start(regime: str, seed: int, task: Task, folder: Path = STARTS) -> Seq2SeqPolicy:
    """The policy that a seed starts from, its weights as float32.

    Args:
        regime: Of the phrasebook, a key of ``REGIMES``.
        seed: Of the benchmark.
        task: Gives tokenizer and lengths.
        folder: Where the files lie.

    Raises:
        ValueError: If none is shipped, or it is of another tokenizer.
    """
    return load_behaviour(start_name(regime, seed), task, folder)


def save_start(policy: Seq2SeqPolicy, regime: str, seed: int, folder: Path = STARTS) -> Path:
    """Write a start, rounded; the policy that :func:`load_start` gives has these weights."""
    return save_behaviour(policy, start_name(regime, seed), folder, BITS)


def start_name(regime: str, seed: int) -> str:
    """Of a start's file, without its suffix."""
    return f"{regime}-seed{seed}"

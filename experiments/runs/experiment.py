"""An experiment under way: its options, and what every step of it works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from experiments.runs.evaluation import Evaluator
from experiments.runs.run_folder import RunFolder
from experiments.runs.settings import Settings
from seq2seq_env.tasks import Task

C_co = TypeVar("C_co", bound=Settings, covariant=True)


@dataclass(frozen=True)
class Experiment(Generic[C_co]):
    """One call of a script, as its steps share it.

    Attributes:
        config: Options of the script.
        task: Gives the sources, and the references of the original data D.
        evaluator: Measures policies, by the scorer R among others.
        folder: Keeps each finished stage, which is not done again.
    """

    config: C_co
    task: Task
    evaluator: Evaluator
    folder: RunFolder

"""History of a training, and the best weights so far."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from agents.training.tensor_parts import part_like

if TYPE_CHECKING:
    from torch import Tensor, nn

Evaluate = Callable[[], float]
"""Returns a number that should rise: the policy's mean reward on the validation sources."""

Log = Callable[[str, float, int], None]
"""Takes a metric's name, its value and the target tokens trained on so far."""


class HistoryRow(NamedTuple):
    """What was known at one point of the training."""

    tokens: int
    """Target tokens trained on so far."""
    seconds: float
    """Wall-clock time so far."""
    loss: float | None
    """Mean over the steps since the last row; None before the first step."""
    metrics: dict[str, float]
    """The agent's other metrics, likewise."""
    learning_rate: float
    """Of the last step."""
    evaluation: float | None
    """What ``evaluate`` gave; None without it, and before the first step where it was not asked."""


@dataclass(frozen=True)
class ImproveReport:
    """What one Improve step did."""

    history: tuple[HistoryRow, ...]
    """One row an evaluation, the first before the first step."""
    best_evaluation: float | None
    """Of the weights that were kept; None without an evaluation."""
    best_tokens: int
    """Target tokens after which the weights that were kept had been reached."""
    tokens: int
    """Target tokens trained on in all."""
    steps: int
    """Steps of the optimiser in all."""
    stopped_early: bool
    """Whether the evaluation stopped rising before the budget was spent."""
    seconds: float
    """Wall-clock time, evaluations included."""
    evaluation_seconds: float
    """Wall-clock time of the evaluations."""


class History:
    """The rows of a training, and copies of the weights as they were at the best evaluation, at first as they are now.

    Attributes:
        rows: One an evaluation.
        networks: What is trained; an agent that begins with another network than it trains puts the latter here.
        kept_tokens: Target tokens trained on when the copy was taken.

    Args:
        networks: What is trained.
        evaluate: None keeps the last weights.
        log: Called with everything that a row knows.
    """

    def __init__(self, networks: Mapping[str, nn.Module], evaluate: Evaluate | None, log: Log | None) -> None:
        self.networks, self._evaluate, self._log = networks, evaluate, log
        self._started = time.perf_counter()
        self._evaluation_seconds = 0.0
        self._stale = 0
        self.rows: list[HistoryRow] = []
        self.best_evaluation: float | None = None
        self._keep(0)

    def record(
        self,
        tokens: int,
        loss: float | None,
        metrics: dict[str, float],
        learning_rate: float,
        *,
        evaluates: bool = True,
    ) -> None:
        """Add a row, and keep the weights if an evaluation is above all before; of equal ones the earlier.

        Raises:
            ValueError: If ``evaluate`` gives NaN.
        """
        evaluation = None
        if self._evaluate is not None and evaluates:
            before = time.perf_counter()
            evaluation = float(self._evaluate())
            self._evaluation_seconds += time.perf_counter() - before
            if math.isnan(evaluation):
                raise ValueError(f"evaluate gave NaN after {tokens} tokens; it must give a number to compare")
        self.rows.append(
            HistoryRow(tokens, time.perf_counter() - self._started, loss, metrics, learning_rate, evaluation)
        )
        values = {"loss": loss, **metrics, "learning_rate": learning_rate, "evaluation": evaluation}
        for name, value in values.items():
            if self._log is not None and value is not None:
                self._log(name, value, tokens)
        if evaluation is None:
            return
        if self.best_evaluation is None or evaluation > self.best_evaluation:
            self.best_evaluation, self._stale = evaluation, 0
            self._keep(tokens)
        else:
            self._stale += 1

    def is_stale(self, patience: int) -> bool:
        """Whether so many evaluations in a row were not better than the best."""
        return self._stale >= patience

    def restore(self) -> None:
        """Put the copy back in place."""
        for name, network in self.networks.items():
            network.load_state_dict(self._kept[name])

    def finish(self) -> None:
        """Put the copy back where there was an evaluation to choose by."""
        if self._evaluate is not None:
            self.restore()

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """What :meth:`resume` takes: numbers as JSON can hold them, and the copy of the weights, by dotted names."""
        numbers = {
            "rows": [row._asdict() for row in self.rows],
            "best_evaluation": self.best_evaluation,
            "kept_tokens": self.kept_tokens,
            "stale": self._stale,
            "seconds": time.perf_counter() - self._started,
            "evaluation_seconds": self._evaluation_seconds,
        }
        kept = {f"{name}.{key}": value for name, copy in self._kept.items() for key, value in copy.items()}
        return numbers, kept

    def resume(self, numbers: dict[str, Any], kept: Mapping[str, Tensor]) -> None:
        """Go on from what :meth:`state` gave; the time between does not count."""
        self.rows = [HistoryRow(**row) for row in numbers["rows"]]
        self.best_evaluation, self.kept_tokens = numbers["best_evaluation"], numbers["kept_tokens"]
        self._stale, self._evaluation_seconds = numbers["stale"], numbers["evaluation_seconds"]
        self._started = time.perf_counter() - numbers["seconds"]
        for name, copy in self._kept.items():
            for key, value in copy.items():
                value.copy_(part_like(value, kept[f"{name}.{key}"]))

    def report(self, tokens: int, steps: int, stopped_early: bool) -> ImproveReport:
        """All of it."""
        return ImproveReport(
            history=tuple(self.rows),
            best_evaluation=self.best_evaluation,
            best_tokens=tokens if self._evaluate is None else self.kept_tokens,
            tokens=tokens,
            steps=steps,
            stopped_early=stopped_early,
            seconds=time.perf_counter() - self._started,
            evaluation_seconds=self._evaluation_seconds,
        )

    def _keep(self, tokens: int) -> None:
        self.kept_tokens = tokens
        self._kept = {
            name: {key: value.detach().clone() for key, value in network.state_dict().items()}
            for name, network in self.networks.items()
        }

"""Log of a run for its reader: curves by measure, example translations and options, in TensorBoard or another tracker.

ReST and each arm are a run of the tracker's. ``training/`` has the numbers of the training, over the target tokens that
led there from the beginning; the measures of the finished policies and the examples stand over Improve steps, of which
0 is the supervised policy.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from seq2seq_env.extras import is_installed

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker  # type: ignore[import-untyped]

TrackerName = Literal["tensorboard", "trackio", "wandb", "mlflow"]
"""A tracker of accelerate's, and the package that it needs."""

REST = "rest"
"""What the tracker calls the run of ReST itself; an arm's has the name of its stage."""

MLFLOW_TAG = "rest_run"
"""Tag by which a run of mlflow's is known again; its names need not be unique."""


class LogPlace(NamedTuple):
    """Where the numbers of a stage stand."""

    series: str
    """Name of the tracker's run."""
    improve_step: int
    """Number of the Improve step, over all Grow steps; 0 for the supervised policy."""

    def precedes(self, other: LogPlace) -> bool:
        """Whether the policy of another place was trained on from this one's."""
        of_same = self.series == other.series or self.improve_step == 0
        return of_same and self.improve_step < other.improve_step


def log_place(stage: str, improve_steps: int) -> LogPlace | None:
    """Where the numbers of a stage stand; None of a stage that trains no policy.

    Args:
        stage: Its name, ``g1i2`` or ``control-filtered-g1i2``.
        improve_steps: To each Grow step.
    """
    parsed = re.fullmatch(r"(?:(.+)-)?g(\d+)i(\d+)", stage)
    if parsed is None:
        return None
    arm, grow_step, step = parsed[1], int(parsed[2]), int(parsed[3])
    return LogPlace(arm or REST, max(0, grow_step - 1) * improve_steps + step)


def check_trackers(names: Sequence[TrackerName] | None) -> None:
    """Refuse a tracker that could log nothing.

    Raises:
        ImportError: If its package is not installed.
    """
    for name in names or ():
        if not is_installed(name):
            raise ImportError(f"--log-with {name} needs the package {name}, which is not installed: pip install {name}")


class RunLog:
    """What a run's folder logs to; nothing is opened before the first number.

    Args:
        path: Folder of the run, whose name is the project's or experiment's; TensorBoard's files lie in it.
        trackers: Names; None takes TensorBoard where it is installed.
        options: Of the run, under dotted names.
    """

    def __init__(self, path: Path, trackers: Sequence[TrackerName] | None, options: Mapping[str, Any]) -> None:
        self._path, self._options = path, options
        default: tuple[TrackerName, ...] = ("tensorboard",) if is_installed("tensorboard") else ()
        self._names = default if trackers is None else tuple(trackers)
        self._series: str | None = None
        self._open: dict[TrackerName, GeneralTracker] = {}

    def log(self, series: str, values: Mapping[str, float], axis: str, place: int) -> None:
        """Numbers at a place of an axis, ``tokens`` or ``improve_step``."""
        for name, tracker in self._of(series).items():
            if name == "wandb":
                # Its own step must rise from call to call, and the two axes do not: each is a value beside the others.
                tracker.log({**values, axis: place})
            else:
                tracker.log(dict(values), step=place)

    def text(self, series: str, title: str, text: str, improve_step: int) -> None:
        """A text in Markdown, where the tracker takes texts."""
        for name, tracker in self._of(series).items():
            if name != "mlflow":  # its metrics are numbers
                tracker.log({title: text}, **({} if name == "wandb" else {"step": improve_step}))

    def close(self) -> None:
        """Write what is not on disk, or sent, yet."""
        for tracker in self._open.values():
            tracker.finish()
        self._open, self._series = {}, None

    def _of(self, series: str) -> Mapping[TrackerName, GeneralTracker]:
        """The trackers of a series, which are open one series at a time, as some know only one run per process."""
        if series != self._series:
            self.close()
            self._series = series
            for name in self._names:
                self._open[name] = self._begun(name, series)
        return self._open

    def _begun(self, name: TrackerName, series: str) -> GeneralTracker:
        from accelerate.tracking import LOGGER_TYPE_TO_CLASS

        kind, project, folder = LOGGER_TYPE_TO_CLASS[name], self._path.resolve().name, self._path / "tensorboard"
        # The same run again where the command goes on, or comes back from another series.
        digest = hashlib.sha256(f"{self._path.resolve()} {series}".encode()).hexdigest()[:16]
        known = False
        if name == "tensorboard":
            known = (folder / series).exists()
            tracker = kind(series, folder)
        elif name == "mlflow":
            run_id = _mlflow_run(digest)
            known = run_id is not None
            tracker = kind(project, run_name=series, run_id=run_id, tags={MLFLOW_TAG: digest})
        else:
            own = {"dir": str(self._path), "id": digest} if name == "wandb" else {}
            tracker = kind(project, name=series, resume="allow", **own)
        tracker.start()
        if not known:
            plain = (bool, int, float, str)
            options = {key: value if isinstance(value, plain) else str(value) for key, value in self._options.items()}
            tracker.store_init_configuration(options)
        return tracker


def _mlflow_run(digest: str) -> str | None:
    """The id of the run that has the tag, which mlflow made itself; None where there is none yet."""
    import mlflow

    runs = mlflow.search_runs(
        search_all_experiments=True, filter_string=f"tags.{MLFLOW_TAG} = '{digest}'", output_format="list"
    )
    return str(runs[0].info.run_id) if runs else None

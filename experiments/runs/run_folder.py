"""Run folder: its configuration, and each finished stage, so that the same command goes on where it stopped."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from agents.training.training_config import FREE_FIELDS
from experiments.runs.run_log import LogPlace, RunLog, TrackerName, log_place
from experiments.runs.stopwatch import Stopwatch
from seq2seq_env.atomic_files import finite, write_json, write_text

CONFIG = "config.json"

CHECKPOINTS = "checkpoints"
"""Folder of a run's policies, one a stage."""

TRAININGS = ("supervised", "improve")
"""Settings of a configuration that are a training's."""

STAGES = "stages"
"""Folder of a run's records, one a stage, and of the states of trainings that are not finished."""


def own_scorer_folder(run: Path) -> Path:
    """Folder, beside a run's, of a scorer that the run makes of its task's pairs."""
    return run.resolve().with_name(f"{run.resolve().name}-scorer")


class RunFolder:
    """Where a run keeps what it made; of several processes of one run the first writes, and all of them read.

    Args:
        path: Made if it is not there.
        config: What determines the results, as JSON can hold it.
        trackers: What numbers are logged with; None takes TensorBoard where it is installed.
        defaults: Options as they are where nothing is asked for. A run of an earlier release that knows an option by no
            name yet did what its default does, and may go on.

    Attributes:
        watch: Times what this call of the command does, by kind.

    Raises:
        FileExistsError: If the folder holds a run of another configuration, or something that is no run, or is a file.
        ValueError: If its config.json is corrupt.
    """

    REMEDY: ClassVar[str] = "choose another --out or give the options of that run"
    """What to do where the folder holds a run of another configuration."""

    def __init__(
        self,
        path: Path,
        config: Mapping[str, Any],
        trackers: Sequence[TrackerName] | None = None,
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        self.path, self._trackers = path, trackers
        self._defaults: dict[str, Any] = json.loads(json.dumps(finite(defaults or {})))
        from accelerate import PartialState  # type: ignore[import-untyped]

        self._processes = PartialState()
        # As it will be read again: JSON has lists for tuples, and a run must equal itself.
        self.config: dict[str, Any] = json.loads(json.dumps(finite(config)))
        check_place(path)
        known = path / CONFIG
        if known.is_file():
            self._refuse_other(flat(bound(_read_config(known))))
        self._processes.wait_for_everyone()  # before the first of them fills the folder
        # What is there is the same, and a process that opens it again must not replace it beside others.
        if self.is_writer and not known.is_file():
            path.mkdir(parents=True, exist_ok=True)
            write_json(known, self.config)
        self.watch = Stopwatch()
        self._tokens_before: dict[str, int] = {}
        self._log = RunLog(path, trackers, flat(self.config))

    def part(self, name: str, **changes: Any) -> Self:
        """A run folder within this one, with the same configuration but for ``changes``; both share the stopwatch."""
        part = type(self)(self.path / name, self.config | changes, self._trackers, self._defaults)
        part.watch = self.watch
        return part

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        """Another process opens the folder anew, and times and logs by itself."""
        return type(self), (self.path, self.config, self._trackers, self._defaults)

    @property
    def is_writer(self) -> bool:
        """Whether this process writes what a run leaves."""
        return bool(self._processes.is_main_process)

    def checkpoint(self, stage: str) -> Path:
        """Folder of a stage's policy."""
        return self.path / CHECKPOINTS / stage

    def has(self, stage: str) -> bool:
        """Whether a stage was finished."""
        return self._record(stage).is_file()

    def result(self, stage: str) -> Any:
        """What :meth:`finish` was given for a stage.

        Raises:
            ValueError: If its file is corrupt.
        """
        path = self._record(stage)
        try:
            return json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise ValueError(f"{str(path)!r} is corrupt ({error}); delete it, and the stage is done again") from error

    def training_state(self, stage: str, step: int = 1) -> Path:
        """File from which a stage's training goes on where it was killed, by its number; :meth:`finish` deletes it."""
        return self._record(stage).with_name(f"{stage}.{step}.safetensors")

    def finish(self, stage: str, result: Any) -> None:
        """Record a stage as finished, after all of its files are written, in JSON; every process calls it."""
        record = self._record(stage)
        if self.is_writer:
            record.parent.mkdir(exist_ok=True)
            write_json(record, result)
            for state in record.parent.glob(f"{stage}.*.safetensors"):
                state.unlink()
        self._processes.wait_for_everyone()

    def write_lines(self, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write a file of JSON Lines atomically."""
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        write_text(path, "".join(json.dumps(finite(row), ensure_ascii=False, allow_nan=False) + "\n" for row in rows))

    def log(self, stage: str, name: str, value: float, tokens: int) -> None:
        """One number of a training, after so many target tokens of the stage."""
        place = log_place(stage, self._improve_steps)
        if not self.is_writer or place is None:
            return
        if stage not in self._tokens_before:
            earlier = [tokens for other, tokens in self._trained() if other.precedes(place)]
            self._tokens_before[stage] = sum(earlier)
        self._log.log(place.series, {f"training/{name}": value}, "tokens", self._tokens_before[stage] + tokens)

    def log_measures(self, stage: str, values: Mapping[str, float], examples: str) -> None:
        """Measures of a stage's policy, over Improve steps, and some of its translations in Markdown."""
        if not self.is_writer:
            return
        place = log_place(stage, self._improve_steps)
        if place is None:  # an arm as a whole, which is where its last step is
            steps = [other.improve_step for other, _ in self._trained() if other.series == stage]
            place = LogPlace(stage, max(steps, default=0))
        self._log.log(place.series, values, "improve_step", place.improve_step)
        self._log.text(place.series, "examples", examples, place.improve_step)

    def close(self) -> None:
        """Write what was logged and is not on disk, or sent, yet."""
        self._log.close()

    @property
    def _improve_steps(self) -> int:
        """To each Grow step."""
        return int(self.config.get("improve_steps", 1))

    def _trained(self) -> Iterator[tuple[LogPlace, int]]:
        """Every finished training and its target tokens."""
        for record in (self.path / STAGES).glob("*.json"):
            place = log_place(record.stem, self._improve_steps)
            if place is not None:
                yield place, self.result(record.stem)[0]["train_tokens"]

    def spend(self, seconds: float) -> None:
        """Add the time of one call of the command, in all and by kind, and remember the largest memory it took."""
        if not self.is_writer:
            return
        used = self.result("usage") if self.has("usage") else {}
        spent = {"seconds": seconds} | {f"seconds_{kind}": value for kind, value in self.watch.seconds.items()}
        used |= {name: used.get(name, 0.0) + value for name, value in spent.items()}
        used["peak_memory_gib"] = max(used.get("peak_memory_gib", 0.0), _peak_memory_gib())
        self._record("usage").parent.mkdir(exist_ok=True)
        write_json(self._record("usage"), used)

    def _record(self, stage: str) -> Path:
        return self.path / STAGES / f"{stage}.json"

    def _refuse_other(self, known: dict[str, Any]) -> None:
        mine = flat(bound(self.config))
        known = {name: value for name, value in flat(self._defaults).items() if name in mine} | known
        different = [
            f"{name} was {known.get(name)!r} and is now {mine.get(name)!r}"
            for name in sorted(known.keys() | mine.keys())
            if known.get(name) != mine.get(name)
        ]
        if different:
            raise FileExistsError(
                f"{str(self.path)!r} holds a run of another configuration: {'; '.join(different)}; {self.REMEDY}"
            )


def check_place(path: Path) -> None:
    """Refuse a place that no run can have, before there is work for one.

    Raises:
        FileExistsError: If it is a file, a link to nothing, or a folder that holds something that is no run.
    """
    if path.is_symlink() and not path.exists():
        gone = str(path.readlink())
        raise FileExistsError(f"{str(path)!r} is a link to {gone!r}, which is not there; delete it, or change --out")
    if path.exists() and not path.is_dir():
        raise FileExistsError(f"{str(path)!r} is a file; choose a folder with --out")
    if path.is_dir() and any(path.iterdir()) and not (path / CONFIG).is_file():
        raise FileExistsError(f"{str(path)!r} is not empty and holds no run; choose another --out")


def bound(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without what its trainings may go on with another value of."""
    return {
        name: {each: value[each] for each in value if each not in FREE_FIELDS}
        if name in TRAININGS and isinstance(value, Mapping)
        else value
        for name, value in config.items()
    }


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings under dotted names: {"policy": {"d_model": 8}} is {"policy.d_model": 8}."""
    settings: dict[str, Any] = {}
    for name, value in config.items():
        settings |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return settings


def _read_config(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{str(path)!r} is corrupt ({error}); choose another --out") from error


def _peak_memory_gib() -> float:
    """Largest resident memory of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def read_lines(path: Path) -> list[dict[str, Any]]:
    """What :meth:`RunFolder.write_lines` wrote.

    Raises:
        ValueError: If a line is corrupt, naming it.
    """
    rows = []
    # Only line feeds end lines: a text may hold what str.splitlines takes for an end.
    for number, line in enumerate(path.read_text("utf-8").split("\n"), start=1):
        try:
            rows += [json.loads(line)] if line else []
        except ValueError as error:
            raise ValueError(f"line {number} of {str(path)!r} is corrupt ({error}); measure the stage again") from error
    return rows

"""Run folder: its configuration, and each finished stage, so that the same command goes on where it stopped."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from experiments.runs.stopwatch import Stopwatch
from seq2seq_env.atomic_files import finite, write_json, write_text
from seq2seq_env.extras import is_installed

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

CONFIG = "config.json"

CHECKPOINTS = "checkpoints"
"""Folder of a run's policies, one a stage."""


class RunFolder:
    """Where a run keeps what it made; of several processes of one run the first writes, and all of them read.

    Args:
        path: Made if it is not there.
        config: What determines the results, as JSON can hold it.

    Attributes:
        watch: Times what this call of the command does, by kind.

    Raises:
        FileExistsError: If the folder holds a run of another configuration, or something that is no run, or is a file.
        ValueError: If its config.json is corrupt.
    """

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        self.path = path
        from accelerate import PartialState  # type: ignore[import-untyped]

        self._processes = PartialState()
        # As it will be read again: JSON has lists for tuples, and a run must equal itself.
        self.config: dict[str, Any] = json.loads(json.dumps(finite(config)))
        check_place(path)
        known = path / CONFIG
        if known.is_file():
            self._refuse_other(flat(_read_config(known)))
        self._processes.wait_for_everyone()  # before the first of them fills the folder
        # What is there is the same, and a process that opens it again must not replace it beside others.
        if self.is_writer and not known.is_file():
            path.mkdir(parents=True, exist_ok=True)
            write_json(known, self.config)
        self.watch = Stopwatch()

    def part(self, name: str, **changes: Any) -> Self:
        """A run folder within this one, with the same configuration but for ``changes``; both share the stopwatch."""
        part = type(self)(self.path / name, self.config | changes)
        part.watch = self.watch
        return part

    def __reduce__(self) -> tuple[type[Self], tuple[Path, dict[str, Any]]]:
        """Another process opens the folder anew, and times by itself."""
        return type(self), (self.path, self.config)

    @cached_property
    def _events(self) -> SummaryWriter | None:
        """What writes TensorBoard's files, from the first number on; None where it is not installed."""
        if not self.is_writer or not is_installed("tensorboard"):
            return None
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(self.path / "tensorboard"))

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

    def finish(self, stage: str, result: Any) -> None:
        """Record a stage as finished, after all of its files are written, in JSON; every process calls it."""
        if self.is_writer:
            self._record(stage).parent.mkdir(exist_ok=True)
            write_json(self._record(stage), result)
        self._processes.wait_for_everyone()

    def write_lines(self, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write a file of JSON Lines atomically."""
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        write_text(path, "".join(json.dumps(finite(row), ensure_ascii=False, allow_nan=False) + "\n" for row in rows))

    def log(self, stage: str, name: str, value: float, step: int) -> None:
        """One number for TensorBoard."""
        if self._events is not None:
            self._events.add_scalar(f"{stage}/{name}", value, step)

    def close(self) -> None:
        """Write what TensorBoard has not seen yet."""
        if "_events" in vars(self) and self._events is not None:
            self._events.close()

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
        return self.path / "stages" / f"{stage}.json"

    def _refuse_other(self, known: dict[str, Any]) -> None:
        mine = flat(self.config)
        different = [
            f"{name} was {known.get(name)!r} and is now {mine.get(name)!r}"
            for name in sorted(known.keys() | mine.keys())
            if known.get(name) != mine.get(name)
        ]
        if different:
            raise FileExistsError(
                f"{str(self.path)!r} holds a run of another configuration: {'; '.join(different)}; "
                "choose another --out or give the options of that run"
            )


def check_place(path: Path) -> None:
    """Refuse a place that no run can have, before there is work for one.

    Raises:
        FileExistsError: If it is a file, or a folder that holds something that is no run.
    """
    if path.exists() and not path.is_dir():
        raise FileExistsError(f"{str(path)!r} is a file; choose a folder with --out")
    if path.is_dir() and any(path.iterdir()) and not (path / CONFIG).is_file():
        raise FileExistsError(f"{str(path)!r} is not empty and holds no run; choose another --out")


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
    """Largest resident memory of this process so far; 0 where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return 0.0
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

"""The log of a run: what stands where, and which trackers there are."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import Mock

import accelerate.tracking  # type: ignore[import-untyped]
import pytest
from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
    EventAccumulator,
)

from experiments.runs.run_log import LogPlace, RunLog, check_trackers, log_place


class FakeTracker(accelerate.tracking.GeneralTracker):  # type: ignore[misc]  # accelerate has no types
    """Remembers what it was told."""

    name = "wandb"
    requires_logging_directory = False
    tracker = None
    told: ClassVar[list[tuple[Any, ...]]] = []

    def __init__(self, project: str, **options: Any) -> None:
        super().__init__()
        self.told.append(("init", project, options))

    def start(self) -> None:
        self.told.append(("start",))

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        self.told.append(("options", values))

    def log(self, values: dict[str, Any], step: int | None = None, **kwargs: Any) -> None:
        self.told.append(("log", values, step))

    def finish(self) -> None:
        self.told.append(("finish",))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[Any, ...]]]:
    for name in ("wandb", "mlflow", "trackio"):
        monkeypatch.setitem(accelerate.tracking.LOGGER_TYPE_TO_CLASS, name, FakeTracker)
    monkeypatch.setitem(sys.modules, "mlflow", Mock(search_runs=Mock(return_value=[])))
    FakeTracker.told.clear()
    yield FakeTracker.told
    FakeTracker.told.clear()


@pytest.mark.parametrize(
    ("stage", "place"),
    [
        ("g0i0", LogPlace("rest", 0)),
        ("g1i2", LogPlace("rest", 2)),
        ("g2i1", LogPlace("rest", 4)),
        ("control-one-grow-g3i3", LogPlace("control-one-grow", 9)),
        ("control-one-grow", None),
        ("reranked", None),
    ],
)
def test_a_stage_has_its_place(stage: str, place: LogPlace | None) -> None:
    assert log_place(stage, improve_steps=3) == place


def test_tensorboard_has_curves_texts_and_options(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "run", None, {"seed": 1, "filter_values": [0.7, 0.8], "start": None})
    log.log("rest", {"training/loss": 2.0}, "tokens", 100)
    log.log("rest", {"reward/test_greedy": 0.5}, "improve_step", 1)
    log.text("rest", "examples", "| source |", 1)
    log.log("control-filtered", {"training/loss": 1.0}, "tokens", 300)
    log.close()
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard" / "rest")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("training/loss")] == [(100, 2.0)]
    assert [(event.step, event.value) for event in events.Scalars("reward/test_greedy")] == [(1, 0.5)]
    (text,) = events.Tensors("examples/text_summary")
    assert (text.step, text.tensor_proto.string_val[0]) == (1, b"| source |")
    other = EventAccumulator(str(tmp_path / "run" / "tensorboard" / "control-filtered")).Reload()
    assert [event.step for event in other.Scalars("training/loss")] == [300]
    (options,) = (tmp_path / "run" / "tensorboard" / "rest").rglob("hparams.yml")
    assert options.read_text().splitlines() == ["filter_values: '[0.7, 0.8]'", "seed: 1", "start: None"]
    again = RunLog(tmp_path / "run", ("tensorboard",), {"seed": 1})
    again.log("rest", {"training/loss": 1.5}, "tokens", 200)
    again.close()
    assert len(list((tmp_path / "run" / "tensorboard" / "rest").rglob("hparams.yml"))) == 1


def test_nothing_is_opened_before_the_first_number_or_without_a_tracker(tmp_path: Path) -> None:
    RunLog(tmp_path / "run", None, {}).close()
    without = RunLog(tmp_path / "run", (), {})
    without.log("rest", {"training/loss": 2.0}, "tokens", 100)
    without.text("rest", "examples", "text", 1)
    without.close()
    assert not (tmp_path / "run").exists()


def test_steps_of_wandb_need_not_rise(told: list[tuple[Any, ...]], tmp_path: Path) -> None:
    log = RunLog(tmp_path / "run", ("wandb",), {"seed": 1})
    log.log("rest", {"training/loss": 2.0}, "tokens", 100)
    log.log("rest", {"reward/test_greedy": 0.5}, "improve_step", 1)
    log.text("rest", "examples", "text", 1)
    (_, project, options), *others = told
    assert (project, options["name"], options["resume"], len(options["id"])) == ("run", "rest", "allow", 16)
    assert others == [
        ("start",),
        ("options", {"seed": 1}),
        ("log", {"training/loss": 2.0, "tokens": 100}, None),
        ("log", {"reward/test_greedy": 0.5, "improve_step": 1}, None),
        ("log", {"examples": "text"}, None),
    ]


@pytest.mark.parametrize("name", ["mlflow", "trackio"])
def test_others_take_the_axis_as_their_step_and_one_series_at_a_time(
    told: list[tuple[Any, ...]], tmp_path: Path, name: Any
) -> None:
    log = RunLog(tmp_path / "run", (name,), {})
    for series in ("rest", "rest", "control-filtered"):
        log.log(series, {"training/loss": 2.0}, "tokens", 100)
    log.text("control-filtered", "examples", "text", 1)
    log.close()
    begun = [entry[2] for entry in told if entry[0] == "init"]
    assert [options["run_name" if name == "mlflow" else "name"] for options in begun] == ["rest", "control-filtered"]
    assert all(options["run_id"] is None if name == "mlflow" else options["resume"] == "allow" for options in begun)
    assert [entry[0] for entry in told if entry[0] != "options"] == [
        "init", "start", "log", "log", "finish", "init", "start", "log", *["log"] * (name == "trackio"), "finish",
    ]  # fmt: skip
    assert {entry[2] for entry in told if entry[0] == "log"} == ({100} if name == "mlflow" else {100, 1})


def test_a_run_of_mlflow_is_known_again_by_its_tag(told: list[tuple[Any, ...]], tmp_path: Path) -> None:
    """Its options were stored when it began, and it lets none be stored twice."""
    for known in ([], [Mock(info=Mock(run_id="first"))]):
        sys.modules["mlflow"].search_runs.return_value = known
        log = RunLog(tmp_path / "run", ("mlflow",), {"seed": 1})
        log.log("rest", {"training/loss": 2.0}, "tokens", 100)
        log.close()
    begun = [entry[2] for entry in told if entry[0] == "init"]
    tag = begun[0]["tags"]["rest_run"]
    assert [options["run_id"] for options in begun] == [None, "first"]
    assert sys.modules["mlflow"].search_runs.call_args[1]["filter_string"] == f"tags.rest_run = '{tag}'"
    assert [entry[0] for entry in told].count("options") == 1


def test_a_tracker_that_is_not_installed_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.runs.run_log.is_installed", lambda name: name != "trackio")
    check_trackers(None)
    check_trackers(("tensorboard",))
    with pytest.raises(ImportError, match=r"--log-with trackio needs the package trackio, .*: pip install trackio"):
        check_trackers(("tensorboard", "trackio"))

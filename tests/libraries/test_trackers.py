"""Trackers: what a run logs is in wandb's, mlflow's and trackio's own files, read back with their own readers.

They bring many packages, so that `.ci/libraries recording` installs them.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from experiments.growing_batch import Config, growing_batch
from experiments.runs.evaluation import Evaluator
from experiments.runs.experiment import Experiment
from experiments.runs.run_folder import RunFolder
from experiments.runs.run_log import RunLog, TrackerName
from seq2seq_env.extras import is_installed
from tests.conftest import OverlapScorer, TinyTask
from tests.experiments.tiny_experiment import GROWING

TRACKERS: tuple[TrackerName, ...] = get_args(TrackerName)
CONTROL = "control-filtered"

pytestmark = [
    pytest.mark.skipif(
        not all(map(is_installed, TRACKERS)), reason="wandb, mlflow and trackio are not installed, see .ci/libraries"
    ),
    pytest.mark.filterwarnings("ignore"),  # theirs
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a run that logs with all at once; nothing of it leaves the machine."""
    home = tmp_path_factory.mktemp("logged")
    os.environ |= {
        "WANDB_MODE": "offline", "WANDB_SILENT": "true", "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow.db'}",
        "TRACKIO_DIR": str(home / "trackio"),
    }  # fmt: skip
    task = TinyTask()
    config: Config = replace(GROWING, arms=("filtered",), log_with=TRACKERS, out=home / "run")
    run_folder = RunFolder(config.out, config.recorded(), config.log_with)
    evaluator = Evaluator(task, OverlapScorer(task), temperature=config.temperature, seed=config.seed)
    growing_batch(Experiment(config, task, evaluator, run_folder))
    run_folder.close()
    return home


STAGES = {"rest": {0: "g0i0", 1: "g1i1", 2: "g1i2"}, CONTROL: {2: CONTROL}}
"""Of each series, the Improve steps whose policies are measured, and where the run itself keeps their measures."""


def greedy_rewards(folder: Path, series: str) -> dict[int, float]:
    """What the run itself has kept, by Improve step."""
    stages = {step: folder / "run" / "stages" / f"{stage}.json" for step, stage in STAGES[series].items()}
    rows = {step: json.loads(file.read_text()) for step, file in stages.items()}
    return {
        step: row["reward"]
        for step, some in rows.items() for row in some if (row["split"], row["decode"]) == ("test", "greedy")
    }  # fmt: skip


@pytest.mark.parametrize("series", STAGES)
def test_mlflow_has_a_run_of_each_series(series: str, folder: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    client = mlflow.MlflowClient()
    (run,) = mlflow.search_runs(
        experiment_names=["run"], filter_string=f"tags.mlflow.runName = '{series}'", output_format="list"
    )
    rewards = client.get_metric_history(run.info.run_id, "reward/test_greedy")
    assert {each.step: each.value for each in rewards} == pytest.approx(greedy_rewards(folder, series))
    losses = [each.step for each in client.get_metric_history(run.info.run_id, "training/loss")]
    assert losses == sorted(losses)
    assert losses[0] > 0
    assert (run.info.status, run.data.params["improve_steps"]) == ("FINISHED", "2")


@pytest.mark.parametrize("series", STAGES)
def test_trackio_has_a_run_of_each_series(series: str, folder: Path) -> None:
    trackio = pytest.importorskip("trackio")
    storage = pytest.importorskip("trackio.sqlite_storage").SQLiteStorage
    (run,) = (each for each in trackio.Api().runs("run") if each.name == series)
    assert run.config["improve_steps"] == 2
    logged = storage.get_logs("run", series)
    rewards = {row["step"]: row["reward/test_greedy"] for row in logged if "reward/test_greedy" in row}
    assert rewards == pytest.approx(greedy_rewards(folder, series))
    assert [row["step"] for row in logged if "examples" in row] == list(STAGES[series])


@pytest.mark.parametrize("series", STAGES)
def test_wandb_has_a_run_of_each_series(series: str, folder: Path) -> None:
    """Its files are for its server to read; the names are text in them."""
    files = [file.read_bytes() for file in (folder / "run" / "wandb").rglob("run-*.wandb")]
    (logged,) = (each for each in files if (b"control-filtered" in each) == (series == CONTROL))
    assert all(name in logged for name in (b"reward/test_greedy", b"improve_step", b"training/loss", b"tokens"))


def test_a_run_that_goes_on_is_the_same_run(folder: Path) -> None:
    """Also where it goes on from an earlier place of the axis, as a training that was killed does."""
    mlflow = pytest.importorskip("mlflow")
    storage = pytest.importorskip("trackio.sqlite_storage").SQLiteStorage
    for place in (500, 300):
        log = RunLog(folder / "other", TRACKERS, {"seed": 1})
        log.log("rest", {"training/loss": place / 100}, "tokens", place)
        log.close()
    (run,) = mlflow.search_runs(experiment_names=["other"], output_format="list")
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "training/loss")
    assert {each.step: each.value for each in history} == {500: 5.0, 300: 3.0}
    assert storage.get_runs("other") == ["rest"]
    assert {row["step"]: row["training/loss"] for row in storage.get_logs("other", "rest")} == {500: 5.0, 300: 3.0}
    ids = {file.name for file in (folder / "other" / "wandb").rglob("run-*.wandb")}
    assert len(ids) == 1  # by which its server joins what was logged offline

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.growing_batch import Config
from experiments.runs import finished_run as module
from experiments.runs.experiment import Experiment
from experiments.runs.finished_run import FinishedRun, check_alike, differences, open_run
from experiments.runs.finished_stages import stage_name


def opened(run: Experiment[Config], **changes: Any) -> FinishedRun:
    config = run.folder.config | changes
    return FinishedRun(run.folder.path, config, run.task, run.evaluator.scorer)


class Constant:
    """A scorer that nothing kept was scored by."""

    fingerprint = "constant"

    def score(self, sources: Any, hypotheses: Any) -> Any:
        return np.full(len(sources), 0.125, dtype=np.float32)


def test_stages_are_those_with_policies(finished_run: Experiment[Config]) -> None:
    run = opened(finished_run)
    assert run.steps == ["g0i0", "g1i1", "g1i2"]
    arms = ["unfiltered", "filtered", "samples", "one-grow", "random"]
    assert run.arms == [f"control-{arm}" for arm in arms]
    assert [stage_name(stage) for stage in (*run.steps, run.arms[-1])] == [
        "supervised", "G=1 I=1", "G=1 I=2", "random"
    ]  # fmt: skip
    assert run.gold == "oracle"
    assert run.sources == finished_run.task.split("test").sources


def test_other_code_that_scores_alike_is_noted(finished_run: Experiment[Config]) -> None:
    assert differences(opened(finished_run)) == ()
    notes = differences(opened(finished_run, task_fingerprint="old", scorer_fingerprint="old"))
    assert [note.partition(" differs")[0] for note in notes] == [
        "The fingerprint of the task", "The fingerprint of the scorer"
    ]  # fmt: skip
    assert all("get the scores that they got then" in note for note in notes)


def test_other_scores_are_refused(finished_run: Experiment[Config]) -> None:
    with pytest.raises(
        ValueError, match=r"^the scorer of .* scores its kept translations otherwise today, by up to 0\."
    ):
        differences(replace(opened(finished_run), scorer=Constant()))


def test_runs_of_other_settings_are_refused(finished_run: Experiment[Config]) -> None:
    check_alike([opened(finished_run), opened(finished_run, seed=3)])
    with pytest.raises(ValueError, match="differ in temperature; name runs of one configuration"):
        check_alike([opened(finished_run), opened(finished_run, temperature=1.0)])
    older = opened(finished_run, improve=finished_run.folder.config["improve"] | {"workers": 2})
    check_alike([opened(finished_run), older])
    # An agent's options are recorded where they are not its defaults.
    plain, with_option = opened(finished_run), opened(finished_run, bvmpo={"eta": 0.2})
    for runs in ([plain, with_option], [with_option, plain]):
        with pytest.raises(ValueError, match="differ in bvmpo"):
            check_alike(runs)


def test_a_run_is_opened_with_its_task_and_scorer(
    finished_run: Experiment[Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, scorer = finished_run.folder.path, finished_run.evaluator.scorer
    monkeypatch.setattr(module, "load_task", lambda name, **options: finished_run.task if name == "tiny" else None)
    # The task has no scorer of its own, so that the one beside the run is meant.
    scorers = {f"{path}-scorer": scorer}
    monkeypatch.setattr(module, "load_scorer", lambda name, **options: scorers[name])
    run = open_run(path)
    assert (run.task, run.scorer.fingerprint, run.notes) == (finished_run.task, scorer.fingerprint, ())


def test_a_folder_without_a_finished_run_is_named(finished_run: Experiment[Config], tmp_path: Path) -> None:
    shutil.copy(finished_run.folder.path / "config.json", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no finished run in .*; name a folder that growing_batch\.py"):
        open_run(tmp_path)

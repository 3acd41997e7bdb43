from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from experiments import best_of_n, overoptimisation
from experiments.growing_batch import Config
from experiments.runs.experiment import Experiment
from experiments.runs.finished_run import FinishedRun

OPTIONS = {"samples": 4, "sources": 5, "other_samples": 2, "engine": "transformers", "progress": False}


@pytest.fixture(scope="module")
def runs(finished_run: Experiment[Config], tmp_path_factory: pytest.TempPathFactory) -> list[FinishedRun]:
    """Two copies of the run."""
    opened = []
    for seed in range(2):
        folder = tmp_path_factory.mktemp("sampled") / f"seed{seed}"
        shutil.copytree(finished_run.folder.path, folder, ignore=shutil.ignore_patterns("buffer"))
        config = finished_run.folder.config | {"seed": seed}
        note = ("The fingerprint differs.",)
        opened.append(FinishedRun(folder, config, finished_run.task, finished_run.evaluator.scorer, notes=note))
    return opened


@pytest.fixture(scope="module")
def verdict(runs: list[FinishedRun]) -> str:
    """The policies are sampled, and the report is written."""
    return best_of_n.best_of_n(options(runs), runs)


def options(runs: list[FinishedRun]) -> best_of_n.Config:
    return best_of_n.Config(
        tuple(run.path for run in runs), stages=("g0i0", "g1i2"), out=runs[0].path.parent / "report", **OPTIONS  # type: ignore[arg-type]
    )  # fmt: skip


def test_the_report_has_every_question(runs: list[FinishedRun], verdict: str) -> None:
    config = options(runs)
    assert verdict.startswith("supervised, T = 0.8: the best of 4 by the reward changes learned reward from ")
    text = (config.report_folder / "best-of-n.md").read_text()
    assert verdict.splitlines()[0] in text
    assert "2 runs, 5 test sources, 4 samples of each." in text
    assert [line for line in text.splitlines() if line.startswith("## ")][:3] == [
        "## The best of N by the reward",
        "## What N of the supervised policy equals a trained policy, by learned reward",
        "## What N of the supervised policy equals a trained policy, by true quality",
    ]
    assert "| G=1 I=2, T = 0.8 | 4 |" in text
    record = json.loads((config.report_folder / "best-of-n.json").read_text())
    assert record["provenance"]["note 1"] == "The fingerprint differs."
    for curve in record["curves"]:
        assert curve["reward"] == sorted(curve["reward"])
        assert len(curve["gold"]) == 4
    assert [row["name"] for row in record["order"]["policies"]] == [
        "supervised", "G=1 I=1", "G=1 I=2", "unfiltered", "filtered", "samples", "one-grow", "random"
    ]  # fmt: skip
    assert "<svg" in (config.report_folder / "report.html").read_text()
    assert (config.report_folder / "best-of-n.png").is_file()


def test_sampled_runs_have_curves_over_the_kl(
    runs: list[FinishedRun], verdict: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verdict
    for run in runs:
        (run.path / "config.json").write_text(json.dumps(run.config))
    folder = runs[0].path / "best-of-n"
    with pytest.raises(SystemExit) as end:
        overoptimisation.main([])
    assert end.value.code == 2
    overoptimisation.main([str(run.path) for run in runs])
    assert f"wrote overoptimisation.md, .json and .png to {folder}" in capsys.readouterr().out
    (family,) = json.loads((folder / "overoptimisation.json").read_text())["families"]
    names: dict[str, list[str]] = {point["series"]: [] for point in family["points"]}
    for point in family["points"]:
        names[point["series"]].append(point["name"])
    assert names["filtered-bc"] == ["G=1 I=1", "G=1 I=2"]
    assert names["arms"] == ["unfiltered", "filtered", "samples", "one-grow", "random"]
    assert names["best of N, at its estimated KL"] == ["best of 2", "best of 4"]
    assert set(family["beside_best_of_n"]["G=1 I=2"]) == {"reward", "gold"}
    text = (folder / "overoptimisation.md").read_text()
    assert "## Filtered-bc on tiny, 2 runs" in text


def test_arms_that_one_run_lacks_are_left_out(runs: list[FinishedRun], tmp_path: Path) -> None:
    fewer = replace(runs[1], path=tmp_path / "seed1")
    shutil.copytree(runs[1].path, fewer.path, ignore=shutil.ignore_patterns("control-random", "best-of-n"))
    config = replace(options(runs), out=tmp_path / "report", stages=("g1i2",), samples=3)
    verdict = best_of_n.best_of_n(config, [runs[0], fewer])
    assert "supervised" not in verdict
    record = json.loads((tmp_path / "report/best-of-n.json").read_text())
    assert [row["name"] for row in record["order"]["policies"]][-1] == "one-grow"
    text = (tmp_path / "report/best-of-n.md").read_text()
    assert "Samples of supervised" not in text


def test_what_cannot_be_sampled_is_refused(runs: list[FinishedRun]) -> None:
    config = options(runs)
    for changes, said in (
        ({"samples": 1}, "samples is 1; give 2 or more"),
        ({"other_samples": -1}, "other_samples is -1; give 0 or more"),
        ({"temperatures": (0.8, 0.0)}, "temperature is 0.0; give a number above 0"),
        ({"runs": ()}, "there are no runs; name folders"),
    ):
        with pytest.raises(ValueError, match=said):
            replace(config, **changes).check()
    with pytest.raises(ValueError, match=r"stage 'g1i3'.*g1i2"):
        replace(config, stages=("g1i3",)).wanted(runs[0])
    assert {each.samples for each in replace(config, other_samples=0).wanted(runs[0])} == {4}
    assert replace(config, out=None, runs=(Path("x"),)).report_folder == Path("x/best-of-n")
    assert replace(config, out=None).report_folder == Path("runs/best-of-n")

"""Samples of a Grow step on their way to people, and as ratings back to the run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from agents import Seq2SeqPolicy
from buffers import GrowingBatchBuffer, Threshold
from experiments.growing_batch import grow_step
from experiments.people.campaign import Campaign
from experiments.people.grown import read_grown
from experiments.rate import main
from experiments.runs import finished_run
from experiments.runs.refresh_ratings import check_grown, read_table, texts_of
from seq2seq_env.scorers import Scorer
from tests.conftest import TinyTask
from tests.experiments.people.written_run import page_file
from tests.experiments.tiny_experiment import GROWING, POLICY, begin


@pytest.fixture
def run(tmp_path: Path, fake_scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run after its first Grow step, of a task whose first training source is a test source, too."""
    task = TinyTask()
    task.split("test").sources[0] = task.split("train").sources[0]
    monkeypatch.setattr(finished_run, "load_task", lambda name, **options: task)
    experiment = begin(replace(GROWING, sources=24), tmp_path / "run", task, fake_scorer)
    grow_step(experiment, Seq2SeqPolicy.from_config(task.tokenizer, POLICY, seed=0), 1, Threshold(0.5))
    return experiment.folder.path


def test_ratings_of_a_grow_step_come_back_for_its_refresh(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["export", "--run", str(run), "--grow", "1", "--protocol", "cesa", "--candidates", "3", "--sources", "8"])
    said = capsys.readouterr().out
    assert "sample-1 and sample-2 and sample-3: 23 of 23 sources of Grow step 1 have different translations" in said
    folder = run / "ratings" / "grow-1"
    campaign = Campaign.read_key(folder)
    assert campaign.grow_step == 1
    assert [len(item.candidates) for item in campaign.items] == [3] * 8
    path = page_file(run.parent / "anna.json", campaign, lambda item, each: len(each.text) % 100)
    main(["import", str(path), "--run", str(run)])
    said = capsys.readouterr().out
    assert said.startswith("People rated 24 samples of Grow step 1.\n")
    tables = run / "ratings" / "grow-{grow}" / "ratings.csv"
    assert f"next: the run's own command, with --refresh-scorer '{tables}'" in said
    assert "by system" not in (folder / "results.md").read_text("utf-8")
    lines = [json.loads(line) for line in (folder / "ratings.jsonl").read_text("utf-8").splitlines()]
    assert {line["grow"] for line in lines} == {1}
    # The run takes them: of its samples, and of no source that it is judged by.
    task = finished_run.task_of({"task": "tiny", "task_options": {}})
    ratings = read_table(folder / "ratings.csv", task, "")
    check_grown(ratings, GrowingBatchBuffer(run / "buffer").select(grow_step=1), task, folder, 1)


def test_samples_differ_and_no_judging_source_is_among_them(run: Path) -> None:
    systems, sources, references = read_grown(run, 1, 4)
    task = finished_run.task_of({"task": "tiny", "task_options": {}})
    assert set(sources) == {*task.split("train").sources[1:]}
    assert references == [TinyTask().known[source] for source in sources]
    grown = set(zip(*texts_of(GrowingBatchBuffer(run / "buffer").select(grow_step=1), task), strict=True))
    shown = {(source, text) for system in systems for source, text in zip(sources, system.texts, strict=True)}
    assert shown == {(source, text) for source, text in grown if source in set(sources)}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--grow", "2"], "has no Grow step 2; its Grow steps are: 1"),
        (["--grow", "0"], "grow is 0; give 1 or more"),
        (["--grow", "1", "--candidates", "1"], "candidates is 1; give 2 or more"),
        (["--candidates", "2"], "--candidates 2 goes with --grow; leave it out, or name a Grow step"),
        (["--grow", "1", "--stages", "g0i0"], "--grow rates samples of a Grow step, and --stages test translations"),
    ],
)
def test_what_no_grow_step_has_is_refused(
    run: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["export", "--run", str(run), *options])
    assert said in f"{end.value.code} {capsys.readouterr().err}"

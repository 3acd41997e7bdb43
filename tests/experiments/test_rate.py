"""Ratings from the run to the page, through a person's hands, and back to the scorer and the next Grow step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agents import Seq2SeqPolicy
from buffers import GrowingBatchBuffer, grow
from experiments.people.rating_page import PAGE, write_rating_page
from experiments.rate import main
from experiments.scorer_training.estimator_config import EstimatorConfig, HeadConfig
from experiments.scorer_training.make_scorer import ScorerConfig, make_scorer
from experiments.scorer_training.ratings import read_ratings
from seq2seq_env.scorers import load_scorer
from tests.conftest import TinyTask
from tests.experiments.people.browser import CHROMIUM, Browser, chromium
from tests.experiments.people.written_run import HOSTILE, campaign, page_file, write_run
from tests.experiments.scorer_training.test_refresh import write_scorer
from tests.experiments.tiny_experiment import POLICY

VISIBLE = "document.querySelector('section:not([hidden])')"


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    main(list(map(str, arguments)))
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[object, str]:
    """Exit code and complaint; a text as exit code is Python's way to print it and leave with 1."""
    with pytest.raises(SystemExit) as end:
        main(list(map(str, arguments)))
    complained, code = capsys.readouterr().err, end.value.code
    return (1, code) if isinstance(code, str) else (code, complained)


def test_export_writes_a_page_a_campaign_and_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run")
    said = call(capsys, "export", "--run", run, "--protocol", "cesa", "--sources", 5, "--raters", 3, "--reference")
    folder = run / "ratings" / "cesa"
    assert {path.name for path in folder.iterdir()} == {PAGE, "pearmut.json", "key.json"}
    assert f"keep from raters: {folder / 'key.json'}" in said
    assert "supervised and G=1 I=2 and unfiltered: 17 of 21 test sources have different translations" in said
    assert len(json.loads((folder / "pearmut.json").read_text())["data"]) == 3
    assert "A right translation" in (folder / PAGE).read_text("utf-8")
    assert call(capsys, "export", "--run", run, "--protocol", "cesa", "--sources", 5, "--raters", 3) == said
    assert "A right translation" not in (folder / PAGE).read_text("utf-8")


def test_import_says_what_people_say_and_how_to_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run")
    folder, known = campaign(run, "da")
    path = page_file(tmp_path / "f.json", known, lambda item, each: 90 if "g1i2" in each.systems else 10)
    said = call(capsys, "import", path, "--run", run)
    assert "G=1 I=2 is better than supervised for people" in said
    train = "python -m experiments.train_scorer --task text-files --task-options folder data"
    table, out = f"--estimator.ratings {folder / 'ratings.csv'}", f"--out {folder / 'scorer'}\n"
    assert f"next: teach the run's scorer: {train} --refresh mine {table} {out}" in said
    assert f"next: or make a scorer that learns from them: {train} {table} --estimator.folds 1 {out}" in said
    half = page_file(tmp_path / "half.json", known, lambda item, each: 90 if item.name < "010" else None)
    lacking = refused(capsys, "import", "--run", run, half)[1]
    assert lacking.startswith("error: of 55 translations rater 'anna' lacks 46; ")
    said = call(capsys, "import", half, "--run", run, "--partial")
    assert "Half finished: nobody rated 46 of 55 translations." in said


def test_a_command_line_that_cannot_be_meant_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run")
    for arguments, code, said in (
        (["exprot"], 2, "there is no command 'exprot'; choose one of export, import; did you mean 'export'?"),
        ([], 2, ""),
        (["export"], 2, "--run"),
        (["export", "--run", run, "--sources", 1], 2, "sources is 1; give 2 or more"),
        (["export", "--run", run, "--raters", 0], 2, "raters is 0; give 1 or more"),
        (["export", "--run", run, "--name", "a/b"], 2, "name is 'a/b'; give one that a folder can have"),
        (["export", "--run", run, "--protocol", "mqm"], 2, "invalid choice 'mqm'"),
        (["import", "--run", run], 1, "there is no file of ratings; name what the page saved"),
        (["import", run / "config.json", "--run", run], 1, "has no campaign; make one with: rest rate export"),
    ):
        ended, complained = refused(capsys, *arguments)
        assert ended == code, complained
        assert said in complained


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium among the system's packages")
    with chromium(tmp_path_factory.mktemp("browser")) as one:
        yield one


def check_peaceful(browser: Browser, page: Path) -> None:
    """Nothing was executed, refused or loaded but the page."""
    for event in browser.events:
        assert event["method"] not in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"), event
        if event["method"] == "Network.requestWillBeSent":
            assert event["params"]["request"]["url"].startswith((page.as_uri(), "blob:"))
    assert browser.value("document.body.dataset.hacked") is None
    browser.events.clear()


def saved(browser: Browser) -> Path:
    """What the button that has the focus saves."""
    browser.press("Enter")
    while (download := browser.wait("Browser.downloadProgress"))["state"] != "completed":
        assert download["state"] == "inProgress"
    return Path(download["filePath"])


def write_tiny_run(folder: Path, task: TinyTask) -> Path:
    """Two policies: one says "dog dog" for everything, the other is right; the scorer likes the first."""
    for part in ("hypotheses", "stages"):
        (folder / part).mkdir(parents=True)
    for stage, reward in (("g0i0", 0.9), ("g1i1", 0.1)):
        (folder / "stages" / f"{stage}.json").write_text("[]")
        lines = [
            {"source": source, "reference": target, "greedy": target if reward < 0.5 else "dog dog",
             "greedy_reward": reward}
            for source, target in task.known.items()
        ]  # fmt: skip
        (folder / "hypotheses" / f"{stage}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_twenty_ratings_by_keys_alone_reach_the_next_grow_step(
    browser: Browser, tmp_path: Path, tiny_task: TinyTask, capsys: pytest.CaptureFixture[str], files: dict[str, str]
) -> None:
    run = write_tiny_run(tmp_path / "run", tiny_task)
    call(capsys, "export", "--run", run, "--sources", 10)
    page = run / "ratings" / "side-by-side" / PAGE
    browser.open(page)
    browser.press("Tab", "Tab", *"anna", "Tab")
    for number in range(10):
        shown = browser.value(f"Array.from({VISIBLE}.querySelectorAll('.reading'), (each) => each.textContent)")
        source, translations = shown[0], shown[1:]
        for text in translations:
            score = 6 if text == tiny_task.known[source] else 1
            browser.press("Tab", " ", *["ArrowRight"] * score)
        browser.press(*["Tab"] * (2 if number else 1))  # past "Back", which the first page has disabled
        if number < 9:
            browser.press("Enter")
    assert browser.value("document.getElementById('status').textContent") == "10 of 10 rated"
    assert browser.value("document.documentElement.scrollWidth <= innerWidth")  # on a phone
    browser.press("Tab")  # "Next" is disabled on the last page: from "Next unrated" to "Save"
    file = saved(browser)
    check_peaceful(browser, page)
    assert json.loads(file.read_text())["rater"] == "anna"
    assert "G=1 I=1 is better than supervised for people" in (said := call(capsys, "import", file, "--run", run))
    assert "the learned reward puts them as supervised, G=1 I=1" in said
    table = run / "ratings" / "side-by-side" / "ratings.csv"
    assert sorted({each.score for each in read_ratings(table)}) == pytest.approx([1 / 6, 1], abs=1e-6)
    # Refreshed, the scorer rewards the next Grow step.
    estimator = EstimatorConfig(ratings=table, head=replace(HeadConfig(), epochs=2, sources_per_batch=4))
    old, new = write_scorer(tmp_path / "old"), tmp_path / "new"
    make_scorer(ScorerConfig("text-files", files, estimator=estimator, refresh=str(old), out=new))
    buffer = GrowingBatchBuffer(tmp_path / "buffer", task=tiny_task)
    policy = Seq2SeqPolicy.from_config(tiny_task.tokenizer, POLICY, 0)
    scorer = load_scorer(new)
    grow(policy, scorer, tiny_task, buffer, grow_step=2, candidates=2, temperature=0.8, seed=0, progress=False)
    assert {shard.provenance.scorer_fingerprint for shard in buffer.shards} == {scorer.fingerprint}
    assert len(buffer.select(grow_step=2)) == 3 * len(tiny_task.split("train"))


def test_hostile_translations_are_marked_saved_and_gone_on_with(browser: Browser, tmp_path: Path) -> None:
    folder, known = campaign(write_run(tmp_path / "run"), "esa", ["g0i0", "g1i2"])
    page = write_rating_page(folder, known, "x")
    browser.open(page)
    place = next(at for at, item in enumerate(known.items) if item.source == HOSTILE[0])
    for _ in range(place):
        browser.value("document.getElementById('next').click()")
    assert browser.value(f"{VISIBLE}.querySelector('.source').textContent") == HOSTILE[0]
    browser.value(f"{VISIBLE}.querySelector('h2').focus()")
    # A word: minor, then the next: major, which ends the first error.
    browser.press("Tab", "Enter", "ArrowRight", "Enter", "Enter", "Tab", "7", "5")
    browser.value("document.getElementById('rater').value = '<b>ben</b>'")
    assert browser.value("document.activeElement.type") == "number"
    browser.value("document.getElementById('save').focus()")
    file = saved(browser)
    record = json.loads(file.read_text("utf-8"))
    assert (record["campaign"], record["rater"]) == (known.fingerprint, "<b>ben</b>")
    (row,) = record["ratings"]
    assert (row["item"], row["candidate"], row["score"]) == (known.items[place].name, "a", 75)
    assert row["errors"] == ["minor", "major"]
    # Opened again, the page goes on where it was.
    browser.open(page)
    assert browser.value("document.getElementById('status').textContent") == f"1 of {len(known.items)} rated"
    assert browser.value("document.querySelectorAll('.word[data-severity=major]').length") == 1
    check_peaceful(browser, page)

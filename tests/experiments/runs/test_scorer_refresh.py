"""Refresh of a scorer between Grow and Improve: what is kept, who judges what, how it goes on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents import Seq2SeqPolicy
from buffers import GrowingBatchBuffer, Slice, Threshold
from experiments.growing_batch import Config, grow_step
from experiments.runs.arms import arm_data, known_grow_step
from experiments.runs.experiment import Experiment
from experiments.runs.improve_data import DataConfig
from experiments.runs.refresh_ratings import digest, texts_of
from experiments.runs.scorer_checks import SCORER_TESTS, check_scorer
from experiments.runs.scorer_refresh import (
    accuracies,
    check,
    held_out,
    refresh_scorer,
    refresh_sentence,
    refresh_warnings,
    refreshed,
    reward_column,
    scorer_at,
)
from experiments.runs.stages import translations_file
from experiments.scorer_training.ratings import Rating
from experiments.scorer_training.scorer_report import UnitTest
from seq2seq_env.scorers import CrossFittedScorer, LearnedScorer, Scorer
from seq2seq_env.tasks import Task
from tests.conftest import TinyTask
from tests.experiments.scorer_training.test_refresh import write_scorer
from tests.experiments.tiny_experiment import GROWING, POLICY, begin

CONFIG = replace(GROWING, refresh_scorer="oracle", refresh_sources=10)


@pytest.fixture(scope="module")
def run(tiny_task: Task, tmp_path_factory: pytest.TempPathFactory) -> Experiment[Config]:
    """A first Grow step."""
    folder = tmp_path_factory.mktemp("refreshed")
    return begin(CONFIG, folder / "run", tiny_task, LearnedScorer(write_scorer(folder / "scorer")))


@pytest.fixture(scope="module")
def batch(run: Experiment[Config]) -> Slice:
    return grow_step(run, Seq2SeqPolicy.from_config(run.task.tokenizer, POLICY, seed=0), 1, Threshold(0.5))


def test_filters_go_by_the_new_rewards_and_measures_by_the_first(run: Experiment[Config], batch: Slice) -> None:
    record = run.folder.result("refreshed-1")
    assert record["before"] == run.evaluator.scorer.fingerprint != record["after"]
    assert record["after"] == scorer_at(run, 1).fingerprint == refreshed(run, 1).evaluator.scorer.fingerprint
    assert refreshed(run, 2) is run
    buffer = GrowingBatchBuffer(run.folder.path / "buffer")
    assert (reward_column(run, 1), reward_column(run, 2)) == ("refreshed-1", None)
    new, old = (buffer.select(grow_step=(0, 1), scorer=name) for name in ("refreshed-1", None))
    np.testing.assert_array_equal(batch.rewards, new.rewards)
    assert not np.array_equal(new.rewards, old.rewards)
    everything = arm_data("one-grow", buffer, 1, lambda data: data, partial(reward_column, run))
    np.testing.assert_array_equal(everything.rewards, new.rewards)
    pairs = arm_data("unfiltered", buffer, 1, lambda data: data, partial(reward_column, run))
    np.testing.assert_array_equal(pairs.rewards, new.where(new.grow_step == 0).rewards)
    assert (known_grow_step("one-grow", 2), known_grow_step("random", 2)) == (1, 2)
    assert [part["hypotheses"] for part in record["parts"]] == [record["ratings"]]
    assert refresh_sentence(record | {"accuracy": None}).endswith(
        "its accuracy is not known: fewer than 5 sources that it did not learn from, or none whose samples differ"
    )
    assert "sources" not in record
    rated = run.folder.result("refreshed-1.scorer")["sources"]
    assert len(rated) == 10
    accuracy = {
        "by": "people", "sources": 5, "before": 0.8, "after": 0.9, "pairs": 9, "difference": 0.1, "error": 0.01
    }  # fmt: skip
    said = refresh_sentence(record | {"accuracy": accuracy})
    assert "by people on 9 pairs of samples of 5 sources that it did not learn from: 0.800 before, 0.900 after" in said
    assert said.endswith(", +0.100 [+0.080, +0.120]")
    second = {"accuracy": accuracy, "since_first": accuracy | {"before": 0.7}, "grow": 2}
    assert refresh_sentence(record | second).endswith("[+0.080, +0.120]; the run's first scorer: 0.700")
    left = {"accuracy": accuracy, "parts": [{"epoch": 0}]}
    assert "at Grow 1, and left as it was, for no pass over them lowered the loss" in refresh_sentence(record | left)
    assert refresh_warnings(record | {"accuracy": accuracy}) == []
    (worse,) = refresh_warnings(record | {"accuracy": accuracy | {"difference": -0.1}})
    assert worse.startswith("WARNING: the scorer refreshed at Grow 1 ranks samples worse than the one before")


def test_accuracy_is_the_oracles(tiny_task: Task, fake_scorer: Any, batch: Slice) -> None:
    sources, texts = texts_of(batch, tiny_task)
    quality = tiny_task.oracle(sources, texts).tolist()  # type: ignore[misc]
    rated = [Rating(*each) for each in zip(sources, texts, quality, strict=True)]
    known = accuracies(rated, fake_scorer, fake_scorer, "oracle")
    assert known is not None
    assert (known["difference"], known["error"], known["by"]) == (0.0, 0.0, "oracle")
    assert 0.5 < known["before"] <= 1
    few = [each for each in rated if each.source in sorted(set(sources))[:4]]
    assert accuracies(few, fake_scorer, fake_scorer, "oracle") is None


def test_a_refresh_that_was_killed_goes_on(
    run: Experiment[Config], batch: Slice, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = run.folder.path / "stages" / "refreshed-1.json"
    kept = stage.read_text()
    stage.unlink()
    buffer = GrowingBatchBuffer(run.folder.path / "buffer", task=run.task)
    monkeypatch.setattr("experiments.scorer_training.refresh.refresh", None)  # the scorer is there
    refresh_scorer(run, buffer, 1, "oracle", 10)
    assert stage.read_text() == kept


def write_ratings(path: Path, ratings: Iterable[Rating]) -> Path:
    lines = ["source\thypothesis\tscore", *(f"{each.source}\t{each.hypothesis}\t{each.score}" for each in ratings)]
    path.write_text("\n".join(lines) + "\n")
    return path


def rated_samples(buffer: GrowingBatchBuffer, task: Task, grow_step: int) -> list[Rating]:
    sources, texts = texts_of(buffer.select(grow_step=grow_step), task)
    return [Rating(source, text, len(text) % 5 / 4) for source, text in dict.fromkeys(zip(sources, texts, strict=True))]


def test_people_rate_each_grow_step_apart_and_the_run_waits_for_them(
    run: Experiment[Config], batch: Slice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TinyTask, "oracle", None)
    monkeypatch.setattr("experiments.runs.scorer_refresh.LEAST_COMPARED", 2)
    raters = str(tmp_path / "ratings-{grow}.tsv")
    config = replace(CONFIG, refresh_scorer=raters, refresh_sources=None, grow_steps=2)
    config.check()
    config = replace(config, sources=24)
    mine = begin(config, tmp_path / "run", run.task, run.evaluator.scorer)
    check(mine, raters, 2)
    policy = Seq2SeqPolicy.from_config(run.task.tokenizer, POLICY, seed=0)
    with pytest.raises(FileNotFoundError) as stopped:
        grow_step(mine, policy, 1, Threshold(0.5))
    said = str(stopped.value)
    assert said.startswith(f"Grow step 1 is done, and there is no table '{tmp_path / 'ratings-1.tsv'}' of its ratings")
    assert f"rest rate export --run {tmp_path / 'run'} --grow 1" in said
    assert said.endswith("give the same command again, which goes on from here")
    buffer = GrowingBatchBuffer(tmp_path / "run" / "buffer", task=run.task)
    ratings = rated_samples(buffer, run.task, 1)
    write_ratings(tmp_path / "ratings-1.tsv", ratings)
    grow_step(mine, policy, 1, Threshold(0.5))
    record = mine.folder.result("refreshed-1")
    assert record["ratings_sha256"] == digest(tmp_path / "ratings-1.tsv")
    # A scorer of one part is compared on rated sources that it did not learn from.
    kept = {each.source for each in ratings} - {each.source for each in held_out(ratings, run.evaluator.scorer)[0]}
    assert record["accuracy"]["by"] == "people"
    assert record["accuracy"]["sources"] == len(kept) == 24 - record["parts"][0]["sources"]
    # The next Grow step wants ratings of its own.
    other = Seq2SeqPolicy.from_config(run.task.tokenizer, POLICY, seed=1)
    write_ratings(tmp_path / "ratings-2.tsv", ratings)
    with pytest.raises(ValueError, match=r"ratings-2\.tsv' are no samples of Grow step 2, such as"):
        grow_step(mine, other, 2, Threshold(0.5))
    buffer = GrowingBatchBuffer(tmp_path / "run" / "buffer", task=run.task)
    write_ratings(tmp_path / "ratings-2.tsv", rated_samples(buffer, run.task, 2))
    grow_step(mine, other, 2, Threshold(0.5))
    assert mine.folder.result("refreshed-2")["before"] == record["after"]
    # What a scorer was trained on stays; a table that is gone is not needed again.
    (tmp_path / "ratings-1.tsv").unlink()
    refresh_scorer(mine, buffer, 1, raters, 20)
    write_ratings(tmp_path / "ratings-1.tsv", ratings[1:])
    with pytest.raises(ValueError, match=r"ratings-1\.tsv' are not those that Grow step 1's scorer was trained on"):
        refresh_scorer(mine, buffer, 1, raters, 20)


def test_a_cross_fitted_scorer_holds_out_nothing(run: Experiment[Config]) -> None:
    ratings = [Rating(source, text, 0.5) for source, text in TinyTask().known.items()]
    parts = CrossFittedScorer([run.evaluator.scorer, run.evaluator.scorer])
    assert held_out(ratings, parts) == (ratings, ratings)


def test_a_scorer_that_forgot_is_refused_unless_it_is_forced(
    run: Experiment[Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run.evaluator.scorer.fingerprint

    def validation_tests(scorer: Scorer, *others: object) -> dict[str, UnitTest]:
        return {"truncated": UnitTest(200, 0.9 if scorer.fingerprint == first else 0.4, 0.1, 1.0)}

    monkeypatch.setattr("experiments.scorer_training.refresh.validation_tests", validation_tests)
    mine = begin(CONFIG, tmp_path / "run", run.task, run.evaluator.scorer)
    policy = Seq2SeqPolicy.from_config(run.task.tokenizer, POLICY, seed=0)
    with pytest.raises(ValueError, match=r"at Grow 1 is near chance where the one before was not: the score falls for"):
        grow_step(mine, policy, 1, Threshold(0.5))
    assert not mine.folder.has("refreshed-1.scorer")
    forced = replace(mine, config=replace(mine.config, force_scorer=True))
    grow_step(forced, policy, 1, Threshold(0.5))
    record = mine.folder.result("refreshed-1")
    assert {name: tests["truncated"]["falls"] for name, tests in record["unit_tests"].items()} == {
        "before": 0.9, "after": 0.4
    }  # fmt: skip
    (warning,) = refresh_warnings(record | {"accuracy": None})
    assert warning.startswith("WARNING: the scorer refreshed at Grow 1 is near chance where the one before was not: ")


def test_what_the_policy_writes_is_tested_by_both_scorers(
    run: Experiment[Config], batch: Slice, tiny_task: TinyTask
) -> None:
    right = [{"source": source, "greedy": text, "greedy_oracle": 1} for source, text in tiny_task.known.items()]
    for stage in ("g0i0", "g1i1"):
        run.folder.write_lines(str(translations_file(stage)), right)
        run.folder.finish(stage, [])
    check_scorer(run)
    tests = run.folder.result(SCORER_TESTS)
    assert list(tests) == ["g0i0", "g1i1", "G=1 I=1, refreshed-1"]
    assert tests["g0i0"] == tests["g1i1"] != tests["G=1 I=1, refreshed-1"]
    assert tests["g1i1"].keys() == run.folder.result("refreshed-1")["unit_tests"]["after"].keys()


def test_ratings_of_what_judges_the_run_are_refused(run: Experiment[Config], tmp_path: Path) -> None:
    train, test = (run.task.split(name).sources for name in ("train", "test"))
    ratings = [Rating(source, "one", place % 2) for place, source in enumerate([*train[:3], f"{test[0].upper()} "])]
    write_ratings(tmp_path / "ratings-2.tsv", ratings)
    with pytest.raises(ValueError, match=r"^1 of 4 sources rated in .* are of the validation or test split, such as"):
        check(run, str(tmp_path / "ratings-{grow}.tsv"), 2)
    write_ratings(tmp_path / "ratings-2.tsv", ratings[:3])
    check(run, str(tmp_path / "ratings-{grow}.tsv"), 2)
    write_ratings(tmp_path / "ratings-2.tsv", [each._replace(score=3.0 + each.score) for each in ratings[:3]])
    with pytest.raises(ValueError, match=r"has scores from 3 to 4, and another Grow step's table may have others"):
        check(run, str(tmp_path / "ratings-{grow}.tsv"), 2)


def test_what_cannot_be_refreshed_is_refused_before_any_training(
    fake_scorer: Any, run: Experiment[Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(run, evaluator=run.evaluator.rescored(fake_scorer))
    check(other, None, 1)
    with pytest.raises(ValueError, match="a OverlapScorer cannot be trained further"):
        check(other, "oracle", 1)
    for raters, said in (
        ("orcale", r"--refresh-scorer is 'orcale'; give oracle, or a table of ratings such as ratings-\{grow\}\.csv"),
        ("ratings.csv", r"'ratings\.csv', one table for 2 Grow steps, .* put \{grow\} where the number"),
    ):
        with pytest.raises(ValueError, match=said):
            replace(CONFIG, refresh_scorer=raters, refresh_sources=None, grow_steps=2).check()
    for other_raters in (None, "ratings-{grow}.csv"):
        with pytest.raises(ValueError, match="--refresh-sources 20 goes with --refresh-scorer oracle"):
            replace(CONFIG, refresh_scorer=other_raters, refresh_sources=20).check()
    with pytest.raises(ValueError, match="--refresh-scorer oracle has no Grow step to refresh after"):
        replace(CONFIG, refresh_sources=20, grow_steps=0).check()
    with pytest.raises(ValueError, match=r"--data\.rewrite scores its rewrites by the run's scorer"):
        replace(CONFIG, refresh_sources=20, data=DataConfig(rewrite=True)).check()
    with pytest.raises(ValueError, match="refresh_sources is 10; give 20 or more"):
        CONFIG.check()
    (tmp_path / "ratings.tsv").write_text("source\thypothesis\tscore\n")
    with pytest.raises(ValueError, match="has no rows"):
        check(run, str(tmp_path / "ratings.tsv"), 1)
    monkeypatch.setattr(TinyTask, "oracle", None)
    with pytest.raises(ValueError, match="--refresh-scorer oracle: task 'tiny' has none; name a table of people's"):
        check(run, "oracle", 1)

"""Refresh of a scorer between Grow and Improve: what is kept, who judges what, how it goes on."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents import Seq2SeqPolicy
from buffers import GrowingBatchBuffer, Slice, Threshold
from experiments.growing_batch import Config, grow_step
from experiments.runs.arms import arm_data
from experiments.runs.experiment import Experiment
from experiments.runs.improve_data import DataConfig
from experiments.runs.scorer_refresh import (
    accuracies,
    check,
    refresh_scorer,
    refresh_sentence,
    refreshed,
    reward_column,
    scorer_at,
)
from seq2seq_env.scorers import LearnedScorer
from seq2seq_env.tasks import Task
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
    assert [part["hypotheses"] for part in record["parts"]] == [record["ratings"]]
    assert refresh_sentence(record | {"accuracy": None}).endswith(
        "its accuracy is not known: no oracle, or no unrated source whose samples differ"
    )
    accuracy = {"before": 0.8, "after": 0.9, "pairs": 9, "difference": 0.1, "error": 0.01}
    assert "0.800 before, 0.900 after, +0.100 [+0.080, +0.120]" in refresh_sentence(record | {"accuracy": accuracy})


def test_accuracy_is_the_oracles(tiny_task: Task, fake_scorer: Any, batch: Slice) -> None:
    known = accuracies(batch, tiny_task, fake_scorer, fake_scorer)
    assert known is not None
    assert (known["difference"], known["error"]) == (0.0, 0.0)
    assert 0.5 < known["before"] <= 1


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


def test_ratings_that_have_changed_since_are_refused(run: Experiment[Config], batch: Slice, tmp_path: Path) -> None:
    buffer = GrowingBatchBuffer(run.folder.path / "buffer", task=run.task)
    (tmp_path / "ratings.tsv").write_text("longer than it was\n")
    with pytest.raises(ValueError, match=r"ratings\.tsv' are not those that Grow step 1's scorer was trained on"):
        refresh_scorer(run, buffer, 1, str(tmp_path / "ratings.tsv"), 10)


def test_what_cannot_be_refreshed_is_refused_before_any_training(
    tiny_task: Task, fake_scorer: Any, run: Experiment[Config], tmp_path: Path
) -> None:
    check(None, tiny_task, fake_scorer)
    with pytest.raises(ValueError, match="a OverlapScorer cannot be trained further"):
        check("oracle", tiny_task, fake_scorer)
    with pytest.raises(FileNotFoundError, match=r"no ratings in 'nowhere\.tsv'; name a table of them, or oracle"):
        replace(CONFIG, refresh_scorer="nowhere.tsv", refresh_sources=20).check()
    with pytest.raises(ValueError, match=r"--data\.rewrite scores its rewrites by the run's scorer"):
        replace(CONFIG, refresh_sources=20, data=DataConfig(rewrite=True)).check()
    with pytest.raises(ValueError, match="refresh_sources is 10; give 20 or more"):
        CONFIG.check()
    (tmp_path / "ratings.tsv").write_text("source\thypothesis\tscore\n")
    with pytest.raises(ValueError, match="has no rows"):
        check(str(tmp_path / "ratings.tsv"), tiny_task, run.evaluator.scorer)

"""The policy that a run starts from."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents import Seq2SeqPolicy
from experiments.growing_batch import Config
from experiments.runs.experiment import Experiment
from experiments.runs.supervised import check_trained_alike, new_policy, supervised
from seq2seq_env.tasks import Task
from tests.conftest import TinyTask
from tests.experiments.tiny_experiment import COMPARING, GROWING, begin


def test_a_new_policy_has_the_tasks_lengths_and_the_seeds_weights(tiny_task: Task) -> None:
    config = replace(GROWING, policy=replace(GROWING.policy, max_source_length=99, max_target_length=99))
    first, again, other = (new_policy(replace(config, seed=seed), tiny_task) for seed in (1, 1, 2))
    assert (first.max_source_length, first.max_target_length) == (12, 12)
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_it_is_trained_once_and_then_read(finished_run: Experiment[Config], capsys: pytest.CaptureFixture[str]) -> None:
    (row, *_) = finished_run.folder.result("g0i0")
    assert 0 < row["best_tokens"] <= row["train_tokens"]
    policy = supervised(finished_run)
    assert policy.fingerprint == Seq2SeqPolicy.load(finished_run.folder.checkpoint("g0i0")).fingerprint
    assert "Supervised policy" not in capsys.readouterr().out


def test_another_runs_policy_is_taken_as_it_is(
    finished_run: Experiment[Config], tiny_task: Task, fake_scorer: Any, tmp_path: Path
) -> None:
    config = replace(GROWING, start=finished_run.folder.path)
    run = begin(config, tmp_path / "run", tiny_task, fake_scorer)
    policy = supervised(run)
    assert policy.fingerprint == supervised(finished_run).fingerprint
    own, theirs = (each.folder.result("g0i0") for each in (run, finished_run))
    assert [row["reward"] for row in own] == [row["reward"] for row in theirs]
    assert {row["train_tokens"] for row in own} == {0}


def test_a_policy_of_other_tokens_or_of_no_run_is_refused(
    finished_run: Experiment[Config], fake_scorer: Any, tmp_path: Path
) -> None:
    class Renamed(TinyTask):
        def __init__(self) -> None:
            super().__init__()
            self.tokenizer = type(self.tokenizer).from_words(["other", "words"])

    run = begin(replace(GROWING, start=finished_run.folder.path), tmp_path / "run", Renamed(), fake_scorer)
    with pytest.raises(ValueError, match="has another tokenizer than task 'phrasebook-de-en'; give the task options"):
        supervised(run)
    with pytest.raises(FileNotFoundError):
        supervised(replace(run, config=replace(run.config, start=tmp_path / "nowhere")))


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({}, None),
        ({"task_options": {"regime": "noisy-v1"}}, "was trained with regime 'noisy-v1', not 'lowres-v1'; name a run"),
        ({"policy": {"d_model": 32}}, "was trained with policy.d_model 32, not 16"),
        ({"supervised": {"max_tokens": 7}}, "was trained with supervised.max_tokens 7, not 1500"),
        ({"supervised": {"workers": 4, "progress": True}}, None),
        ({"policy": {}, "supervised": {"max_tokens": 1_500, "no_more": 1}}, None),  # of an earlier release
    ],
)
def test_a_policy_that_was_trained_otherwise_is_no_start(
    tmp_path: Path, known: dict[str, Any], message: str | None
) -> None:
    config = replace(COMPARING, start=tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config.recorded() | known))
    with pytest.raises(ValueError, match=message) if message else nullcontext():
        check_trained_alike(config)

"""Stages of a run: what they train on, measure, record and leave out."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents import LoRA, Seq2SeqPolicy, make_agent
from buffers import Threshold
from experiments.growing_batch import Config
from experiments.runs.experiment import Experiment
from experiments.runs.run_folder import read_lines
from experiments.runs.stages import (
    MEASURED,
    UNTRAINED,
    finish,
    grow_batch,
    original_data,
    train,
    translations_file,
)
from experiments.runs.supervised import new_policy
from seq2seq_env.tasks import Task
from tests.experiments.tiny_experiment import GROWING, begin


@pytest.fixture
def run(tiny_task: Task, fake_scorer: Any, tmp_path: Path) -> Experiment[Config]:
    return begin(GROWING, tmp_path / "run", tiny_task, fake_scorer)


@pytest.fixture
def policy(run: Experiment[Config]) -> Seq2SeqPolicy:
    return new_policy(run.config, run.task)


def test_original_data_are_the_training_pairs(tiny_task: Task) -> None:
    data = original_data(tiny_task)
    assert len(data) == len(tiny_task.split("train"))
    assert data.is_reference.all()
    everything = data.read()
    texts = [everything.tokens[low:high].tolist() for low, high in pairwise(everything.offsets)]
    assert tiny_task.tokenizer.decode(texts) == tiny_task.split("train").references


def test_a_grow_step_has_as_many_samples_as_asked_and_is_made_once(
    run: Experiment[Config], policy: Seq2SeqPolicy
) -> None:
    buffer = grow_batch(run, policy, 1, sources=5, candidates=3, references=False)
    samples = buffer.select(grow_step=1)
    assert (len(samples), int(samples.is_reference.sum())) == (15, 0)
    again = grow_batch(run, policy, 1, sources=5, candidates=3, references=False).select(grow_step=1)
    np.testing.assert_array_equal(again.rewards, samples.rewards)
    both = grow_batch(run, policy, 2, sources=5, candidates=1)
    assert sorted(both.grow_steps) == [1, 2]
    assert int(both.select(grow_step=2).is_reference.sum()) == 5
    assert run.folder.watch.seconds["growing"] > 0


def test_samples_are_drawn_of_source_only_sentences_and_references_are_not(
    monolingual_task: Task, fake_scorer: Any, tmp_path: Path
) -> None:
    run = begin(GROWING, tmp_path / "run", monolingual_task, fake_scorer)
    policy = new_policy(run.config, run.task)
    assert len(original_data(monolingual_task)) == 18
    buffer = grow_batch(run, policy, 0)
    assert buffer.select().source_index.tolist() == list(range(18))
    samples = grow_batch(run, policy, 1, candidates=2, references=False).select(grow_step=1)
    assert samples.source_index.tolist() == [row for row in range(24) for _ in range(2)]
    assert not samples.is_reference.any()
    alone = replace(run, config=replace(run.config, grow_from="source-only"))
    both = grow_batch(alone, policy, 2, sources=5, candidates=1)  # with references, which are there already
    assert both.grow_steps == [0, 1, 2]
    drawn = both.select(grow_step=2)
    assert (len(drawn), bool(drawn.is_reference.any())) == (5, False)
    assert drawn.source_index.min() >= 18


def test_rewards_of_a_grow_step_are_the_scorers(run: Experiment[Config], policy: Seq2SeqPolicy) -> None:
    references = grow_batch(run, policy, 0).select(grow_step=0)
    assert len(references) == len(run.task.split("train"))
    np.testing.assert_array_equal(references.rewards, np.ones(len(references), dtype=np.float32))


def test_training_reports_what_it_spent_and_logs_the_curve(run: Experiment[Config], policy: Seq2SeqPolicy) -> None:
    logged: list[tuple[Any, ...]] = []
    run.folder.log = lambda *row: logged.append(row)  # type: ignore[method-assign]
    before = policy.fingerprint
    facts = train(run, make_agent("bc", policy), original_data(run.task), run.config.improve, "g1i1", LoRA())
    assert run.config.improve.max_tokens <= (facts["train_tokens"] or 0)
    assert (facts["best_tokens"] or 0) <= (facts["train_tokens"] or 0)
    assert {row[0] for row in logged} == {"g1i1"}
    assert (policy.fingerprint == before) == (facts["best_tokens"] == 0)


def test_nothing_is_trained_on_nothing(run: Experiment[Config], policy: Seq2SeqPolicy) -> None:
    grown = grow_batch(run, policy, 1, sources=2, candidates=1, references=False)
    nothing = grown.select(Threshold(0.999))
    assert len(nothing) == 0
    before = policy.fingerprint
    assert train(run, make_agent("bc", policy), nothing, run.config.improve, "g1i1", LoRA()) == UNTRAINED
    assert policy.fingerprint == before


def test_a_finished_stage_is_saved_measured_and_recorded(
    run: Experiment[Config], policy: Seq2SeqPolicy, capsys: pytest.CaptureFixture[str]
) -> None:
    logged: list[Any] = []
    run.folder.log_measures = lambda *row: logged.extend(row)  # type: ignore[method-assign]
    finish(run, "g1i1", make_agent("bc", policy), dict(UNTRAINED) | {"train_tokens": 7, "threshold": 0.5})
    rows = run.folder.result("g1i1")
    assert [(row["split"], row["decode"]) for row in rows] == list(MEASURED)
    for row in rows:
        measures = run.evaluator.measures(run.evaluator.translations(policy, row["split"], row["decode"]), row["split"])
        assert {name: row[name] for name in measures} == measures
        assert (row["train_tokens"], row["threshold"], row["kept_fraction"]) == (7, 0.5, None)
        assert logged[1][f"reward/{row['split']}_{row['decode']}"] == row["reward"]
    stage, values, examples = logged
    assert (stage, values["data/threshold"]) == ("g1i1", 0.5)
    assert not any("judge" in name or "kept_fraction" in name for name in values)
    greedy = run.evaluator.translations(policy, "test", "greedy").texts
    test = run.task.split("test")
    lines = examples.splitlines()[2:]
    assert len(lines) == min(8, len(greedy))
    assert lines[0].startswith(f"| {test.sources[0]} | {test.references[0]} | {greedy[0]} | ")
    assert lines[-1].startswith(f"| {test.sources[-1]} | {test.references[-1]} | {greedy[-1]} | ")
    assert Seq2SeqPolicy.load(run.folder.checkpoint("g1i1")).fingerprint == policy.fingerprint
    assert capsys.readouterr().out.count("oracle ") == 3


def test_beam_search_has_its_row_and_its_translations(
    tiny_task: Task, fake_scorer: Any, tmp_path: Path, policy: Seq2SeqPolicy
) -> None:
    run = begin(replace(GROWING, beams=2), tmp_path / "beams", tiny_task, fake_scorer)
    finish(run, "g1i1", make_agent("bc", policy), dict(UNTRAINED))
    assert [(row["split"], row["decode"]) for row in run.folder.result("g1i1")] == [*MEASURED, ("test", "beam")]
    lines = read_lines(run.folder.path / translations_file("g1i1"))
    assert [line["beam"] for line in lines] == policy.translate(tiny_task.split("test").sources, num_beams=2)
    assert {"beam_reward", "beam_oracle"} <= lines[0].keys()


def test_of_several_processes_only_the_first_saves(
    run: Experiment[Config], policy: Seq2SeqPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(run.folder), "is_writer", property(lambda _: False))
    finish(run, "g1i1", make_agent("bc", policy), dict(UNTRAINED))
    assert not run.folder.checkpoint("g1i1").exists()
    assert not run.folder.has("g1i1")


def test_an_engine_of_less_precision_tells_its_distance(
    run: Experiment[Config], policy: Seq2SeqPolicy, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ctranslate2")
    eighth = replace(run, config=replace(run.config, engine="ctranslate2", compute_type="int8"))
    grow_batch(eighth, policy, 1, sources=2, candidates=1, references=False)
    assert "ctranslate2" in capsys.readouterr().out.splitlines()[0]

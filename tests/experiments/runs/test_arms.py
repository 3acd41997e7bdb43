"""Arms of a finished run: their data, and what they spend."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args
from unittest.mock import Mock

import numpy as np
import pytest

from agents.unusable_data import UnusableDataError
from buffers import GrowingBatchBuffer, Slice, Threshold, Trajectories, at_most
from experiments.growing_batch import Config, growing_batch, report
from experiments.runs.arms import Arm, arm_data
from experiments.runs.experiment import Experiment
from experiments.runs.improve_data import DataConfig
from experiments.runs.stages import UNTRAINED
from seq2seq_env.tasks import Task
from tests.experiments.tiny_experiment import GROWING, begin, copy_of, results


def test_every_arm_spends_what_the_improve_steps_spent(finished_run: Experiment[Config]) -> None:
    found = json.loads((finished_run.folder.path / "results.json").read_text())
    spent = sum(row["train_tokens"] for row in found["steps"] if row["improve"] and row["split"] == "validation")
    arms = {row["step"]: row["train_tokens"] for row in found["controls"]}
    assert list(arms) == list(get_args(Arm))
    steps = 2
    assert all(0 <= tokens - spent <= steps * GROWING.improve.tokens_per_batch for tokens in arms.values())


def test_every_arm_looks_at_the_validation_reward_as_often_as_rest(finished_run: Experiment[Config]) -> None:
    folder = finished_run.folder
    for stage in ("g1i1", "g1i2"):
        curves = [
            folder.result(name)[0]["curve"] for name in (stage, *(f"control-{arm}-{stage}" for arm in get_args(Arm)))
        ]
        assert {len(curve) for curve in curves if curve} == {len(curves[0])}


def test_one_grow_begins_with_rests_own_steps(finished_run: Experiment[Config]) -> None:
    folder = finished_run.folder
    for stage in ("g1i1", "g1i2"):
        own, arm = (folder.checkpoint(name) / "model.safetensors" for name in (stage, f"control-one-grow-{stage}"))
        assert own.read_bytes() == arm.read_bytes()
        assert folder.result(stage)[0]["curve"] == folder.result(f"control-one-grow-{stage}")[0]["curve"]


def test_every_arm_has_its_own_data(finished_run: Experiment[Config]) -> None:
    buffer, kept = GrowingBatchBuffer(finished_run.folder.path / "buffer"), Threshold(0.4)
    whole, filtered = buffer.select(grow_step=(0, 1)), buffer.select(kept, grow_step=(0, 1))
    data = {arm: arm_data(arm, buffer, 1, lambda batch: batch.select(kept)) for arm in get_args(Arm)}
    assert len(data["unfiltered"]) == whole.is_reference.sum()
    assert data["filtered"].is_reference.all()
    assert not data["samples"].is_reference.any()
    assert len(data["filtered"]) + len(data["samples"]) == len(filtered) == len(data["one-grow"])
    drawn, samples = data["random"], data["samples"]
    assert drawn.is_reference.sum() == len(data["filtered"])
    counts = [np.bincount(each.source_index[~each.is_reference], minlength=100).tolist() for each in (drawn, samples)]
    assert counts[0] == counts[1]
    assert 0 < drawn.mean_reward() < filtered.mean_reward()
    again, other = (arm_data("random", buffer, 1, lambda batch: batch.select(kept), seed=seed) for seed in (0, 1))
    assert again.rows.tolist() == drawn.rows.tolist() != other.rows.tolist()
    assert 0 < len(data["samples"]) < len(arm_data("samples", buffer, 1, lambda batch: batch))


def test_random_samples_are_of_any_source_where_the_filter_chooses_sources(finished_run: Experiment[Config]) -> None:
    buffer, kept = GrowingBatchBuffer(finished_run.folder.path / "buffer"), Threshold(0.4)
    batch = buffer.select(grow_step=(0, 1))
    pool, samples = (each.where(~each.is_reference) for each in (batch, batch.select(kept)))
    drawn = [
        arm_data(
            "random",
            buffer,
            1,
            lambda data: data.select(kept),
            narrow=Slice.distinct,
            counted=Slice.distinct,
            by_source=kept.by_source,
            seed=seed,
        )
        for seed in range(20)
    ]
    drawn = [each.where(~each.is_reference) for each in drawn]
    assert {len(each) for each in drawn} == {len(samples.distinct())}
    assert all(len(each.distinct()) == len(each) for each in drawn)
    assert {*samples.source_index} < {row for each in drawn for row in each.source_index}
    assert np.mean([each.mean_reward() for each in drawn]) == pytest.approx(pool.distinct().mean_reward(), abs=0.03)


@pytest.mark.parametrize("kind", ["threshold", "best"])
def test_as_many_random_samples_are_trained_on_as_rest_trains_on(
    tiny_task: Task, fake_scorer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    trained: list[Slice] = []

    def train(run: Any, agent: Any, data: Slice, *more: Any) -> dict[str, Any]:
        trained.append(data)
        return UNTRAINED | {"train_tokens": 1, "best_tokens": 1}

    monkeypatch.setattr("experiments.growing_batch.train", train)
    config = replace(
        GROWING, arms=("random",), improve_steps=1, filter=kind, filter_values=(0.0,) if kind == "threshold" else (4,),
        data=DataConfig(most_kept=2),
    )  # fmt: skip
    growing_batch(begin(config, tmp_path / "run", tiny_task, fake_scorer))
    rest, drawn = trained
    assert len(drawn) == len(rest) > 0
    assert drawn.rows[drawn.is_reference].tolist() == rest.rows[rest.is_reference].tolist()
    counts = [np.bincount(each.source_index[~each.is_reference], minlength=24).tolist() for each in trained]
    assert (counts[0] == counts[1]) is (kind == "best")
    assert sum(counts[0]) == sum(counts[1]) > 0


def test_a_sample_that_says_what_a_kept_reference_does_is_not_drawn() -> None:
    """Of source 0, [5 6] is the reference and a sample, and ReST keeps one other; of source 1 it keeps two."""
    targets = [[5, 6], [9], [5, 6], [7], [8], [7], [7], [8], [9, 9], [6]]
    source_index = np.array([0, 1, 0, 0, 0, 0, 1, 1, 1, 1])
    batch = Slice.from_trajectories(
        Trajectories(
            source_index=source_index,
            offsets=np.cumsum([0, *map(len, targets)]),
            tokens=np.array([token for target in targets for token in target], dtype=np.int32),
            log_prob=np.zeros(sum(map(len, targets)), dtype=np.float32),
            terminated=np.ones(len(targets), dtype=np.bool_),
            reward=np.array([1, 0, 1, 1, 0, 1, 1, 1, 0, 0], dtype=np.float32),
            is_reference=np.arange(len(targets)) < 2,
            source_rows=np.arange(2),
            source_offsets=np.array([0, 1, 2]),
            source_tokens=np.array([5, 6], dtype=np.int32),
        ),
        pad_id=0,
    )
    buffer: Any = SimpleNamespace(select=lambda grow_step, scorer: batch)
    pool = batch.where(~batch.is_reference).distinct()
    for seed in range(20):
        drawn = arm_data(
            "random", buffer, 1, lambda data: data.select(Threshold(0.5)), narrow=Slice.distinct,
            counted=Slice.distinct, seed=seed,
        )  # fmt: skip
        rows = drawn.rows.tolist()
        assert rows[0] == 0
        assert len({*rows} & {3, 4}) == 1
        assert len(rows) == len(drawn.distinct()) == 4
        # The draws of another source are what they were with that sample among them.
        chosen = at_most(pool.source_index, np.array([1, 2])[pool.source_index], np.random.default_rng(seed))
        assert [row for row in rows if row >= 6] == [row for row in pool.rows[chosen] if row >= 6]


def test_a_value_network_learns_from_all_that_an_arm_chooses_from(
    tiny_task: Task, fake_scorer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[Slice] = []
    monkeypatch.setattr("agents.OAC.prepare", lambda agent, grown, training: learned.append(grown))
    monkeypatch.setattr(
        "experiments.growing_batch.train", lambda *run: UNTRAINED | {"train_tokens": 1, "best_tokens": 1}
    )
    arms: tuple[Arm, ...] = ("unfiltered", "filtered", "samples", "one-grow", "random")
    config = replace(GROWING, agent="oac", arms=arms, grow_steps=1, jobs=1)
    growing_batch(begin(config, tmp_path / "run", tiny_task, fake_scorer))
    whole, pairs, filtered, samples, again = learned  # "one-grow" has ReST's own first Grow step
    assert len(whole) == len(again) == len(pairs) + len(samples)
    assert len(filtered) == len(pairs)
    assert not samples.is_reference.any()


def test_without_a_filter_the_filtered_pairs_are_no_arm_of_their_own() -> None:
    assert Config(agent="awr").controls == ("unfiltered",)
    assert Config().controls == ("unfiltered", "filtered")


def test_an_arm_whose_data_the_agent_cannot_compare_is_left_out(
    tiny_task: Task, fake_scorer: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Preferences are between candidates of one source, and the original data have one."""
    run = begin(replace(GROWING, agent="dpo", arms=("unfiltered",)), tmp_path / "run", tiny_task, fake_scorer)
    growing_batch(run)
    assert "WARNING: arm 'unfiltered' is left out: no source " in capsys.readouterr().out
    run.folder.spend(1.0)
    report(run)
    assert (tmp_path / "run/results.md").is_file()


def without_samples_arm(run: Experiment[Config], folder: Path) -> Experiment[Config]:
    """A copy of the run that has yet to train the arm "samples"."""
    copy = copy_of(run, folder)
    for file in [*(folder / "stages").glob("control-samples*"), folder / "hypotheses" / "control-samples.jsonl"]:
        file.unlink()
    return copy


@pytest.mark.parametrize("place", ["experiments.growing_batch.train", "agents.FilteredBC.prepare"])
@pytest.mark.parametrize("error", [UnusableDataError("no source has 2 candidates"), FloatingPointError("loss is nan")])
def test_an_arm_that_cannot_be_trained_is_named_in_the_report_until_it_can(
    finished_run: Experiment[Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, error: Exception
) -> None:
    run = without_samples_arm(finished_run, tmp_path / "run")
    with monkeypatch.context() as failing:
        failing.setattr(place, Mock(side_effect=error))
        growing_batch(run)
    report(run)
    assert results(run)["controls_left_out"] == {"samples": str(error)}
    assert "samples" not in {row["step"] for row in results(run)["controls"]}
    page = (run.folder.path / "results.md").read_text()
    said = f"WARNING: control samples is left out, and no gain is above it: {error}."
    assert said in page[: page.index("## Summary")]
    growing_batch(run)
    report(run)
    assert "controls_left_out" not in results(run)


def test_what_no_arm_would_be_spared_ends_the_run(
    finished_run: Experiment[Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = without_samples_arm(finished_run, tmp_path / "run")
    monkeypatch.setattr("experiments.growing_batch.train", Mock(side_effect=ValueError("the state is corrupt")))
    with pytest.raises(ValueError, match="the state is corrupt"):
        growing_batch(run)

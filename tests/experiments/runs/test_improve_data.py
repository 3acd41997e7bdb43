from __future__ import annotations

import numpy as np
import pytest

from agents import TrainingConfig
from buffers import Best, GrowingBatchBuffer, Slice, Threshold, candidate_utilities
from experiments.growing_batch import Config
from experiments.runs.experiment import Experiment
from experiments.runs.improve_data import DataConfig, as_spent, on_pairs
from experiments.runs.stages import UNTRAINED


@pytest.fixture
def batch(finished_run: Experiment[Config]) -> Slice:
    return GrowingBatchBuffer(finished_run.folder.path / "buffer").select(grow_step=(0, 1))


def test_by_default_the_filter_decides_alone(batch: Slice, finished_run: Experiment[Config]) -> None:
    tokenizer = finished_run.task.tokenizer
    passed = DataConfig().select(batch, Threshold(0.2), tokenizer)
    assert passed.rows.tolist() == batch.select(Threshold(0.2)).rows.tolist()
    assert DataConfig().select(batch, None, tokenizer) is batch
    assert DataConfig().limit(batch, 0) is batch


def test_samples_alone(batch: Slice, finished_run: Experiment[Config]) -> None:
    for kept in (None, Best(1)):
        data = DataConfig(samples_only=True).select(batch, kept, finished_run.task.tokenizer)
        assert not data.is_reference.any()
        assert len(data) == (48 if kept is None else 12)


def test_the_most_agreed_with(batch: Slice, finished_run: Experiment[Config]) -> None:
    tokenizer = finished_run.task.tokenizer
    data = DataConfig(samples_only=True, filter_by="utility").select(batch, Best(1), tokenizer)
    samples = batch.where(~batch.is_reference)
    utility = candidate_utilities(samples, tokenizer)
    for source, row in zip(data.source_index, data.rows, strict=True):
        own = samples.source_index == source
        assert utility[samples.rows == row] == utility[own].max()


def test_no_more_of_a_source_than_wanted(batch: Slice) -> None:
    limited = DataConfig(most_kept=2).limit(batch, 3)
    _, counts = np.unique(limited.source_index, return_counts=True)
    assert counts.max() == 2
    assert len(limited) == 12 * 2 + 12
    assert limited.rows.tolist() == DataConfig(most_kept=2).limit(batch, 3).rows.tolist()


def test_a_control_looks_no_more_often_than_rest_did() -> None:
    training = TrainingConfig(max_tokens=250_000, evaluate_every=125_000)
    curve = [[0, 0.1], [125_150, 0.2], [250_310, 0.3]]
    control = as_spent(training, {"train_tokens": 250_310, "curve": curve})
    assert (control.max_tokens, control.evaluate_every, control.schedule_end) == (250_310, 125_155, 250_000)
    # The first look is at 125,155 or later, and the second is then due at the end, not at ReST's 250,000 before it.
    assert 2 * control.evaluate_every >= control.max_tokens
    early = as_spent(training, {"train_tokens": 125_150, "curve": curve[:2]})
    assert (early.max_tokens, early.evaluate_every, early.patience) == (125_150, 125_150, 125_150)
    pairs = as_spent(on_pairs(training), {"train_tokens": 250_310, "curve": curve[2:]})
    assert pairs.evaluate_every == pairs.max_tokens
    assert as_spent(training, UNTRAINED).max_tokens == 1


@pytest.mark.parametrize(
    ("name", "bad", "message"),
    [
        ("most_kept", 0, "most_kept is 0; give at least 1, or None for all"),
        ("rewrite_value_tokens", 0, "rewrite_value_tokens is 0"),
        ("filter_by", "luck", "there is no filter_by 'luck'; choose one of reward, utility"),
    ],
)
def test_bad_options_are_refused(name: str, bad: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DataConfig(**{name: bad})  # type: ignore[arg-type]

"""Budgets of scorers: what is out of range is refused before anything is trained."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents import PolicyConfig
from experiments.scorer_training.estimator_config import EstimatorConfig, HeadConfig
from experiments.scorer_training.make_scorer import ScorerConfig
from experiments.scorer_training.oracle_config import OracleConfig


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 0}, "folds is 0; give 1 or more"),
        ({"repeats": 0}, "repeats is 0; give 1 or more"),
        ({"labelled_sources": 0}, "labelled_sources is 0; give 1 or more"),
        ({"samples_per_source": -1}, "samples_per_source is -1; give 1 or more"),
        ({"epochs": 0}, "epochs is 0; give 1 or more"),
        ({"processes": 0}, "processes is 0; give 1 or more"),
        ({"backward_width": 0.0}, "backward_width is 0.0; give a share above 0 and at most 1"),
        ({"backward_width": 1.5}, "backward_width is 1.5"),
        ({"corrupted_per_source": -1}, "corrupted_per_source is -1; give 0 or more"),
    ],
)
def test_an_estimators_budgets(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EstimatorConfig(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "width is 0; give 1 or more"),
        ({"epochs": 0}, "epochs is 0"),
        ({"sources_per_batch": 0}, "sources_per_batch is 0"),
        ({"dropout": 1.0}, "dropout 1.0 or learning_rate .* is out of range"),
        ({"learning_rate": 0.0}, "learning_rate 0.0 is out of range"),
        ({"learning_rate": float("inf")}, "learning_rate inf is out of range"),
    ],
)
def test_a_heads_size_and_training(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HeadConfig(**options)


@pytest.mark.parametrize("ratings", [4, 20_001])
def test_an_oracle_gives_so_many_ratings(ratings: int) -> None:
    with pytest.raises(ValueError, match=rf"ratings is {ratings}; give rated_per_source \(8\) to 20000"):
        OracleConfig(ratings=ratings)
    assert OracleConfig(ratings=4, rated_per_source=4).ratings == 4


def test_a_scorer_is_determined_by_what_is_recorded() -> None:
    config = ScorerConfig("text-files", {"folder": "data"}, seed=3)
    same = replace(config, out=Path("elsewhere"), estimator=EstimatorConfig(device="cuda", processes=1))
    assert same.recorded() == config.recorded() == json.loads(json.dumps(config.recorded()))
    for other in (
        replace(config, seed=4),
        replace(config, estimator=EstimatorConfig(repeats=2)),
        replace(config, oracle=OracleConfig(pairs=9)),
    ):
        assert other.recorded() != config.recorded()
    rated = replace(config, estimator=EstimatorConfig(ratings=Path("ratings") / "mine.tsv"))
    assert rated.recorded()["estimator"]["ratings"] == str(Path("ratings") / "mine.tsv")


@pytest.mark.parametrize(
    ("sources", "width"), [(192, 16), (800, 32), (2_500, 64), (4_000, 128), (10_000, 256), (29_000, 256), (4, 16)]
)
def test_few_pairs_get_narrower_translation_models(sources: int, width: int) -> None:
    fitted = EstimatorConfig().fitted(sources)
    assert (fitted.predictor.d_model, fitted.predictor.ffn_dim) == (width, 4 * width)
    assert (fitted == EstimatorConfig()) is (width == 256)


def test_a_translation_models_budget_is_of_its_pairs() -> None:
    config = EstimatorConfig(epochs=20)
    few, many = config.budget(20_000), config.budget(1_000_000)
    assert (few.max_tokens, few.warmup_tokens, few.evaluate_every) == (400_000, 40_000, 400_000 // 12)
    assert (many.max_tokens, many.warmup_tokens) == (config.training.max_tokens, config.training.warmup_tokens)
    assert config.budget(1).max_tokens == 20


def test_the_other_direction_has_a_narrower_model() -> None:
    config = EstimatorConfig(predictor=PolicyConfig(d_model=64, num_heads=4, ffn_dim=256))
    assert (config.backward.d_model, config.backward.ffn_dim) == (32, 128)
    assert (replace(config, backward_width=0.01).backward.d_model, config.backward.num_heads) == (4, 4)
    assert replace(config, backward_width=1.0).backward == config.predictor


def test_most_pairs_are_left_to_the_translation_models() -> None:
    assert [EstimatorConfig().labelled_of(sources) for sources in (80, 2_500, 29_000)] == [20, 625, 1_000]

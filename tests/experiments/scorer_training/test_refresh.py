"""Training a scorer further on ratings, into another folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from experiments.scorer_training.estimator_config import EstimatorConfig, HeadConfig
from experiments.scorer_training.make_scorer import REPORT, ScorerConfig, make_scorer
from experiments.scorer_training.oracle_config import OracleConfig
from experiments.scorer_training.ratings import Rating
from experiments.scorer_training.refresh import refresh
from seq2seq_env.scorers import CrossFittedScorer, LearnedScorer, load_scorer
from seq2seq_env.scorers.folds import fold_of
from seq2seq_env.scorers.models.pairs import PairEncoder
from tests.conftest import TinyTask

FAST = HeadConfig(epochs=6, sources_per_batch=4, learning_rate=0.3)
RATINGS = [
    Rating(source, text, float(text == target))
    for source, target in TinyTask().known.items() for text in (target, target.split()[0] + " dog dog", "car")
]  # fmt: skip


def write_scorer(folder: Path, seed: int = 0) -> Path:
    """A learned scorer that nobody has trained."""
    torch.manual_seed(seed)
    tokenizer = TinyTask().tokenizer
    head: dict[str, Any] = {"num_labels": 1}
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=tokenizer.vocab_size, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=32, max_position_embeddings=40, pad_token_id=tokenizer.pad_id, hidden_dropout_prob=0.0,
            **head,
        )
    )  # fmt: skip
    LearnedScorer.save(folder, model, PairEncoder.from_tokenizer(tokenizer, 40))
    return folder


def error(scorer: LearnedScorer | CrossFittedScorer) -> float:
    scores = scorer.score([each.source for each in RATINGS], [each.hypothesis for each in RATINGS])
    return float(np.abs(scores - [each.score for each in RATINGS]).mean())


def test_a_learned_scorer_learns_and_the_old_one_stays(tmp_path: Path) -> None:
    old = LearnedScorer(write_scorer(tmp_path / "old"))
    fingerprint = old.fingerprint
    (result,) = refresh(old, RATINGS, FAST, tmp_path / "new", seed=0)
    assert (result.sources, result.hypotheses) == (len(TinyTask().known), len(RATINGS))
    assert result.loss_after < result.loss_before
    assert result.epoch > 0
    new = load_scorer(tmp_path / "new")
    assert isinstance(new, LearnedScorer)
    assert error(new) < error(old) - 0.05
    assert LearnedScorer(tmp_path / "old").fingerprint == fingerprint != new.fingerprint
    refresh(old, RATINGS, FAST, tmp_path / "again", seed=0)
    assert LearnedScorer(tmp_path / "again").fingerprint == new.fingerprint


def test_a_training_that_does_no_good_leaves_the_scorer_as_it_was(tmp_path: Path) -> None:
    old = LearnedScorer(write_scorer(tmp_path / "old"))
    (result,) = refresh(old, RATINGS, replace(FAST, epochs=1, learning_rate=1e4), tmp_path / "new", seed=0)
    assert (result.epoch, result.loss_after) == (0, result.loss_before)
    texts = [each.source for each in RATINGS], [each.hypothesis for each in RATINGS]
    np.testing.assert_allclose(LearnedScorer(tmp_path / "new").score(*texts), old.score(*texts), atol=1e-6)


def test_each_part_of_a_cross_fitted_scorer_learns_from_what_it_does_not_judge(tmp_path: Path) -> None:
    parts = [LearnedScorer(write_scorer(tmp_path / f"old{seed}", seed)) for seed in range(2)]
    results = refresh(CrossFittedScorer(parts), RATINGS, replace(FAST, epochs=1), tmp_path / "new", seed=0)
    sources = set(TinyTask().known)
    assert [part.sources for part in results] == [sum(fold_of(s, 2) != fold for s in sources) for fold in range(2)]
    new = load_scorer(tmp_path / "new")
    assert isinstance(new, CrossFittedScorer)
    assert (new.folds, len(new.parts)) == (2, 2)


def test_what_cannot_be_refreshed_is_refused(tmp_path: Path, fake_scorer: LearnedScorer) -> None:
    with pytest.raises(ValueError, match="a OverlapScorer cannot be trained further; refresh what it is made of"):
        refresh(fake_scorer, RATINGS, FAST, tmp_path / "new", seed=0)
    with pytest.raises(ValueError, match="has ratings of 2 sources; give 10 or more"):
        refresh(fake_scorer, RATINGS[:6], FAST, tmp_path / "new", seed=0)
    (tmp_path / "ratings.csv").write_text("source,hypothesis,score\na,b,0\na,c,1\n")
    rated = EstimatorConfig(ratings=tmp_path / "ratings.csv")
    known = ScorerConfig(refresh=str(write_scorer(tmp_path / "old")), estimator=rated, out=tmp_path / "out")
    sizes = {"train_size": "20", "source_only_size": "0", "validation_size": "20"}
    for config, said in (
        (replace(known, out=None), "the scorer that --refresh makes needs a folder; name one with --out"),
        (replace(known, estimator=EstimatorConfig()), "--refresh takes --estimator.ratings, and of the others"),
        (replace(known, estimator=replace(rated, folds=3)), "--refresh takes --estimator.ratings, and of the others"),
        (replace(known, estimator=replace(rated, head=HeadConfig(width=8))), "--refresh takes --estimator.ratings"),
        (replace(known, oracle=OracleConfig(pairs=9)), "takes no options of --oracle"),
        (known, "has ratings of 1 sources"),
    ):
        with pytest.raises(ValueError, match=said):
            make_scorer(replace(config, task_options=sizes))
    assert not (tmp_path / "out" / REPORT).exists()


def test_a_folder_that_has_a_scorer_is_refused(tmp_path: Path) -> None:
    old = LearnedScorer(write_scorer(tmp_path / "old"))
    before = old.fingerprint
    (tmp_path / "estimator").mkdir()
    (tmp_path / "estimator" / "estimator.json").write_text("{}")
    write_scorer(tmp_path / "other", seed=1)
    for name, record in (("old", "config.json"), ("other", "config.json"), ("estimator", "estimator.json")):
        with pytest.raises(FileExistsError, match=f"{name}' has a model or a scorer already, {record}; name another"):
            refresh(old, RATINGS, FAST, tmp_path / name, seed=0)
    assert LearnedScorer(tmp_path / "old").fingerprint == before


def test_the_command_measures_what_was_kept(tmp_path: Path, files: dict[str, str]) -> None:
    rows = "".join(f"{each.source},{each.hypothesis},{each.score}\n" for each in RATINGS)
    (tmp_path / "ratings.csv").write_text("source,hypothesis,score\n" + rows)
    estimator = EstimatorConfig(ratings=tmp_path / "ratings.csv", head=replace(HeadConfig(), epochs=1))
    old = write_scorer(tmp_path / "old")
    make_scorer(ScorerConfig("text-files", files, estimator=estimator, refresh=str(old), out=tmp_path / "new"))
    report = json.loads((tmp_path / "new" / REPORT).read_text())
    assert report["agreement"] == {}
    assert report["unit_tests"]["truncated"]["cases"] > 0
    assert [part["sources"] for part in report["refresh"]] == [len(TinyTask().known)]
    assert report["config"]["refresh"] == str(old)

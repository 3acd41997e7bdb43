"""Scorers of a task with an oracle, of pairs alone and of ratings, on a small scale."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.scorer_training import oracle_training
from experiments.scorer_training.estimator_config import EstimatorConfig, HeadConfig
from experiments.scorer_training.make_scorer import ScorerConfig, make_scorer
from experiments.scorer_training.oracle_config import OracleConfig
from seq2seq_env.scorers import CrossFittedScorer, EstimatorScorer, LearnedScorer, Scorer, load_scorer
from seq2seq_env.tasks import load_task
from tests.experiments.tiny_scorer import NOUNS, NUMBERS, QUICK, SMALL


def scores_in_range(scorer: Scorer) -> None:
    scores = scorer.score(["Es regnet heute stark."] * 2, ["It rains.", ""])
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()


def test_train_scorer_leaves_a_scorer_and_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"train_size": 150, "source_only_size": 0, "validation_size": 20, "test_size": 60}
    monkeypatch.setattr(oracle_training, "HELD_OUT_SIZES", sizes)
    monkeypatch.setattr(oracle_training, "POLICY_SIZES", {"d_model": 16, "num_heads": 2, "ffn_dim": 32})
    make_scorer(ScorerConfig(oracle=SMALL, out=tmp_path))
    report = json.loads((tmp_path / "report.json").read_text())
    assert [row["pairs"] for row in report["agreement"].values()] == [160, 160]
    assert report["unit_tests"]["copied source"]["cases"] == 60
    assert isinstance(load_scorer(tmp_path), LearnedScorer)
    scores_in_range(load_scorer(tmp_path))


def test_a_scorer_of_your_own_text(files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "scorer"
    make_scorer(ScorerConfig("text-files", files, estimator=QUICK, out=out))
    report = json.loads((out / "report.json").read_text())
    assert [row["pairs"] for row in report["agreement"].values()] == [12 * 8]
    assert report["unit_tests"]["truncated"]["cases"] > 0
    assert report["task_fingerprint"] == load_task("text-files", **files).fingerprint
    scorer = load_scorer(out)
    assert isinstance(scorer, CrossFittedScorer)
    assert (scorer.folds, len(scorer.parts)) == (2, 4)
    recorded = [json.loads((out / str(part) / "forward" / "made.json").read_text()) for part in range(4)]
    assert len({record["pairs"] for record in recorded}) == 4
    scores_in_range(scorer)
    # Translation models that are there already are not trained again; others of the folder's are.
    (out / "scorer.json").unlink()
    (out / "1" / "backward" / "made.json").write_text("{}")
    capsys.readouterr()
    make_scorer(ScorerConfig("text-files", files, estimator=QUICK, out=out))
    assert "translation models: 7 made before, 1 to train" in capsys.readouterr().out
    assert json.loads((out / "report.json").read_text()) == report


def test_a_scorer_from_ratings(files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rated = [f"{number} {noun}\t{NUMBERS[number]} {noun}\t{len(noun)}" for number in NUMBERS for noun in NOUNS]
    (tmp_path / "ratings.tsv").write_text("\n".join(["source\thypothesis\tscore", *rated]) + "\n")
    estimator = replace(QUICK, ratings=tmp_path / "ratings.tsv", folds=1)
    out = tmp_path / "scorer"
    make_scorer(ScorerConfig("text-files", files, estimator=estimator, out=out))
    assert isinstance(load_scorer(out), EstimatorScorer)
    printed = capsys.readouterr().out
    assert "trained on all training sources" in printed
    # Of the 228 training pairs those whose sources are rated are kept from the translation models.
    assert f"{out / 'forward'}: 192 pairs" in printed
    # Trained further, its head alone changes.
    again = EstimatorConfig(ratings=tmp_path / "ratings.tsv", head=replace(HeadConfig(), epochs=20))
    make_scorer(ScorerConfig("text-files", files, estimator=again, refresh=str(out), out=tmp_path / "again"))
    (training,) = json.loads((tmp_path / "again" / "report.json").read_text())["refresh"]
    assert training["sources"] == len(rated)
    assert training["loss_after"] < training["loss_before"]
    assert isinstance(load_scorer(tmp_path / "again"), EstimatorScorer)
    for name, same in (("forward/model.safetensors", True), ("head.safetensors", False)):
        assert ((tmp_path / "again" / name).read_bytes() == (out / name).read_bytes()) == same


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (ScorerConfig("klingon"), "no task 'klingon'"),
        (ScorerConfig(oracle=replace(SMALL, regime="klingon")), "no regime 'klingon'; choose one of lowres-v1, "),
        (ScorerConfig(estimator=QUICK), "has an oracle; its scorer takes options of --oracle"),
    ],
)
def test_train_scorer_refuses_bad_options(config: ScorerConfig, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        make_scorer(replace(config, out=tmp_path))
    assert not list(tmp_path.iterdir())


def test_train_scorer_refuses_what_does_not_fit_the_text(files: dict[str, str], tmp_path: Path) -> None:
    config = ScorerConfig("text-files", files, estimator=QUICK)
    with pytest.raises(ValueError, match="needs a folder; name one with --out"):
        make_scorer(config)
    with pytest.raises(ValueError, match="has no oracle; its scorer takes options of --estimator"):
        make_scorer(replace(config, oracle=SMALL, out=tmp_path / "scorer"))
    with pytest.raises(ValueError, match=r"too few; give more pairs, or fewer folds"):
        make_scorer(replace(config, estimator=replace(QUICK, labelled_sources=10), out=tmp_path / "scorer"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ratings": 20_001}, r"ratings is 20001; give rated_per_source \(8\) to 20000"),
        ({"ratings": 4}, "ratings is 4"),
    ],
)
def test_oracle_gives_so_many_ratings(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OracleConfig(**options)  # type: ignore[arg-type]

"""The commands that make what the package ships, on a small scale."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments import train_scorer, train_tokenizer
from experiments.scorer_network import NetworkConfig
from seq2seq_env.scorers.learned import LearnedScorer

SMALL = train_scorer.Config(
    pairs=120,
    masking_epochs=1,
    damage_epochs=1,
    ratings=80,
    fitting_epochs=1,
    policies=1,
    policy_tokens=1_000,
    network=NetworkConfig(width=16, layers=1, heads=2, feed_forward=32),
)


def test_train_scorer_leaves_a_scorer_and_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_scorer, "HELD_OUT_SIZES", {"train_size": 150, "validation_size": 20, "test_size": 60})
    monkeypatch.setattr(train_scorer, "POLICY_SIZES", {"d_model": 16, "num_heads": 2, "ffn_dim": 32})
    train_scorer.make_scorer(replace(SMALL, out=tmp_path))
    report = json.loads((tmp_path / "report.json").read_text())
    assert [row["pairs"] for row in report["agreement"].values()] == [160, 160]
    assert report["unit_tests"]["copied source"]["cases"] == 60
    scores = LearnedScorer(tmp_path).score(["Es regnet heute stark."] * 2, ["It rains.", ""])
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ratings": 20_001}, r"ratings is 20001; give rated_per_source \(8\) to 20000"),
        ({"ratings": 4}, "ratings is 4"),
        ({"task": "klingon"}, "no task 'klingon'"),
        ({"noise": 2.0}, "noise is 2.0"),
    ],
)
def test_train_scorer_refuses_bad_options(options: dict[str, float], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        train_scorer.make_scorer(replace(SMALL, out=tmp_path, **options))  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_train_tokenizer_reads_both_languages() -> None:
    tokenizer = train_tokenizer.train(train_tokenizer.Config(vocab_size=300, sentences=400))
    assert tokenizer.vocab_size == 300
    for text in ("Der Zug fährt um 15:40 Uhr ab.", "The train leaves at 3:40 p.m.", "It's €47.50."):
        assert tokenizer.decode(tokenizer.encode([text])) == [text]

"""The commands that make what the package ships, on a small scale."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agents import PolicyConfig, TrainingConfig
from experiments import growing_batch, train_scorer, train_tokenizer
from experiments.runs import script
from experiments.scorer_training import oracle_training
from experiments.scorer_training.estimator_config import EstimatorConfig, HeadConfig
from experiments.scorer_training.oracle_config import NetworkConfig, OracleConfig
from seq2seq_env.scorers import CrossFittedScorer, EstimatorScorer, LearnedScorer, Scorer, load_scorer

SMALL = OracleConfig(
    pairs=120,
    masking_epochs=1,
    damage_epochs=1,
    ratings=80,
    fitting_epochs=1,
    policies=1,
    policy_tokens=1_000,
    network=NetworkConfig(width=16, layers=1, heads=2, feed_forward=32),
)
QUICK = EstimatorConfig(
    predictor=PolicyConfig(d_model=16, num_heads=2, encoder_layers=1, decoder_layers=1, ffn_dim=32),
    training=TrainingConfig(max_tokens=2_000, progress=False),
    labelled_sources=40,
    folds=2,
    head=HeadConfig(epochs=2, width=8),
    processes=1,
)
NUMBERS = {"eins": "one", "zwei": "two", "drei": "three", "vier": "four", "sechs": "six", "acht": "eight"}
NOUNS = {"haus": "house", "hund": "dog", "katze": "cat", "baum": "tree", "tag": "day", "berg": "hill"}


def scores_in_range(scorer: Scorer) -> None:
    scores = scorer.score(["Es regnet heute stark."] * 2, ["It rains.", ""])
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """252 pairs such as "zwei rote haus" and "two red house", of which the last are held out."""
    colours = {"rote": "red", "blaue": "blue", "alte": "old", "neue": "new", "kleine": "little", "gute": "good"}
    pairs = [
        (f"{number} {colour} {noun}", f"{NUMBERS[number]} {colours[colour]} {NOUNS[noun]}")
        for number in NUMBERS for colour in colours for noun in NOUNS
    ] + [(f"{number} {noun}", f"{NUMBERS[number]} {NOUNS[noun]}") for number in NUMBERS for noun in NOUNS]  # fmt: skip
    for name, part in (("train", pairs[24:]), ("validation", pairs[:12]), ("test", pairs[12:24])):
        for side, ending in enumerate(("de", "en")):
            (tmp_path / f"{name}.{ending}").write_text("".join(pair[side] + "\n" for pair in part))
    return {"folder": str(tmp_path), "source": "de", "target": "en", "vocab_size": "60", "max_tokens": "24"}


def test_train_scorer_leaves_a_scorer_and_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"train_size": 150, "validation_size": 20, "test_size": 60}
    monkeypatch.setattr(oracle_training, "HELD_OUT_SIZES", sizes)
    monkeypatch.setattr(oracle_training, "POLICY_SIZES", {"d_model": 16, "num_heads": 2, "ffn_dim": 32})
    train_scorer.make_scorer(train_scorer.Config(oracle=SMALL, out=tmp_path))
    report = json.loads((tmp_path / "report.json").read_text())
    assert [row["pairs"] for row in report["agreement"].values()] == [160, 160]
    assert report["unit_tests"]["copied source"]["cases"] == 60
    assert isinstance(load_scorer(tmp_path), LearnedScorer)
    scores_in_range(load_scorer(tmp_path))


def test_a_scorer_of_your_own_text(files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "scorer"
    train_scorer.make_scorer(train_scorer.Config("text-files", files, estimator=QUICK, out=out))
    report = json.loads((out / "report.json").read_text())
    assert [row["pairs"] for row in report["agreement"].values()] == [12 * 8]
    assert report["unit_tests"]["truncated"]["cases"] > 0
    scorer = load_scorer(out)
    assert isinstance(scorer, CrossFittedScorer)
    assert (scorer.folds, len(scorer.parts)) == (2, 4)
    seen = [json.loads((out / str(part) / "forward" / "made.json").read_text())["pairs"] for part in range(4)]
    assert len(set(seen)) == 4
    scores_in_range(scorer)
    # Translation models that are there already are not trained again; others of the folder's are.
    (out / "scorer.json").unlink()
    (out / "1" / "backward" / "made.json").write_text("{}")
    capsys.readouterr()
    train_scorer.make_scorer(train_scorer.Config("text-files", files, estimator=QUICK, out=out))
    assert "translation models: 7 made before, 1 to train" in capsys.readouterr().out
    assert json.loads((out / "report.json").read_text()) == report


def test_two_text_files_to_a_finished_report(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("validation", "test"):
        for ending in ("de", "en"):
            (tmp_path / f"{name}.{ending}").unlink()
    monkeypatch.setattr(script, "EstimatorConfig", lambda device: replace(QUICK, device=device))
    config = growing_batch.Config(
        task="text-files", task_options=files | {"held_out": "12"}, policy=QUICK.predictor, supervised=QUICK.training,
        improve=QUICK.training, grow_steps=1, improve_steps=1, sources=20, device="cpu",
        out=tmp_path / "runs" / "mine",
    )  # fmt: skip
    script.execute(config, growing_batch.growing_batch, growing_batch.report)
    assert (config.out / "results.md").is_file()
    assert "one is made of its pairs first" in capsys.readouterr().out
    assert isinstance(load_scorer(tmp_path / "runs" / "mine-scorer"), CrossFittedScorer)
    # The same command again takes the scorer that is there; one of other options is not taken.
    script.execute(config, growing_batch.growing_batch, growing_batch.report)
    assert "one is made of its pairs first" not in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"mine-scorer' was made otherwise; name it with --scorer"):
        script.execute(replace(config, seed=1), growing_batch.growing_batch, growing_batch.report)


def test_a_scorer_from_ratings(files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rated = [f"{number} {noun}\t{NUMBERS[number]} {noun}\t{len(noun)}" for number in NUMBERS for noun in NOUNS]
    (tmp_path / "ratings.tsv").write_text("\n".join(["source\thypothesis\tscore", *rated]) + "\n")
    estimator = replace(QUICK, ratings=tmp_path / "ratings.tsv", folds=1)
    out = tmp_path / "scorer"
    train_scorer.make_scorer(train_scorer.Config("text-files", files, estimator=estimator, out=out))
    assert isinstance(load_scorer(out), EstimatorScorer)
    printed = capsys.readouterr().out
    assert "trained on all training sources" in printed
    # Of the 228 training pairs those whose sources are rated are kept from the translation models.
    assert f"{out / 'forward'}: 192 pairs" in printed


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (train_scorer.Config("klingon"), "no task 'klingon'"),
        (train_scorer.Config(oracle=replace(SMALL, noise=2.0)), "noise is 2.0"),
        (train_scorer.Config(estimator=QUICK), "has an oracle; its scorer takes options of --oracle"),
    ],
)
def test_train_scorer_refuses_bad_options(config: train_scorer.Config, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        train_scorer.make_scorer(replace(config, out=tmp_path))
    assert not list(tmp_path.iterdir())


def test_train_scorer_refuses_what_does_not_fit_the_text(files: dict[str, str], tmp_path: Path) -> None:
    config = train_scorer.Config("text-files", files, estimator=QUICK)
    with pytest.raises(ValueError, match="needs a folder; name one with --out"):
        train_scorer.make_scorer(config)
    with pytest.raises(ValueError, match="has no oracle; its scorer takes options of --estimator"):
        train_scorer.make_scorer(replace(config, oracle=SMALL, out=tmp_path / "scorer"))
    with pytest.raises(ValueError, match=r"too few; give more pairs, or fewer folds"):
        train_scorer.make_scorer(
            replace(config, estimator=replace(QUICK, labelled_sources=10), out=tmp_path / "scorer")
        )


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


def test_train_tokenizer_reads_both_languages() -> None:
    tokenizer = train_tokenizer.train(train_tokenizer.Config(vocab_size=300, sentences=400))
    assert tokenizer.vocab_size == 300
    for text in ("Der Zug fährt um 15:40 Uhr ab.", "The train leaves at 3:40 p.m.", "It's €47.50."):
        assert tokenizer.decode(tokenizer.encode([text])) == [text]

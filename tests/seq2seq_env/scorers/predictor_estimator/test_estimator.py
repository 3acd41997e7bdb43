"""The predictor-estimator on policies' checkpoints, which it reads as translation models."""

from __future__ import annotations

from pathlib import Path

import pytest
from numpy.testing import assert_allclose

from seq2seq_env.scorers import EstimatorScorer, checked_scores, load_scorer
from seq2seq_env.scorers.predictor_estimator.predictor import Predictor
from tests.pickling import sent

SOURCES = ["zwei rot haus", "eins", "drei blau hund", "zwei rot haus"]
HYPOTHESES = ["two red house", "three three three", "", "two red house"]


def test_a_score_depends_on_its_pair_alone(folder: Path) -> None:
    scorer = load_scorer(folder)
    assert isinstance(scorer, EstimatorScorer)
    together = checked_scores(scorer, SOURCES, HYPOTHESES)
    alone = [scorer.score([s], [h])[0] for s, h in zip(SOURCES, HYPOTHESES, strict=True)]
    assert_allclose(together, alone, atol=1e-5)
    assert together[0] == together[3]
    assert len(set(together.tolist())) == 3
    narrow = EstimatorScorer(folder, tokens_per_batch=1)
    assert_allclose(narrow.score(SOURCES, HYPOTHESES), together, atol=1e-5)
    assert_allclose(sent(scorer).score(SOURCES, HYPOTHESES), together, atol=1e-6)
    assert scorer.score([], []).shape == (0,)


def test_each_source_is_translated_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = EstimatorScorer(folder)
    asked: list[str] = []
    translations = Predictor.translations

    def counting(self: Predictor, given: list[str], count: int) -> list[list[str]]:
        asked.extend(given)
        return translations(self, given, count)

    monkeypatch.setattr(Predictor, "translations", counting)
    scorer.score(SOURCES, HYPOTHESES)
    scorer.score(SOURCES, ["another"] * len(SOURCES))
    assert sorted(asked) == sorted(set(SOURCES))


def test_fingerprint_covers_every_file_that_counts(folder: Path) -> None:
    before = EstimatorScorer(folder).fingerprint
    (folder / "report.json").write_text("{}")
    assert EstimatorScorer(folder).fingerprint == before
    seen = {before}
    for name in ("estimator.json", "forward/config.json", "backward/tokenizer.json", "backward/model.safetensors"):
        (folder / name).write_bytes((folder / name).read_bytes() + b" ")
        seen.add(EstimatorScorer(folder).fingerprint)
    for name in ("generation_config.json", "tokenizer_config.json", "source.spm", "translation.json"):
        (folder / "forward" / name).write_text("another")
        seen.add(EstimatorScorer(folder).fingerprint)
    assert len(seen) == 9


def test_bad_folders_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tokens_per_batch is 0"):
        EstimatorScorer(folder, tokens_per_batch=0)
    record = folder / "estimator.json"
    record.write_text(record.read_text().replace('"width"', '"depth"'))
    with pytest.raises(ValueError, match=r"the estimator in .* cannot be loaded \(KeyError: 'width'\)"):
        load_scorer(folder).score(SOURCES, HYPOTHESES)
    (folder / "head.safetensors").write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"the estimator in .* cannot be loaded"):
        load_scorer(folder).score(SOURCES, HYPOTHESES)
    (folder / "forward" / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"the translation model in .* cannot be loaded"):
        load_scorer(folder).score(SOURCES, HYPOTHESES)
    (folder / "backward" / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"it has no backward/model.safetensors"):
        load_scorer(folder)

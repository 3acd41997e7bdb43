"""The predictor-estimator on policies' checkpoints, which it reads as translation models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sacrebleu.metrics.chrf import CHRF

from agents import Seq2SeqPolicy
from seq2seq_env.scorers import EstimatorScorer, checked_scores, load_scorer
from seq2seq_env.scorers.predictor_estimator.estimator_head import PAIR_FEATURES, EstimatorHead, features
from seq2seq_env.scorers.predictor_estimator.predictor import TOKEN_FEATURES, Predictor
from seq2seq_env.scorers.predictor_estimator.pseudo_references import COUNT, NATS, PseudoReferences
from seq2seq_env.tasks import Task
from tests.pickling import sent

SOURCES = ["zwei rot haus", "eins", "drei blau hund", "zwei rot haus"]
HYPOTHESES = ["two red house", "three three three", "", "two red house"]


@pytest.fixture
def folder(trained_once: Seq2SeqPolicy, policy: Seq2SeqPolicy, tmp_path: Path) -> Path:
    trained_once.save(tmp_path / "forward")
    policy.save(tmp_path / "backward")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        EstimatorScorer.save(tmp_path, EstimatorHead(width=8))
    return tmp_path


def test_features_are_what_the_policy_thinks_of_each_token(
    trained_once: Seq2SeqPolicy, folder: Path, tiny_task: Task
) -> None:
    found = Predictor(folder / "forward").features(SOURCES, HYPOTHESES, tokens_per_batch=16)
    targets = tiny_task.tokenizer.encode(HYPOTHESES)
    for row, source in enumerate(SOURCES):
        assert found[row].shape == (len(targets[row]), TOKEN_FEATURES)
        log_prob, gap, entropy = found[row].T
        for place in range(len(targets[row])):
            scores = trained_once.next_token_scores(tiny_task.tokenizer.encode([source]), [targets[row][:place]])
            # A policy writes no padding and no unknown token; a predictor has them among its tokens.
            logits = trained_once.model(
                input_ids=torch.tensor(tiny_task.tokenizer.encode([source])),
                decoder_input_ids=torch.tensor([[tiny_task.tokenizer.start_id, *targets[row][:place]]]),
            ).logits[0, -1].log_softmax(-1)  # fmt: skip
            assert_allclose(log_prob[place], logits[targets[row][place]].detach(), atol=1e-5)
            assert_allclose(gap[place], (logits.max() - logits[targets[row][place]]).detach(), atol=1e-5)
            assert_allclose(entropy[place], -(logits.exp() * logits).sum().detach(), atol=1e-5)
            assert int(scores.argmax()) == int(logits.argmax())


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


def test_a_long_text_loses_its_end(folder: Path) -> None:
    predictor = Predictor(folder / "forward")
    long, cut = "eins " * 40, "eins " * 11
    found, wanted = (predictor.features([text], [text], 512)[0] for text in (long, cut))
    assert_allclose(found, wanted, atol=1e-6)


def test_a_models_own_translations_are_its_likeliest(trained_once: Seq2SeqPolicy, folder: Path) -> None:
    predictor = Predictor(folder / "forward")
    found = predictor.translations(SOURCES, 3)
    assert [len(set(texts)) for texts in found] == [3] * len(SOURCES)
    assert found[0] == found[3] == predictor.translations(SOURCES[:1], 3)[0]
    assert [texts[0] for texts in found] == trained_once.translate(SOURCES, num_beams=3)


def test_agreement_is_chrf_with_them(folder: Path) -> None:
    forward, backward = Predictor(folder / "forward"), Predictor(folder / "backward")
    own = PseudoReferences(forward, backward)
    found = own.agreement(SOURCES, HYPOTHESES, 512).numpy()
    for row, (source, hypothesis) in enumerate(zip(SOURCES, HYPOTHESES, strict=True)):
        [texts] = forward.translations([source], COUNT)
        log_probs = [float(backward.features([text], [source], 512)[0][:, 0].sum()) for text in texts]
        weights = np.exp(np.array(log_probs) / NATS)
        chrf = [CHRF().sentence_score(hypothesis, [text]).score / 100 for text in texts]
        length = len(hypothesis) / max(1.0, float(np.mean([len(text) for text in texts])))
        means = [np.mean(chrf), np.average(chrf, weights=weights), np.mean(chrf[: COUNT // 2])]
        assert_allclose(found[row], [*means, chrf[0], max(chrf), min(chrf), np.std(chrf), length], atol=1e-6)


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


def test_head_sees_no_padding(folder: Path) -> None:
    models = Predictor(folder / "forward"), Predictor(folder / "backward")
    pairs = features(*models, PseudoReferences(*models), SOURCES, HYPOTHESES, 512)
    head = EstimatorHead(width=8).eval()
    head.standardise(pairs)
    alone = torch.cat([head([pair]) for pair in pairs])
    torch.testing.assert_close(head(pairs), alone)


def test_numbers_of_a_pair_are_standardised(folder: Path) -> None:
    models = Predictor(folder / "forward"), Predictor(folder / "backward")
    pairs = features(*models, PseudoReferences(*models), SOURCES[:3], HYPOTHESES[:3], 512)
    numbers = torch.stack([pair.numbers() for pair in pairs])
    assert numbers.shape == (3, PAIR_FEATURES)
    head = EstimatorHead(width=8)
    head.standardise(pairs)
    scaled = (numbers - head.mean) / head.spread
    torch.testing.assert_close(scaled.mean(0), torch.zeros(PAIR_FEATURES), atol=1e-4, rtol=0)
    varying = numbers.std(0) > 1e-6
    torch.testing.assert_close(scaled.std(0)[varying], torch.ones(int(varying.sum())), atol=1e-4, rtol=0)


def test_fingerprint_covers_every_file_that_counts(folder: Path) -> None:
    before = EstimatorScorer(folder).fingerprint
    (folder / "report.json").write_text("{}")
    assert EstimatorScorer(folder).fingerprint == before
    seen = {before}
    for name in ("estimator.json", "forward/config.json", "backward/tokenizer.json", "backward/model.safetensors"):
        (folder / name).write_bytes((folder / name).read_bytes() + b" ")
        seen.add(EstimatorScorer(folder).fingerprint)
    assert len(seen) == 5


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

"""What a translation model says of each token, and its own translations."""

from __future__ import annotations

from pathlib import Path

import torch
from numpy.testing import assert_allclose

from agents import Seq2SeqPolicy
from seq2seq_env.scorers.predictor_estimator.predictor import TOKEN_FEATURES, Predictor
from seq2seq_env.tasks import Task

SOURCES = ["zwei rot haus", "eins", "drei blau hund", "zwei rot haus"]
HYPOTHESES = ["two red house", "three three three", "", "two red house"]


def test_features_are_what_the_policy_thinks_of_each_token(
    trained_once: Seq2SeqPolicy, folder: Path, tiny_task: Task
) -> None:
    measured = Predictor(folder / "forward").features(SOURCES, HYPOTHESES, tokens_per_batch=16)
    targets = tiny_task.tokenizer.encode(HYPOTHESES)
    for row, source in enumerate(SOURCES):
        assert measured[row].shape == (len(targets[row]), TOKEN_FEATURES)
        log_prob, gap, entropy = measured[row].T
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


def test_a_long_text_loses_its_end(folder: Path) -> None:
    predictor = Predictor(folder / "forward")
    long, cut = "eins " * 40, "eins " * 11
    shortened, wanted = (predictor.features([text], [text], 512)[0] for text in (long, cut))
    assert_allclose(shortened, wanted, atol=1e-6)


def test_a_models_own_translations_are_its_likeliest(trained_once: Seq2SeqPolicy, folder: Path) -> None:
    predictor = Predictor(folder / "forward")
    translations = predictor.translations(SOURCES, 3)
    assert [len(set(texts)) for texts in translations] == [3] * len(SOURCES)
    assert translations[0] == translations[3] == predictor.translations(SOURCES[:1], 3)[0]
    assert [texts[0] for texts in translations] == trained_once.translate(SOURCES, num_beams=3)

"""Agreement of a hypothesis with a model's own translations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.testing import assert_allclose
from sacrebleu.metrics.chrf import CHRF

from seq2seq_env.scorers.predictor_estimator.predictor import Predictor
from seq2seq_env.scorers.predictor_estimator.pseudo_references import COUNT, NATS, PseudoReferences

SOURCES = ["zwei rot haus", "eins", "drei blau hund", "zwei rot haus"]
HYPOTHESES = ["two red house", "three three three", "", "two red house"]


def test_agreement_is_chrf_with_them(folder: Path) -> None:
    forward, backward = Predictor(folder / "forward"), Predictor(folder / "backward")
    own = PseudoReferences(forward, backward)
    measured = own.agreement(SOURCES, HYPOTHESES, 512).numpy()
    for row, (source, hypothesis) in enumerate(zip(SOURCES, HYPOTHESES, strict=True)):
        [texts] = forward.translations([source], COUNT)
        log_probs = [float(backward.features([text], [source], 512)[0][:, 0].sum()) for text in texts]
        weights = np.exp(np.array(log_probs) / NATS)
        chrf = [CHRF().sentence_score(hypothesis, [text]).score / 100 for text in texts]
        length = len(hypothesis) / max(1.0, float(np.mean([len(text) for text in texts])))
        means = [np.mean(chrf), np.average(chrf, weights=weights), np.mean(chrf[: COUNT // 2])]
        assert_allclose(measured[row], [*means, chrf[0], max(chrf), min(chrf), np.std(chrf), length], atol=1e-6)

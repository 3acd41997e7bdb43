"""A BERT without padding, in float32 and in other arithmetic."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from seq2seq_env.models import low_precision
from seq2seq_env.scorers import LearnedScorer, load_scorer
from seq2seq_env.scorers.models import packed_bert
from seq2seq_env.scorers.models.packed_bert import is_plain_bert
from tests.pickling import sent


def test_pairs_laid_end_to_end_score_as_by_the_networks_own_forward(
    folder: Path, pairs: tuple[list[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    packed, own = LearnedScorer(folder), LearnedScorer(folder)
    monkeypatch.setattr(own, "_network", own._network._replace(packed=None))
    assert packed._network.packed
    np.testing.assert_allclose(packed.score(*pairs), own.score(*pairs), rtol=0, atol=1e-6)


def test_int8_moves_the_scores_and_is_another_scorer(folder: Path, pairs: tuple[list[str], list[str]]) -> None:
    full, eighth = LearnedScorer(folder), load_scorer(f"learned: compute_type=int8 {folder}")
    assert isinstance(eighth, LearnedScorer)
    assert eighth.fingerprint != full.fingerprint
    moved = np.abs(eighth.score(*pairs) - full.score(*pairs))
    assert 0 < moved.max() < 0.1
    # Each row is rounded by the range of its whole pass, so the company matters, within the rounding.
    assert np.abs(eighth.score(pairs[0][:1], pairs[1][:1]) - eighth.score(*pairs)[:1]).max() < 0.1
    assert sent(eighth).fingerprint == eighth.fingerprint


def test_a_compute_type_that_the_device_lacks_is_float32(
    folder: Path, pairs: tuple[list[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(low_precision, "has_bf16", lambda device: False)
    with pytest.warns(RuntimeWarning, match="cpu has no bfloat16 instructions; computing in float32"):
        scorer = LearnedScorer(folder, compute_type="bfloat16")
    assert scorer.fingerprint == LearnedScorer(folder).fingerprint
    monkeypatch.setattr(low_precision, "has_bf16", lambda device: True)  # emulated here
    half = LearnedScorer(folder, compute_type="bfloat16")
    assert half.fingerprint != scorer.fingerprint
    assert 0 < np.abs(half.score(*pairs) - scorer.score(*pairs)).max() < 0.05


def test_only_a_plain_bert_has_another_compute_type(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_bert, "is_plain_bert", lambda model: False)
    with pytest.raises(ValueError, match=r"compute_type is 'int8', and the checkpoint in .* is no plain BERT"):
        LearnedScorer(folder, compute_type="int8").score(["eins"], ["one"])


def test_a_bert_with_adapters_or_a_decoders_mask_keeps_its_own_forward(bert: PreTrainedModel) -> None:
    assert is_plain_bert(bert)
    adapted = copy.deepcopy(bert)
    attention = cast(Any, adapted).bert.encoder.layer[0].attention.self
    attention.query = torch.nn.Sequential(attention.query)
    assert not is_plain_bert(adapted)
    decoder = copy.deepcopy(bert)
    decoder.config.is_decoder = True
    assert not is_plain_bert(decoder)

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from agents import IWSFT, IWSFTConfig, Seq2SeqPolicy, TrainingConfig
from buffers import Slice, TokenBatch


def batch_of(policy: Seq2SeqPolicy, grown: Slice) -> TokenBatch:
    """Two targets that the policy finds twice as likely, token by token, as the behaviour did."""
    batch = next(iter(grown.batches(200, seed=0))).rows(torch.tensor([0, 1]))
    batch = replace(batch, temperature=torch.ones(2))
    with torch.no_grad():
        log_prob = policy.evaluate(batch).log_prob
    return replace(batch, log_prob=torch.where(batch.target_mask, log_prob - math.log(2), 0.0))


def test_the_weight_is_the_ratio_of_sequences(policy: Seq2SeqPolicy, grown: Slice) -> None:
    batch = batch_of(policy, grown)
    lengths = batch.target_mask.sum(1).tolist()
    for options, weights in (
        (IWSFTConfig(max_weight=1e9), [2.0**length for length in lengths]),
        (IWSFTConfig(max_weight=3.0), [3.0, 3.0]),
        (IWSFTConfig(ratio="per-token"), [2.0, 2.0]),
    ):
        assert min(lengths) > 1
        values = IWSFT(policy, options).loss(batch)
        assert values.weight.item() == pytest.approx(sum(weights) / 2, rel=1e-4)
        with torch.no_grad():
            log_prob = policy.evaluate(batch).log_prob.sum(1).tolist()
        expected = -sum(w * each for w, each in zip(weights, log_prob, strict=True)) / sum(lengths)
        assert values.loss.item() == pytest.approx(expected, rel=1e-4)


def test_data_without_log_probabilities_is_refused(policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig) -> None:
    with pytest.raises(ValueError, match="agent 'iw-sft' needs the behaviour policy's log-probabilities"):
        IWSFT(policy).improve(pairs, quick)

from __future__ import annotations

import numpy as np
import pytest
import torch

from agents import DPO, DPOConfig, Seq2SeqPolicy, TrainingConfig
from buffers import Slice


def test_dpo_batches_are_pairs_of_one_source(policy: Seq2SeqPolicy, grown: Slice) -> None:
    agent = DPO(policy)
    rewards: dict[int, list[float]] = {}
    for source, reward in zip(grown.source_index.tolist(), grown.rewards.tolist(), strict=True):
        rewards.setdefault(source, []).append(reward)
    seen = []
    for batch in agent.batches(grown, 64, 0):
        assert len(batch) % 2 == 0
        assert batch.group_size == 2
        assert batch.target.numel() <= 64 or len(batch) == 2
        sources = grown.source_index[np.searchsorted(grown.rows, batch.row.numpy())]
        assert sources[0::2].tolist() == sources[1::2].tolist()
        seen += sources[0::2].tolist()
        for source, best, worst in zip(sources[0::2].tolist(), batch.reward[0::2], batch.reward[1::2], strict=True):
            assert (best, worst) == (pytest.approx(max(rewards[source])), pytest.approx(min(rewards[source])))
    wide = [source for source, found in rewards.items() if max(found) - min(found) > 0.05]
    assert sorted(seen) == sorted(wide)


def test_dpo_without_pairs_says_so(policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig) -> None:
    with pytest.raises(ValueError, match=r"no source of .* has two candidates whose rewards differ by more than"):
        DPO(policy).improve(grown.where(grown.is_reference), quick)


def test_the_nll_term_is_rpos_and_can_be_left_out(policy: Seq2SeqPolicy, grown: Slice) -> None:
    (batch, *_) = DPO(policy).batches(grown, 64, 0)
    with torch.no_grad():
        best = policy.evaluate(batch).log_prob[0::2][batch.target_mask[0::2]]
    for alpha in (0.0, 0.5):
        values = DPO(policy, DPOConfig(rpo_alpha=alpha)).loss(batch)
        assert values.nll.item() == pytest.approx(-best.mean().item(), abs=1e-5)
        assert values.loss.item() == pytest.approx((values.preference_loss + alpha * values.nll).item(), abs=1e-6)

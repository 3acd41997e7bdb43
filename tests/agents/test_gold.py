"""What is particular to one algorithm and not in the pure functions of its loss."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from agents import GOLD, GOLDConfig, Seq2SeqPolicy, TrainingConfig
from agents.policy.teacher_forcing import Evaluation
from buffers import Slice, TokenBatch


def test_gold_asks_the_supervised_model_once_for_each_distinct_pair(
    policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = GOLD(policy)
    asked: list[int] = []
    original = agent.prior.evaluate

    def counted(batch: TokenBatch) -> Evaluation:
        asked.extend(batch.row.tolist())
        return original(batch)

    monkeypatch.setattr(agent.prior, "evaluate", counted)
    epochs = replace(quick, max_tokens=3 * grown.num_tokens, learning_rate=1e-3)
    agent.improve(grown, epochs)
    distinct = len(set(grown.firsts().tolist()))
    assert len(asked) == len(set(asked)) == distinct < len(grown)
    upper = grown.where(grown.rewards > 0.5)
    before = len(asked)
    agent.improve(upper, epochs)
    assert len(asked) == before
    with agent.improving(upper, replace(epochs, source_drop=0.1)):
        agent.loss(next(iter(upper.batches(100, seed=0))))
    assert len(asked) > before, "what is kept is of sources without noise"


def test_what_gold_keeps_is_what_it_would_ask(policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig) -> None:
    agent, quick = GOLD(policy), replace(quick, precision="fp32")
    agent.improve(grown, replace(quick, max_tokens=3 * grown.num_tokens, learning_rate=1e-3))
    batch = next(iter(grown.batches(100, seed=5)))
    fresh = agent.advantage(batch)
    with agent.improving(grown, quick):
        torch.testing.assert_close(agent.advantage(batch), fresh, rtol=0, atol=1e-5)


def test_what_gold_keeps_is_of_the_model_that_it_has(
    policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig, tmp_path: Path
) -> None:
    agent, quick = GOLD(policy), replace(quick, precision="fp32")
    other = policy.clone()
    with torch.no_grad():
        other.model.get_parameter("model.shared.weight").mul_(1.5)
    GOLD(other).save(tmp_path)
    agent.improve(grown, replace(quick, max_tokens=3 * grown.num_tokens))
    agent.restore(tmp_path)
    batch = next(iter(grown.batches(100, seed=5)))
    fresh = agent.advantage(batch)
    with agent.improving(grown, quick):
        torch.testing.assert_close(agent.advantage(batch), fresh, rtol=0, atol=1e-5)


def test_gold_by_hand(policy: Seq2SeqPolicy, grown: Slice) -> None:
    batch = next(iter(grown.batches(100, seed=0)))
    mask = batch.target_mask
    with torch.no_grad():
        log_prob = policy.evaluate(batch).log_prob
    for config, term in (
        (GOLDConfig(k=1, u=0.3, p_min=0.2, baseline=-4.0), log_prob.clamp(min=math.log(0.2)) + 4),
        (GOLDConfig("gold-s", k=1, u=0.3, p_min=0.2, baseline=0.5), log_prob.exp().clamp(min=0.2) - 0.5),
        (GOLDConfig("sequence", u=0.3, baseline=0.25), batch.reward[:, None] - 0.25),
    ):
        expected = -(log_prob.exp().clamp(min=0.3) * term * log_prob)[mask].mean()
        assert GOLD(policy, config).loss(batch).loss.item() == pytest.approx(expected.item(), abs=1e-5)


def advantages(policy: Seq2SeqPolicy, grown: Slice, monkeypatch: pytest.MonkeyPatch, **options: Any) -> list[float]:
    """``Q_t - b`` of three tokens that the MLE model gives the probabilities 0.5, 1e-6 and 0.2."""
    agent = GOLD(policy, GOLDConfig(**options))
    batch = next(iter(grown.where(grown.target_lengths == 3).batches(100, seed=0))).rows(torch.tensor([0]))
    evaluation = SimpleNamespace(log_prob=torch.tensor([[0.5, 1e-6, 0.2]]).log())
    monkeypatch.setattr(agent.prior, "evaluate", lambda batch: evaluation)
    values: list[float] = agent.advantage(batch)[0].tolist()
    return values


def test_the_rewards_of_the_paper_and_of_the_published_code_by_hand(
    policy: Seq2SeqPolicy, grown: Slice, monkeypatch: pytest.MonkeyPatch
) -> None:
    # ReST: the logarithms of 0.5, 0.1 and 0.2 to the end of the sequence, and 10 once.
    rest = [10 + math.log(0.5 * 0.1 * 0.2), 10 + math.log(0.1 * 0.2), 10 + math.log(0.2)]
    assert advantages(policy, grown, monkeypatch) == pytest.approx(rest)
    # GOLD-p: six terms log p + 10 of at least 1; log 1e-6 + 10 = -3.8 is below, and 10 is what follows the end.
    first, last = 10 + math.log(0.5), 10 + math.log(0.2)
    product = [first + 1 + last + 30, 1 + last + 40, last + 50]
    assert advantages(policy, grown, monkeypatch, reward="gold-p") == pytest.approx(product)
    # GOLD-s: six probabilities of at least 0.1; 1 is what follows the end.
    assert advantages(policy, grown, monkeypatch, reward="gold-s") == pytest.approx([0.8 + 3, 0.3 + 4, 0.2 + 5])
    assert advantages(policy, grown, monkeypatch, reward="gold-p", k=1) == pytest.approx([first, 1, last])


def test_the_importance_weight_is_taken_from_a_copy_that_is_renewed(
    policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig
) -> None:
    batch = next(iter(grown.batches(100, seed=0)))

    def weight(policy: Seq2SeqPolicy) -> float:
        with torch.no_grad():
            return policy.evaluate(batch).log_prob.exp()[batch.target_mask].mean().item()

    agent = GOLD(policy, GOLDConfig(u=0.0, copy_every=2))
    before = weight(policy)
    with agent.improving(grown, quick):
        with torch.no_grad():
            policy.model.get_parameter("model.shared.weight").mul_(3.0)
        after = weight(policy)
        assert after != pytest.approx(before)
        agent.after_step()
        assert agent.loss(batch).importance_weight.item() == pytest.approx(before)
        agent.after_step()
        assert agent.loss(batch).importance_weight.item() == pytest.approx(after)
        agent.after_step()
        assert agent.loss(batch).importance_weight.item() == pytest.approx(after)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reward": "probability"}, "there is no reward 'probability'; choose one of log-probability, gold-p, gold-s"),
        ({"k": 0}, "k is 0; give at least 1"),
        ({"u": 1.5}, "u is 1.5; give a probability"),
        ({"reward": "gold-p", "p_min": 0.0}, "p_min is 0.0; give a probability above 0"),
        ({"copy_every": -1}, "copy_every is -1; give 0 or more"),
        ({"reward": "sequence", "k": 5}, "k is 5, and the reward 'sequence' asks no MLE model; leave it out"),
        ({"reward": "sequence", "p_min": 0.1}, "p_min is 0.1, and the reward 'sequence' asks no MLE model"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GOLDConfig(**options)

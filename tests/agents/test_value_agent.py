from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from agents import BVMPO, Seq2SeqPolicy, TrainingConfig, ValueNetwork, make_agent
from agents.importance import check_log_probs
from buffers import Slice


def test_a_network_of_another_tokenizer_is_refused(policy: Seq2SeqPolicy) -> None:
    value = ValueNetwork.from_policy(policy)
    value.tokenizer_fingerprint = "another"
    with pytest.raises(ValueError, match="the value network reads tokenizer another, the policy"):
        BVMPO(policy, value=value)


def test_value_agents_log_how_well_they_rank(
    policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "agents")
    agent = make_agent("oac", policy, value_tokens=400)
    agent.prepare(grown, quick)
    assert "Kendall tau / Spearman rho" in caplog.text
    assert "held-out sources: first" in caplog.text


def test_data_without_rewards_or_log_probs_is_refused(
    policy: Seq2SeqPolicy, pairs: Slice, grown: Slice, quick: TrainingConfig
) -> None:
    for name in (
        "bvmpo",
        "oac",
        "awr",
        "iql",
        "dpo",
        "cpo",
        "ipo",
        "kto",
        "slic",
        "rwr",
        "boltzmann",
        "mrt",
        "q-bve",
        "ilql",
    ):
        with pytest.raises(ValueError, match=f"agent '{name}' needs rewards, 24 of 24 trajectories have none"):
            make_agent(name, policy.clone()).improve(pairs, quick)
    batch = next(iter(grown.batches(100, seed=0)))
    blind = replace(batch, log_prob=torch.full_like(batch.log_prob, math.nan))
    with pytest.raises(ValueError, match="agent 'oac' needs the behaviour policy's log-probabilities"):
        check_log_probs("oac", blind)


@pytest.mark.parametrize(
    ("name", "option", "bad"),
    [
        ("bvmpo", "eta", 0.0),
        ("bvmpo", "c_bar", -1.0),
        ("oac", "td_lambda", 1.5),
        ("oac", "advantage", "best"),
        ("awr", "beta", 0.0),
        ("awr", "value_tokens", -1),
        ("awr", "value_learning_rate", 0.0),
        ("iql", "expectile", 1.0),
        ("gold", "k", 0),
        ("gold", "u", 2.0),
        ("gold", "reward", "best"),
        ("gold", "p_min", 0.0),
        ("dpo", "beta", 0.0),
        ("dpo", "margin", -0.1),
        ("cpo", "alpha", -1.0),
        ("ipo", "tau", 0.0),
        ("kto", "undesirable_weight", 0.0),
        ("slic", "delta", -1.0),
        ("boltzmann", "beta", 0.0),
        ("boltzmann", "most_candidates", 1),
        ("mrt", "alpha", 0.0),
        ("iw-sft", "max_weight", 0.0),
        ("q-bve", "q_temperature", 0.0),
        ("ilql", "beta", 0.0),
        ("ilql", "cql_weight", -1.0),
        ("ilql", "expectile", 0.4),
        ("q-bve", "margin", -1.0),
        ("reward-conditioned", "buckets", 1),
        ("iw-sft", "ratio", "best"),
        ("iw-sft", "behaviour_temperature", 0.0),
        ("slic", "margin", -0.1),
    ],
)
def test_options_out_of_range_are_refused(policy: Seq2SeqPolicy, name: str, option: str, bad: object) -> None:
    with pytest.raises(ValueError, match=f"{bad!r}; (give|choose)"):
        make_agent(name, policy, **{option: bad})

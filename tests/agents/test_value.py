from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from agents import BVE, BVMPO, Seq2SeqPolicy, TrainingConfig, ValueNetwork, fit, make_agent, rank_correlations
from agents.importance import check_log_probs
from agents.value_report import ValueReport
from buffers import Slice
from seq2seq_env import Scorer, Seq2SeqTranslateVectorEnv, Task


def test_a_fresh_network_says_nothing_and_then_what_it_is_told(policy: Seq2SeqPolicy, grown: Slice) -> None:
    value = ValueNetwork.from_policy(policy)
    batch = next(iter(grown.batches(200, seed=0)))
    assert value(batch).shape == batch.target.shape
    assert not value(batch).any()
    value.start_at(0.25)
    torch.testing.assert_close(value(batch), torch.where(batch.target_mask, 0.25, 0.0))


def test_it_reads_only_what_was_written_before(policy: Seq2SeqPolicy, grown: Slice) -> None:
    value = ValueNetwork.from_policy(policy)
    torch.nn.init.ones_(value.head.weight)
    torch.nn.init.normal_(value.head.weight, generator=torch.Generator().manual_seed(0))
    batch = next(iter(grown.batches(200, seed=0)))
    other = replace(batch, target=torch.where(torch.arange(batch.target.shape[1]) < 1, batch.target, 9))
    changed = (value(batch) - value(other)).abs() > 1e-6
    assert not changed[:, :2].any()  # V(s_1), V(s_2) have seen the first token at most
    assert changed[:, 2:].any()


def test_its_potential_is_its_value_of_the_state(
    policy: Seq2SeqPolicy, tiny_task: Task, fake_scorer: Scorer, grown: Slice
) -> None:
    value = ValueNetwork.from_policy(policy)
    torch.nn.init.normal_(value.head.weight, generator=torch.Generator().manual_seed(0))
    envs = Seq2SeqTranslateVectorEnv(
        4, "Disabled", task=tiny_task, scorer=fake_scorer, potential=value.potential, max_target_length=5
    )
    observations, _ = envs.reset(options={"source_index": range(4)})
    tokens, total = [], np.zeros(4)
    start = value.potential(observations)
    for step in range(4):
        single = [value.potential({key: rows[i : i + 1] for key, rows in observations.items()}) for i in range(4)]
        np.testing.assert_allclose(value.potential(observations), np.concatenate(single), atol=1e-5)
        tokens.append(np.arange(4) + 2 + step if step < 3 else np.zeros(4, dtype=np.int64))
        observations, rewards, *_, infos = envs.step(tokens[-1])
        total += rewards
        if step < 3:
            np.testing.assert_allclose(start + total, value.potential(observations), atol=1e-5)
    np.testing.assert_allclose(start + total, infos["score"], atol=1e-5)
    sources = tiny_task.split("train").sources[:4]
    texts = infos["hypothesis"].tolist()
    [batch] = Slice.from_pairs(sources, texts, tiny_task.tokenizer, 12, 12).batches(1000, seed=0, shuffle=False)
    np.testing.assert_allclose(start, value(batch)[:, 0].detach().numpy(), atol=1e-5)


def test_it_shares_no_weight_with_the_policy(policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig) -> None:
    before = policy.fingerprint
    value = ValueNetwork.from_policy(policy)
    report = fit(BVE(value), grown, quick)
    assert policy.fingerprint == before
    first, last = report.history[1].loss, report.history[-1].loss
    assert first is not None
    assert last is not None
    assert last < first


def test_save_and_load_are_exact(policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig, tmp_path: Path) -> None:
    value = ValueNetwork.from_policy(policy)
    fit(BVE(value), grown, quick)
    value.save(tmp_path / "value")
    batch = next(iter(grown.batches(200, seed=0)))
    assert torch.equal(ValueNetwork.load(tmp_path / "value")(batch), value(batch))
    with pytest.raises(FileNotFoundError, match=r"no value\.json in"):
        ValueNetwork.load(tmp_path)


def test_a_network_of_another_tokenizer_is_refused(policy: Seq2SeqPolicy) -> None:
    value = ValueNetwork.from_policy(policy)
    value.tokenizer_fingerprint = "another"
    with pytest.raises(ValueError, match="the value network reads tokenizer another, the policy"):
        BVMPO(policy, value=value)


def test_rank_correlations_by_hand(policy: Seq2SeqPolicy, grown: Slice, monkeypatch: pytest.MonkeyPatch) -> None:
    value = ValueNetwork.from_policy(policy)

    def reward_at_the_end(batch: object) -> torch.Tensor:
        last = batch.target_mask.sum(1) - 1  # type: ignore[attr-defined]
        found = torch.zeros(batch.target_mask.shape)  # type: ignore[attr-defined]
        found[torch.arange(len(found)), last] = batch.reward  # type: ignore[attr-defined]
        return found

    monkeypatch.setattr(value, "forward", reward_at_the_end)
    found = rank_correlations(value, grown)
    assert found["final"].kendall == pytest.approx(1.0)
    assert found["final"].spearman == pytest.approx(1.0)
    assert math.isnan(found["first"].kendall)  # always 0 where sequences are longer than one token
    assert "final 1.000 / 1.000" in str(ValueReport(found, found))


def test_value_agents_print_how_well_they_rank(
    policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = make_agent("oac", policy, value_tokens=400)
    agent.prepare(grown, quick)
    shown = capsys.readouterr().out
    assert "Kendall tau / Spearman rho" in shown
    assert "held-out sources: first" in shown


def test_data_without_rewards_or_log_probs_is_refused(
    policy: Seq2SeqPolicy, pairs: Slice, grown: Slice, quick: TrainingConfig
) -> None:
    for name in ("bvmpo", "oac", "awr", "iql", "dpo"):
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
    ],
)
def test_options_out_of_range_are_refused(policy: Seq2SeqPolicy, name: str, option: str, bad: object) -> None:
    with pytest.raises(ValueError, match=f"{bad!r}; (give|choose)"):
        make_agent(name, policy, **{option: bad})

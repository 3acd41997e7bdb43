from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from agents import BVE, Seq2SeqPolicy, TrainingConfig, ValueNetwork, fit
from agents.value import value_training
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


def test_its_training_reaches_its_peak_whatever_the_policys_warmup() -> None:
    long = value_training(TrainingConfig(warmup_tokens=16_000_000, max_tokens=10**9, seed=3), 300_000, 1e-3)
    assert (long.max_tokens, long.warmup_tokens, long.schedule, long.seed) == (300_000, 15_000, "linear", 3)
    assert max(long.learning_rate_at(tokens) for tokens in range(0, 300_000, 500)) == 1e-3
    assert value_training(TrainingConfig(warmup_tokens=5_000), 300_000, 1e-3).warmup_tokens == 5_000
    assert value_training(TrainingConfig(schedule_tokens=10**9), 300_000, 1e-3).learning_rate_at(300_000) == 0.0


def test_save_and_load_are_exact(policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig, tmp_path: Path) -> None:
    value = ValueNetwork.from_policy(policy)
    fit(BVE(value), grown, quick)
    value.save(tmp_path / "value")
    batch = next(iter(grown.batches(200, seed=0)))
    assert torch.equal(ValueNetwork.load(tmp_path / "value")(batch), value(batch))
    with pytest.raises(FileNotFoundError, match=r"no value\.json in"):
        ValueNetwork.load(tmp_path)

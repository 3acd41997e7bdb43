"""Fitted Q evaluation on the tabular decision process, of a policy that is a table."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from agents import OffPolicyConfig, Seq2SeqPolicy, evaluate_off_policy, fit
from agents.off_policy.fitted_q import FQE, QNetwork
from buffers import Slice, TokenBatch
from seq2seq_env.tasks.task import Task
from tests.agents.tabular.process import END, ONE, SEQUENCES, TRAINING, TWO, tabular
from tests.tiny_models import tiny_policy_config


class TablePolicy:
    """Writes "one" with 0.9, after it "two" with 0.9, after "two" either, then the end."""

    device = torch.device("cpu")

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size

    def evaluate(self, batch: TokenBatch) -> Any:
        rows = []
        for target in batch.target[:, 0].tolist():
            second = {ONE: 0.1, TWO: 0.9} if target == ONE else {ONE: 0.5, TWO: 0.5}
            rows += [{ONE: 0.9, TWO: 0.1}, second, {END: 1.0}]
        table = torch.zeros(len(rows), self.vocab_size)
        for row, chances in enumerate(rows):
            table[row, [*chances]] = torch.tensor([*chances.values()])

        def log_distribution_at(temperature: Tensor) -> Tensor:
            return table.log()

        return SimpleNamespace(log_distribution_at=log_distribution_at)


@pytest.fixture(scope="module")
def data(tiny_task: Task) -> Slice:
    trajectories = tabular(dict.fromkeys(SEQUENCES, 1), tiny_task.tokenizer.pad_id).read()
    return Slice.from_trajectories(trajectories, tiny_task.tokenizer.pad_id, temperature=1.0)


@pytest.fixture(scope="module")
def start(tiny_task: Task) -> Seq2SeqPolicy:
    return Seq2SeqPolicy.from_config(tiny_task.tokenizer, tiny_policy_config(decoder_layers=1, dropout=0.0), seed=0)


def test_the_values_are_the_policys_and_not_the_behaviours(start: Seq2SeqPolicy, data: Slice) -> None:
    policy: Any = TablePolicy(start.model.config.vocab_size)
    fqe = FQE(QNetwork.from_policy(start, 0.5), policy)
    fit(fqe, data, replace(TRAINING, learning_rate=1e-2, max_tokens=1_200, warmup_tokens=60))
    (batch,) = data.batches(10_000, seed=0, shuffle=False)
    with torch.no_grad():
        steps = fqe.step_values(batch)
    # Q(one) = 0.1 * 0.2 + 0.9 * 1 = 0.92, where the behaviour's is 0.6.
    expected = {"oo": [0.92, 0.2, 0.2], "ot": [0.92, 1.0, 1.0], "to": [0.4, 0.4, 0.4], "tt": [0.4, 0.4, 0.4]}
    for name, row in zip(SEQUENCES, steps.action_value.tolist(), strict=True):
        assert row == pytest.approx(expected[name], abs=0.05)
    assert steps.value[1].tolist() == pytest.approx([0.9 * 0.92 + 0.1 * 0.4, 0.92, 1.0], abs=0.05)
    assert steps.log_ratio[1].tolist() == pytest.approx([np.log(1.8), np.log(1.8), 0.0], abs=1e-5)


def test_every_estimator_reports_and_what_is_not_known_is_refused(start: Seq2SeqPolicy, data: Slice) -> None:
    report = evaluate_off_policy(start, data, OffPolicyConfig(samples=2, fitted_tokens=24))
    assert report.samples == 2
    assert 1 <= report.effective_samples <= 2
    assert all(0 <= value <= 1.2 for value in report.estimates.values())
    assert len(report.estimates) == 4
    unknown = Slice.from_trajectories(data.read(), data.pad_id)
    with pytest.raises(ValueError, match="needs the temperature that its data was sampled at"):
        evaluate_off_policy(start, unknown, OffPolicyConfig())
    with pytest.raises(ValueError, match="has 0 samples and weighs up to 4000"):
        evaluate_off_policy(start, data.where(data.rewards > 2), OffPolicyConfig())

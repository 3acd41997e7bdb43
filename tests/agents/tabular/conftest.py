"""The behaviour's data and policy on the tabular decision process."""

from __future__ import annotations

import pytest

from agents import BC, Seq2SeqPolicy
from buffers import Slice
from seq2seq_env.tasks.task import Task
from tests.agents.tabular.process import SEQUENCES, TRAINING, tabular
from tests.tiny_models import tiny_policy_config


@pytest.fixture(scope="module")
def data(tiny_task: Task) -> Slice:
    return tabular(dict.fromkeys(SEQUENCES, 8), tiny_task.tokenizer.pad_id)


@pytest.fixture(scope="module")
def behaviour(tiny_task: Task, data: Slice) -> Seq2SeqPolicy:
    """The policy after BC, with which every other agent begins."""
    config = tiny_policy_config(decoder_layers=1, dropout=0.0)
    policy = Seq2SeqPolicy.from_config(tiny_task.tokenizer, config, seed=0)
    BC(policy).improve(data, TRAINING)
    return policy

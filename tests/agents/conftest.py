"""A policy of 16 features, untrained and trained for a second on the tiny task."""

from __future__ import annotations

import pytest

from agents import Seq2SeqPolicy, TrainingConfig
from buffers import GrowingBatchBuffer, Slice, grow
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks.task import Task
from tests.tiny_models import tiny_policy_config, trained_policy


@pytest.fixture
def policy(tiny_task: Task) -> Seq2SeqPolicy:
    return Seq2SeqPolicy.from_config(tiny_task.tokenizer, tiny_policy_config(), seed=3)


@pytest.fixture(scope="session")
def pairs(tiny_task: Task) -> Slice:
    train = tiny_task.split("train")
    return Slice.from_pairs(train.sources, train.references, tiny_task.tokenizer, 12, 12)


@pytest.fixture(scope="session")
def quick() -> TrainingConfig:
    """Some steps on the tiny task, 4 batches an epoch."""
    return TrainingConfig(
        learning_rate=1e-2,
        schedule="constant",
        tokens_per_batch=32,
        max_tokens=800,
        warmup_tokens=100,
        evaluate_every=200,
        patience=2,
        progress=False,
    )


@pytest.fixture(scope="session")
def trained_once(tiny_task: Task) -> Seq2SeqPolicy:
    return trained_policy(tiny_task)


@pytest.fixture(scope="session")
def grown(
    trained_once: Seq2SeqPolicy, tiny_task: Task, fake_scorer: Scorer, tmp_path_factory: pytest.TempPathFactory
) -> Slice:
    """Four rather random samples of every source, and its reference, scored."""
    buffer = GrowingBatchBuffer(tmp_path_factory.mktemp("grown"))
    grow(
        trained_once, fake_scorer, tiny_task, buffer, grow_step=1, candidates=4, temperature=2.0, seed=0, progress=False
    )
    return buffer.select()


@pytest.fixture
def trained(trained_once: Seq2SeqPolicy) -> Seq2SeqPolicy:
    return trained_once.clone()

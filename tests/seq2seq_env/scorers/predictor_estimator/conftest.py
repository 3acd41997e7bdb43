"""A predictor-estimator of two policies of 16 features, one of them trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from agents import Seq2SeqPolicy
from seq2seq_env.scorers import EstimatorScorer
from seq2seq_env.scorers.predictor_estimator.estimator_head import EstimatorHead
from seq2seq_env.tasks.task import Task
from tests.tiny_models import tiny_policy_config, trained_policy


@pytest.fixture(scope="session")
def trained_once(tiny_task: Task) -> Seq2SeqPolicy:
    return trained_policy(tiny_task)


@pytest.fixture
def folder(trained_once: Seq2SeqPolicy, tiny_task: Task, tmp_path: Path) -> Path:
    trained_once.save(tmp_path / "forward")
    Seq2SeqPolicy.from_config(tiny_task.tokenizer, tiny_policy_config(), seed=3).save(tmp_path / "backward")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        EstimatorScorer.save(tmp_path, EstimatorHead(width=8))
    return tmp_path

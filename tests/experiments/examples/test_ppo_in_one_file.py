from __future__ import annotations

import inspect

import numpy as np

from experiments.examples import ppo_in_one_file
from experiments.examples.ppo_in_one_file import Args, train
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks.task import Task


def test_it_learns_through_the_vector_environment(tiny_task: Task, fake_scorer: Scorer) -> None:
    args = Args(num_envs=16, num_steps=24, total_steps=16 * 24 * 20, minibatches=4, learning_rate=3e-3, width=32)
    curve = train(args, task=tiny_task, scorer=fake_scorer)
    assert len(curve) == 20
    assert np.mean(curve[-5:]) > np.mean(curve[:5]) + 0.05


def test_it_is_one_file_to_read() -> None:
    source = inspect.getsource(ppo_in_one_file)
    assert len(source.splitlines()) <= 160
    assert "from agents" not in source

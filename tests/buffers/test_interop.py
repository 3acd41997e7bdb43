"""A slice as a d3rlpy data set, on the real library."""

from __future__ import annotations

import numpy as np
import pytest

from buffers import Slice, Trajectories, d3rlpy_module, to_d3rlpy
from seq2seq_env.tasks.task import Task

PAD = 18


@pytest.fixture
def data() -> Slice:
    """Two targets of one source and one of another, the last of them cut by the length limit."""
    return Slice.from_trajectories(
        Trajectories(
            source_index=np.array([3, 3, 7], dtype=np.int64),
            offsets=np.array([0, 3, 4, 8], dtype=np.int64),
            tokens=np.array([9, 10, 0, 0, 11, 12, 13, 14], dtype=np.int32),
            log_prob=np.full(8, -1.0, dtype=np.float32),
            terminated=np.array([True, True, False]),
            reward=np.array([0.75, 0.25, 0.5], dtype=np.float32),
            is_reference=np.zeros(3, dtype=np.bool_),
            source_rows=np.array([3, 7], dtype=np.int64),
            source_offsets=np.array([0, 2, 5], dtype=np.int64),
            source_tokens=np.array([2, 0, 4, 5, 0], dtype=np.int32),
        ),
        PAD,
    )


def test_an_episode_holds_a_trajectory(data: Slice) -> None:
    found = to_d3rlpy(data, max_source_length=4, max_target_length=5, vocab_size=19)
    assert found.dataset_info.action_size == 19
    assert found.transition_count == 8
    first, short, cut = found.episodes
    assert first.observations.tolist() == [
        [2, 0, PAD, PAD, PAD, PAD, PAD, PAD],
        [2, 0, PAD, PAD, 9, PAD, PAD, PAD],
        [2, 0, PAD, PAD, 9, 10, PAD, PAD],
    ]
    assert first.actions.tolist() == [[9], [10], [0]]
    assert first.rewards.tolist() == [[0.0], [0.0], [0.75]]
    assert short.rewards.tolist() == [[0.25]]
    assert cut.observations[3].tolist() == [4, 5, 0, PAD, 11, 12, 13, PAD]
    assert all(episode.terminated for episode in found.episodes)


def test_the_reward_of_a_cut_target_is_not_lost(data: Slice) -> None:
    found = to_d3rlpy(data, max_source_length=4, max_target_length=5, vocab_size=19)
    picker = d3rlpy_module().dataset.BasicTransitionPicker()
    last = picker(found.episodes[2], 3)
    assert (float(last.reward[0]), last.terminal) == (0.5, 1.0)


def test_what_does_not_fit_is_refused(data: Slice, tiny_task: Task) -> None:
    with pytest.raises(ValueError, match="a target has 4 tokens; give max_target_length 4 or more, not 3"):
        to_d3rlpy(data, max_source_length=4, max_target_length=3, vocab_size=19)
    with pytest.raises(ValueError, match="a source has 3 tokens; give max_source_length 3 or more, not 2"):
        to_d3rlpy(data, max_source_length=2, max_target_length=5, vocab_size=19)
    train = tiny_task.split("train")
    pairs = Slice.from_pairs(train.sources, train.references, tiny_task.tokenizer, 12, 12)
    with pytest.raises(ValueError, match="d3rlpy needs rewards, 24 of 24 trajectories have none"):
        to_d3rlpy(pairs, max_source_length=12, max_target_length=12, vocab_size=19)

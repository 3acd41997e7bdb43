"""A slice as a d3rlpy data set, on the real library."""

from __future__ import annotations

import numpy as np
import pytest

from buffers import Slice, Trajectories, d3rlpy_module, from_d3rlpy, to_d3rlpy
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


def test_what_d3rlpy_holds_comes_back(data: Slice) -> None:
    made = to_d3rlpy(data, max_source_length=4, max_target_length=5, vocab_size=19)
    found, wanted = from_d3rlpy(made, max_source_length=4, pad_id=PAD, eos_id=0), data.read()
    for name in ("offsets", "tokens", "terminated", "reward", "source_offsets", "source_tokens"):
        assert getattr(found, name).tobytes() == getattr(wanted, name).tobytes(), name
    assert found.source_index.tolist() == [0, 0, 1]
    assert np.isnan(found.log_prob).all()
    assert not found.is_reference.any()


def test_a_data_set_of_arrays_becomes_trajectories() -> None:
    """Observations of a source of two tokens and a prefix of one; the second episode times out."""
    library = d3rlpy_module()
    made = library.dataset.MDPDataset(
        observations=np.array([[5, 0, PAD], [5, 0, 7], [0, PAD, PAD], [0, PAD, 8]], dtype=np.int32),
        actions=np.array([[7], [0], [8], [9]]),
        rewards=np.array([0, 0.5, 0, 0.25], dtype=np.float32),
        terminals=np.array([0, 1, 0, 0]),
        timeouts=np.array([0, 0, 0, 1]),
        action_space=library.ActionSpace.DISCRETE,
        action_size=19,
    )
    found = from_d3rlpy(made, max_source_length=2, pad_id=PAD, eos_id=0)
    assert found.tokens.tolist() == [7, 0, 8, 9]
    assert found.source_tokens.tolist() == [5, 0, 0]
    assert found.terminated.tolist() == [True, False]
    assert found.reward.tolist() == [0.5, 0.25]


def test_the_end_is_the_tokenizers() -> None:
    """With end-of-sequence 2, a target that ends in it terminated, and one that ends in 0 was cut."""
    library = d3rlpy_module()
    made = library.dataset.MDPDataset(
        observations=np.array([[5, 2, PAD], [5, 2, 7], [5, 2, PAD]], dtype=np.int32),
        actions=np.array([[7], [2], [0]]),
        rewards=np.array([0, 0.5, 0.25], dtype=np.float32),
        terminals=np.array([0, 1, 1]),
        action_space=library.ActionSpace.DISCRETE,
        action_size=19,
    )
    with pytest.raises(TypeError, match="eos_id"):
        from_d3rlpy(made, max_source_length=2, pad_id=PAD)  # type: ignore[call-arg]
    found = from_d3rlpy(made, max_source_length=2, pad_id=PAD, eos_id=2)
    assert found.terminated.tolist() == [True, False]


def test_no_episode_gives_no_trajectory() -> None:
    library = d3rlpy_module()
    nothing = library.dataset.ReplayBuffer(
        library.dataset.InfiniteBuffer(),
        observation_signature=library.dataset.Signature([np.dtype(np.int32)], [(8,)]),
        action_signature=library.dataset.Signature([np.dtype(np.int32)], [(1,)]),
        reward_signature=library.dataset.Signature([np.dtype(np.float32)], [(1,)]),
        action_space=library.ActionSpace.DISCRETE,
        action_size=19,
    )
    assert len(from_d3rlpy(nothing, max_source_length=4, pad_id=PAD, eos_id=0)) == 0


def test_an_episode_that_is_no_translation_is_named(data: Slice) -> None:
    made = to_d3rlpy(data, max_source_length=4, max_target_length=5, vocab_size=19)
    with pytest.raises(
        ValueError, match=r"episode 0 is no translation .*: its last prefix is not what its actions wrote"
    ):
        from_d3rlpy(made, max_source_length=3, pad_id=PAD, eos_id=0)
    made.episodes[2].rewards[1] = 1.0
    with pytest.raises(ValueError, match=r"episode 2 is no translation .*: it has a reward before its last step"):
        from_d3rlpy(made, max_source_length=4, pad_id=PAD, eos_id=0)

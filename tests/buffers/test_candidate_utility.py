from __future__ import annotations

import numpy as np
import pytest

from buffers import Slice, candidate_utilities
from seq2seq_env.chrf import pairwise_chrf
from seq2seq_env.tasks.task import Task


def test_a_candidate_is_worth_what_the_others_agree_with(tiny_task: Task) -> None:
    texts = ["red house", "red house", "blue car", "dog"]
    one = Slice.from_pairs(["rot haus"] * 4, texts, tiny_task.tokenizer, 12, 12).read()
    one = type(one)(**{**vars(one), "source_index": np.array([0, 0, 0, 3])})
    data = Slice.from_trajectories(one, tiny_task.tokenizer.pad_id)
    shared = pairwise_chrf(["red house", "blue car"])
    alike, other = (100 + shared[0, 1]) / 2 / 100, (shared[1, 0] + shared[1, 0]) / 2 / 100
    assert candidate_utilities(data, tiny_task.tokenizer).tolist() == pytest.approx(
        [alike, alike, other, 0.0], abs=1e-6
    )
    assert candidate_utilities(data.where(np.zeros(4, dtype=bool)), tiny_task.tokenizer).shape == (0,)

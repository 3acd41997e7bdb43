"""The first bad token, by hand."""

from __future__ import annotations

from typing import Any

import torch

from agents.bad_tokens import first_bad_token, first_bad_tokens
from buffers import TokenBatch
from seq2seq_env.tasks.task import Task
from tests.agents.tabular.process import ONE, SEQUENCES, tabular


def test_the_first_fall_of_half_the_largest_or_more_is_where_it_goes_wrong() -> None:
    error = torch.tensor([
        [0.1, -0.2, 0.0, -0.5],  # 0.2 is less than half of 0.5
        [0.1, -0.3, 0.0, -0.5],
        [0.2, 0.3, 0.1, -9.0],  # the last is padding: it never falls
    ])  # fmt: skip
    mask = torch.ones(3, 4, dtype=torch.bool)
    mask[2, 3] = False
    assert first_bad_token(error, mask).tolist() == [3, 1, 2]


def test_values_of_the_tabular_process_name_its_bad_tokens(tiny_task: Task) -> None:
    data = tabular(dict.fromkeys(SEQUENCES, 2), tiny_task.tokenizer.pad_id)

    def value(batch: TokenBatch) -> Any:
        """That of a policy that writes "one two" for the most part: 0.9, then 0.95 or 0.4, then the reward."""
        second = torch.where(batch.target[:, 0] == ONE, 0.95, 0.4)
        return torch.stack([torch.full_like(second, 0.9), second, batch.reward], dim=1)

    network: Any = type(
        "Table", (), {"parameters": lambda self: iter([torch.zeros(1)]), "__call__": lambda _, b: value(b)}
    )
    # oo: "one" is right and the second "one" is not; ot: nothing falls, so the least rise, the end's.
    assert first_bad_tokens(network(), data).tolist() == [1, 1, 2, 2, 0, 0, 0, 0]

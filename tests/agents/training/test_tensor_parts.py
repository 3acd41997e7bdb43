"""Parts of several processes are put together in tests/distributed."""

from __future__ import annotations

import torch

from agents.training.tensor_parts import part_like, whole_tensor


def test_what_is_whole_stays_as_it_is() -> None:
    value = torch.arange(3.0)
    assert whole_tensor(value) is value
    assert part_like(torch.zeros(3), value) is value

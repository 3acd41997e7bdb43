"""Last layers that compute in float32 also under autocast, because a loss regresses their numbers.

Shape letters: L states, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn


def in_float32(head: Callable[[Tensor], Tensor], hidden: Tensor) -> Tensor:
    """What a layer says of hidden states, without autocast: bfloat16 has 8 bits, a reward of 0.9 to the nearest 0.004.

    Args:
        head: With weights in float32.
        hidden: float [L,D], or of more dimensions.

    Returns:
        float32.
    """
    with torch.autocast(hidden.device.type, enabled=False):
        return head(hidden.float())


@contextmanager
def computing_in_float32(head: nn.Module) -> Iterator[None]:
    """Within, what calls a layer gets :func:`in_float32` of it, for a model that only its own forward can call."""
    head.forward = partial(in_float32, head.forward)
    try:
        yield
    finally:
        del head.forward

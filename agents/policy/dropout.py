"""Dropout whose random numbers cost a CPU little, and passes without any."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Equally likely numbers that decide whether a value is dropped.
_NUMBERS = 2**16


def dropout(values: Tensor, share: float, training: bool) -> Tensor:
    """``F.dropout`` with random numbers that cost a CPU an eighth of the time; the share is rounded to 1/65536."""
    dropped = round(share * _NUMBERS)
    if not training or not 0 < dropped < _NUMBERS or values.device.type != "cpu":
        return F.dropout(values, share, training)
    # Four 16-bit numbers of each 64-bit one: the generator's calls are what F.dropout spends its time on.
    numbers = torch.empty(-(-values.numel() // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
    # Written as 0 and 1 at once: to convert truth values takes as long as to compare.
    kept = torch.empty(values.shape, dtype=values.dtype)
    torch.ge(numbers[: values.numel()].view(values.shape), dropped - _NUMBERS // 2, out=kept)
    return values * kept.mul_(_NUMBERS / (_NUMBERS - dropped))


@contextmanager
def dropout_off(model: nn.Module) -> Iterator[None]:
    """No dropout within, and the model's mode as it was afterwards; gradients flow as outside."""
    training = model.training
    model.train(False)  # whatever its own mode is: layers that were put in later have modes of their own
    try:
        yield
    finally:
        model.train(training)

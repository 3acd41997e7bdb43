"""Tensors of which each process holds a part, as wholes and back; PyTorch is not imported for those that are whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def whole_tensor(value: Tensor) -> Tensor:
    """A tensor of which each process holds a part, as a whole; all processes must call it. Others stay as they are."""
    gather: Any = getattr(value, "full_tensor", None)
    whole: Tensor = value if gather is None else gather()
    return whole


def part_like(own: Tensor, value: Tensor) -> Tensor:
    """A whole tensor as ``own`` is: this process's part of it, if ``own`` is one; all processes must call it then."""
    if not hasattr(own, "full_tensor"):
        return value
    from torch.distributed.tensor import distribute_tensor

    sharded: Any = own
    return distribute_tensor(value.to(own.device), sharded.device_mesh, sharded.placements)

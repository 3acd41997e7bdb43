"""Arithmetic of training: bfloat16 autocast where it is the faster one."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import torch
from torch import nn

from agents.training.training_config import Precision
from seq2seq_env.models.low_precision import has_bf16

WIDE = 256
"""Width from which a network's matrix products on a CPU are worth bfloat16."""


def use_bf16(wanted: Precision, networks: Iterable[nn.Module], device: torch.device) -> bool:
    """Whether to train under bfloat16 autocast.

    Args:
        wanted: "auto" is bfloat16 on a GPU that has it, and on a CPU that has it where a network is :data:`WIDE`:
            oneDNN generates code for every new shape, which costs a narrow network more than its products.
        networks: What is trained.
        device: Where they are.

    Warns:
        RuntimeWarning: If "bf16" is wanted where the device has none; float32 is taken.
    """
    if wanted == "auto":
        return has_bf16(device) and (device.type != "cpu" or any(_width(network) >= WIDE for network in networks))
    if wanted == "bf16" and not has_bf16(device):
        warnings.warn(f"{device} has no bfloat16 instructions; training in float32", RuntimeWarning, stacklevel=2)
        return False
    return wanted == "bf16"


def _width(network: nn.Module) -> int:
    return max((min(parameter.shape) for parameter in network.parameters() if parameter.dim() == 2), default=0)

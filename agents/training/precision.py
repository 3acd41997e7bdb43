"""What a device can train in and by."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Literal

import torch
from torch import nn

from agents.training.training_config import Precision

WIDE = 256
"""Width from which a network's matrix products on a CPU are worth bfloat16."""


def has_bf16(device: torch.device) -> bool:
    """Whether a device has bfloat16 instructions; without them it would emulate them, slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return False


def bf16_pays(network: nn.Module) -> bool:
    """Whether a network is likely to train faster in bfloat16 where it is.

    On a CPU oneDNN makes code for every new shape, which costs a narrow network more than its products: one of width
    128 trained at half the speed of float32, one of width 256 at 1.3 times it.
    """
    parameters = list(network.parameters())
    if not has_bf16(parameters[0].device):
        return False
    width = max((min(parameter.shape) for parameter in parameters if parameter.dim() == 2), default=0)
    return parameters[0].device.type != "cpu" or width >= WIDE


def has_fused(device: torch.device) -> bool:
    """Whether PyTorch's AdamW has one kernel for all of a step on a device."""
    return device.type in ("cpu", "cuda")


def supported_precision(
    wanted: Precision, networks: Iterable[nn.Module], device: torch.device
) -> Literal["no", "bf16"]:
    """Accelerate's name for the precision to train in.

    Warns:
        RuntimeWarning: If "bf16" is wanted where the device has none; float32 is taken.
    """
    if wanted == "auto":
        return "bf16" if any(bf16_pays(network) for network in networks) else "no"
    if wanted == "fp32":
        return "no"
    if not has_bf16(device):
        warnings.warn(f"{device} has no bfloat16 instructions; training in float32", RuntimeWarning, stacklevel=2)
        return "no"
    return "bf16"

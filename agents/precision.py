"""What a device can train in and by."""

from __future__ import annotations

import warnings
from typing import Literal

import torch

Precision = Literal["fp32", "bf16", "auto"]


def has_bf16(device: torch.device) -> bool:
    """Whether a device has bfloat16 instructions; without them it would emulate them, slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return False


def has_fused(device: torch.device) -> bool:
    """Whether PyTorch's AdamW has one kernel for all of a step on a device."""
    return device.type in ("cpu", "cuda")


def supported_precision(wanted: Precision, device: torch.device) -> Literal["no", "bf16"]:
    """Accelerate's name for the precision to train in.

    Warns:
        RuntimeWarning: If "bf16" is wanted where the device has none; float32 is taken.
    """
    if wanted == "fp32":
        return "no"
    if has_bf16(device):
        return "bf16"
    if wanted == "bf16":
        warnings.warn(f"{device} has no bfloat16 instructions; training in float32", RuntimeWarning, stacklevel=2)
    return "no"

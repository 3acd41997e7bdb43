"""Arithmetic of linear layers where nothing is trained: float32, bfloat16, or int8.

Shape letters: R rows, I and O features that go in and come out.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from seq2seq_env.models.low_precision_names import Arithmetic

Product = Callable[[Tensor], Tensor]
"""Float32 [R,I] to float32 [R,O]: a linear layer."""

CPU_FLAGS = Path("/proc/cpuinfo")


def has_bf16(device: torch.device) -> bool:
    """Whether a device multiplies matrices in bfloat16: a GPU without emulation, a CPU that Linux says has AMX."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and CPU_FLAGS.is_file() and "amx_bf16" in CPU_FLAGS.read_text("utf-8")


def has_int8(device: torch.device) -> bool:
    """Whether a device multiplies matrices in int8: a CPU for which this PyTorch has a library of such products."""
    # PyTorch has announced that quantised tensors will go.
    return device.type == "cpu" and torch.backends.quantized.engine != "none" and hasattr(torch, "quantize_per_channel")


def has(arithmetic: Arithmetic, device: torch.device) -> bool:
    """Whether a device has instructions for an arithmetic."""
    return {"float32": lambda device: True, "bfloat16": has_bf16, "int8": has_int8}[arithmetic](device)


def available(wanted: Arithmetic, device: torch.device) -> Arithmetic:
    """The arithmetic itself where the device has it, else float32.

    Warns:
        RuntimeWarning: If float32 is taken in its place.
    """
    if not has(wanted, device):
        warnings.warn(f"{device} has no {wanted} instructions; computing in float32", RuntimeWarning, stacklevel=3)
        return "float32"
    return wanted


def linear_product(weight: Tensor, bias: Tensor, arithmetic: Arithmetic = "float32") -> Product:
    """A linear layer of a weight [O,I] and a bias [O], both float32."""
    if arithmetic == "bfloat16":
        low = weight.to(torch.bfloat16)
        # The sum with the bias is float32's, as are all norms and activations around the product.
        return lambda values: F.linear(values.to(torch.bfloat16), low).float() + bias
    if arithmetic == "int8":
        scales = weight.detach().abs().amax(1).clamp(min=torch.finfo(torch.float32).tiny).double() / 127
        zeros = torch.zeros(len(weight), dtype=torch.int64)
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # the announcement: see has_int8
            eighth = torch.quantize_per_channel(weight.detach(), scales, zeros, 0, torch.qint8)
        packed = torch.ops.quantized.linear_prepack(eighth, bias.detach())
        # 7 bits of what goes in: without VNNI the sum of two products of 8 bits would saturate.
        return lambda values: torch.ops.quantized.linear_dynamic(values, packed, True)
    return lambda values: F.linear(values, weight, bias)

"""What a network computes with at the moment: its attention backend, and whether its layers are compiled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn


def attention_of(module: Any) -> str:
    """Attention backend of a model, or of a layer with its configuration; the library has no public reader."""
    return str(module.config._attn_implementation)


def is_compiled(body: Any) -> bool:
    """Whether an encoder-decoder's layers are compiled now."""
    return any("forward" in vars(layer) for layer in layers(body))


def layers(module: nn.Module) -> Iterator[nn.Module]:
    """The repeated layers of a network: what its outermost lists hold."""
    for child in module.children():
        yield from child if isinstance(child, nn.ModuleList) else layers(child)

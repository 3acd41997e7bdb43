"""What a network computes with at the moment: its attention backend, and whether its layers are compiled."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from torch import nn


def attention_of(module: Any) -> str:
    """Attention backend of a model, or of a layer with its configuration; the library has no public reader."""
    return str(module.config._attn_implementation)


def calls_layers(body: Any) -> bool:
    """Whether an encoder-decoder's layers must be called as such: they are compiled now, or gather their weights."""
    fsdp = sys.modules.get("torch.distributed.fsdp")
    sharded = getattr(fsdp, "FSDPModule", ())  # whose import takes longer than what asks
    return any("forward" in vars(layer) or isinstance(layer, sharded) for layer in layers(body))


def layers(module: nn.Module) -> Iterator[nn.Module]:
    """The repeated layers of a network: what its outermost lists hold."""
    for child in module.children():
        yield from child if isinstance(child, nn.ModuleList) else layers(child)

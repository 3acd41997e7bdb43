"""Attention backend and compiled layers of networks, for as long as they train."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from agents.policy.backends import attention_of, layers
from agents.training.training_config import Attention

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BACKEND = "inductor"
"""Of ``torch.compile``."""


class TrainingBackends:
    """Switches networks to what they train with, and back to what they are used with.

    Layers are compiled one by one, for any shape: those of one class share the code, and an encoder-decoder's lengths
    differ from batch to batch.

    Args:
        networks: Encoder-decoders of Hugging Face, or modules around one; others stay as they are.
        attention: Attention backend to train with.
        compiled: Whether layers are compiled.

    Raises:
        ValueError: If nothing can be compiled on this machine.
    """

    def __init__(self, networks: Mapping[str, nn.Module], attention: Attention, compiled: bool) -> None:
        models = [model for network in networks.values() for model in _models(network)]
        self._attention = attention
        self._others = [(model, attention_of(model)) for model in models if attention_of(model) != attention]
        self._compiled: list[tuple[Any, Callable[..., Any]]] = []
        if compiled:
            for model in models:
                _try_to_compile(model.device)
                for layer in layers(model):
                    self._compiled.append((layer, torch.compile(layer.forward, dynamic=True, backend=BACKEND)))

    def switch(self, training: bool) -> None:
        """To what they train with, or back.

        Raises:
            ValueError: If a network has no such attention.
        """
        for model, own in self._others:
            _set_attention(model, self._attention if training else own)
        for layer, compiled in self._compiled:
            # An attribute of the object hides the method of its class, and of this layer alone.
            if training:
                layer.forward = compiled
            else:
                vars(layer).pop("forward", None)


def _models(network: nn.Module) -> list[PreTrainedModel]:
    from transformers import PreTrainedModel

    # The first holds the others.
    return [module for module in network.modules() if isinstance(module, PreTrainedModel)][:1]


def _set_attention(model: PreTrainedModel, wanted: str) -> None:
    model.set_attn_implementation(wanted)  # it raises ValueError where it knows better
    if attention_of(model) != wanted:
        raise ValueError(f"{type(model).__name__} has no {wanted!r} attention; choose another")


def _try_to_compile(device: torch.device) -> None:
    """PyTorch finds out at the first call only, by an error of many lines."""

    def twice(values: torch.Tensor) -> torch.Tensor:
        return values + values

    try:
        torch.compile(twice, backend=BACKEND)(torch.ones(2, device=device))
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"nothing can be compiled for {device} on this machine ({reason}); choose no compile"
        ) from error

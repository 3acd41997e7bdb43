"""Sizes of the default policy network, without the library that makes one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

from seq2seq_env.suggestions import check_name

if TYPE_CHECKING:
    from seq2seq_env.tasks import Task

Architecture = Literal["encoder-decoder", "decoder-only"]
"""Architecture of a new policy network: a Marian or a Llama."""


@dataclass(frozen=True)
class PolicyConfig:
    """Architecture and sizes of a new policy network.

    Raises:
        ValueError: If the architecture is unknown or a size is out of range.
    """

    architecture: Architecture = "encoder-decoder"
    """Architecture of the network: an "encoder-decoder" (Marian), or "decoder-only" (Llama), which has no use for
    ``encoder_layers`` and drops out of attention alone."""
    d_model: int = 128
    """Width of every layer, features; a multiple of ``num_heads``."""
    num_heads: int = 4
    """Attention heads of every layer."""
    encoder_layers: int = 2
    """Encoder depth, layers."""
    decoder_layers: int = 2
    """Decoder depth, layers."""
    ffn_dim: int = 512
    """Width inside a feed-forward block, features."""
    dropout: float = 0.1
    """Dropout in training, a share of features from 0 to below 1."""
    max_source_length: int = 64
    """Longest source it can read, tokens, end-of-sequence included; the task knows it."""
    max_target_length: int = 64
    """Tokens after which writing stops, end-of-sequence included; the task knows it."""

    def __post_init__(self) -> None:
        check_name("architecture", self.architecture, get_args(Architecture))
        for name, value in vars(self).items():
            if name not in ("architecture", "dropout") and value < 1:
                raise ValueError(f"{name} is {value}; give at least 1")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; give a share from 0 to below 1")
        if self.d_model % self.num_heads:
            raise ValueError(f"d_model {self.d_model} is no multiple of num_heads {self.num_heads}; change one of them")
        if self.architecture == "decoder-only" and self.d_model // self.num_heads % 2:
            raise ValueError(
                f"d_model {self.d_model} gives each of {self.num_heads} heads an odd width, which rotary positions do "
                "not have; change one of them"
            )

    def for_task(self, task: Task) -> PolicyConfig:
        """The same sizes with a task's lengths."""
        return replace(self, max_source_length=task.max_source_length, max_target_length=task.max_target_length)

"""Decoder start: a model's start token, a language's code (forced BOS) or the end of a prompt, before a target.

They are no part of a target. Nothing is chosen there, so they have probability 1, and trajectories, episodes and losses
begin with the first token that a policy writes.

Shape letters: B batch, T target length, K tokens before a target.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from seq2seq_env.tokenization.tokenizer import Tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


def decoder_start(config: PreTrainedConfig, tokenizer: Tokenizer) -> tuple[int, ...]:
    """The K tokens that a model is given before every target.

    Raises:
        ValueError: If neither model nor tokenizer names one.
    """
    start: int | None = getattr(config, "decoder_start_token_id", None)
    if tokenizer.replaces_start:
        first, *others = tokenizer.decoder_prefix
        if start is not None and hasattr(config, "reward_tokens"):  # of a reward-conditioned policy
            first = start
        return first, *others
    if start is None:
        raise ValueError(
            "the model's config.json names no decoder_start_token_id; take an encoder-decoder that has one, or give a "
            "prompt to a decoder-only model"
        )
    return (int(start), *tokenizer.decoder_prefix)


def decoder_inputs(target: Tensor, start: Sequence[int]) -> Tensor:
    """What the decoder reads to predict ``target`` (int64 [B,T]): int64 [B,K-1+T], whose last T outputs predict it."""
    before = torch.tensor(list(start), device=target.device).expand(len(target), -1)
    return torch.cat([before, target[:, :-1]], dim=1)

"""Decoder-only models in the place of encoder-decoders: a source, then the decoder's input, in one row.

What an encoder would read stands before what a decoder would read, padded on the left, so that the targets of a batch
begin in one column. Positions count a row's own tokens: padding moves none.

Shape letters: B batch, S source length, I length of the decoder's input.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def is_decoder_only(config: Any) -> bool:
    """Whether a model of this Hugging Face configuration has no encoder."""
    return not config.is_encoder_decoder


def left_padded(source: Tensor, source_mask: Tensor) -> tuple[Tensor, Tensor]:
    """Sources and their mask with each row's padding before its tokens, both [B,S]."""
    order = source_mask.long().argsort(dim=1, stable=True)
    return source.gather(1, order), source_mask.gather(1, order)


def positions(mask: Tensor) -> Tensor:
    """The position of every token among those of its row, int64 [B,S]; 0 at padding on the left."""
    return (mask.long().cumsum(1) - 1).clamp(min=0)


def forward_arguments(config: Any, source: Tensor, source_mask: Tensor, inputs: Tensor) -> dict[str, Tensor]:
    """What a model's forward takes, whose last I outputs are those of ``inputs``.

    Args:
        config: A Hugging Face model's.
        source: int64 [B,S].
        source_mask: bool [B,S], true at tokens.
        inputs: int64 [B,I], what a decoder reads, padded on the right.
    """
    if not is_decoder_only(config):
        return {"input_ids": source, "attention_mask": source_mask.long(), "decoder_input_ids": inputs}
    before, mask = left_padded(source, source_mask)
    # Padding on the right is read by no token before it.
    everywhere = torch.cat([mask, torch.ones_like(inputs, dtype=torch.bool)], dim=1)
    return {
        "input_ids": torch.cat([before, inputs], dim=1),
        "attention_mask": everywhere.long(),
        "position_ids": positions(everywhere),
    }

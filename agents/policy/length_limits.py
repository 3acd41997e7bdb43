"""Longest sources and targets that a model has positions for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from seq2seq_env.models.decoder_only import is_decoder_only
from seq2seq_env.tokenization.tokenizer import Tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


class LengthLimits(NamedTuple):
    """Of a policy, tokens."""

    source: int
    """Longest source, with all that stands around its text."""
    target: int
    """Longest target whose log-probabilities can be had."""


def length_limits(
    config: PreTrainedConfig, tokenizer: Tokenizer, start: Sequence[int], max_target_length: int
) -> LengthLimits:
    """What fits a model; in a decoder-only one a source, the decoder start and a target share the positions.

    Raises:
        ValueError: If the model has no positions for such a target, or none for a source beside it.
    """
    # T5 has relative positions and no limit.
    positions = int(getattr(config, "max_position_embeddings", sys.maxsize))
    longest = positions - len(start) + 1  # nothing follows the last token, so it needs no position
    if not is_decoder_only(config):
        if not 1 <= max_target_length <= longest:
            raise ValueError(
                f"max_target_length is {max_target_length}; the model has positions for 1 to {longest} tokens"
            )
        return LengthLimits(positions, longest)
    if max_target_length < 1:
        raise ValueError(f"max_target_length is {max_target_length}; give at least 1")
    prompt = len(tokenizer.source_prefix) + len(start)
    room = longest - max_target_length
    if room <= len(tokenizer.source_prefix):
        raise ValueError(
            f"the model has {positions} positions, of which {prompt} tokens of the prompt and {max_target_length} of a "
            "target leave none for a source; shorten the prompt or max_target_length"
        )
    return LengthLimits(room, max_target_length)

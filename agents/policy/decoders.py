"""Writing one token for many rows at a time, with the keys and values of earlier tokens kept.

Shape letters: B sources, R rows being written (B at first), S source length, V vocabulary, D width.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import torch.nn.functional as F
from torch import Tensor

from agents.policy.marian_decoder import MarianDecoder, MarianWeights, has_plain_decoder
from seq2seq_env.models.decoder_only import is_decoder_only, left_padded, positions

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Decoder(Protocol):
    """Rows that are being written, all of the same length so far."""

    def step(self, tokens: Tensor) -> Tensor:
        """Append ``tokens`` (int64 [R]) and give the next token's logits, float [R,V]."""

    def keep(self, rows: Tensor) -> None:
        """Go on with ``rows`` only (int64 [r], positions among the current rows); one that comes twice is copied."""


Opener = Callable[[Tensor, Tensor], Decoder]
"""Opens a decoder with a row for each source, int64 [B,S] and bool [B,S], and nothing written."""


def decoder_opener(model: PreTrainedModel) -> Opener:
    """What opens decoders of a model, of use as long as its weights do not change.

    Args:
        model: Any Hugging Face encoder-decoder or decoder-only model. Marian models get a decoder 2 to 3 times as fast
            on a CPU.
    """
    if is_decoder_only(model.config):
        return partial(DecoderOnly, model)
    kind: Callable[[Tensor, Tensor], Decoder] = partial(CachedDecoder, model)
    if has_plain_decoder(model):
        kind = partial(MarianDecoder, MarianWeights(model))
    return lambda source, source_mask: kind(encode_sources(model, source, source_mask), source_mask)


def encode_sources(model: PreTrainedModel, source: Tensor, source_mask: Tensor) -> Tensor:
    """The encoder's output, float [B,S,D], of sources, int64 and bool [B,S]."""
    encoded: Tensor = model.get_encoder()(input_ids=source, attention_mask=source_mask.long()).last_hidden_state
    return encoded


class CachedDecoder:
    """Any Hugging Face decoder through its own cache.

    Args:
        model: The whole encoder-decoder.
        encoded: float [B,S,D].
        source_mask: bool [B,S].
    """

    def __init__(self, model: PreTrainedModel, encoded: Tensor, source_mask: Tensor) -> None:
        self._model = model
        self._encoded = encoded
        self._mask = source_mask.long()
        self._cache: dict[str, Any] = {}

    def step(self, tokens: Tensor) -> Tensor:
        """See :class:`Decoder`."""
        output = self._model(
            encoder_outputs=(self._encoded,),
            attention_mask=self._mask,
            decoder_input_ids=tokens[:, None],
            use_cache=True,
            **self._cache,
        )
        self._cache = _cache_of(output)
        logits: Tensor = output.logits[:, -1]
        return logits

    def keep(self, rows: Tensor) -> None:
        """See :class:`Decoder`."""
        self._encoded, self._mask = self._encoded[rows], self._mask[rows]
        for cache in self._cache.values():
            cache.reorder_cache(rows)


class DecoderOnly:
    """Any Hugging Face decoder-only model: the sources are the beginning of its rows, read in one pass.

    Args:
        model: With an LM head.
        source: int64 [B,S].
        source_mask: bool [B,S].
    """

    def __init__(self, model: PreTrainedModel, source: Tensor, source_mask: Tensor) -> None:
        self._model = model
        before, self._mask = left_padded(source, source_mask)
        # The body alone: no logits of a source are wanted.
        output = model.base_model(
            input_ids=before, attention_mask=self._mask.long(), position_ids=positions(self._mask), use_cache=True
        )
        self._cache = _cache_of(output)

    def step(self, tokens: Tensor) -> Tensor:
        """See :class:`Decoder`."""
        self._mask = F.pad(self._mask, (0, 1), value=True)
        output = self._model(
            input_ids=tokens[:, None],
            attention_mask=self._mask.long(),
            position_ids=positions(self._mask)[:, -1:],
            use_cache=True,
            **self._cache,
        )
        self._cache = _cache_of(output)
        logits: Tensor = output.logits[:, -1]
        return logits

    def keep(self, rows: Tensor) -> None:
        """See :class:`Decoder`."""
        self._mask = self._mask[rows]
        for cache in self._cache.values():
            cache.reorder_cache(rows)


def _cache_of(output: Any) -> dict[str, Any]:
    """Keys and values of a pass, as the next one takes them."""
    # transformers 5.24 renamed it, and warns of the name that earlier ones know.
    name = "cache" if "cache" in output else "past_key_values"
    return {name: output[name]}

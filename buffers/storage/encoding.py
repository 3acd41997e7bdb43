"""Texts to flat token arrays, refused or cut as the environment would."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seq2seq_env.tokenization.tokenizer import Tokenizer


class Ragged(NamedTuple):
    """Flat tokens: row ``i`` is ``tokens[offsets[i]:offsets[i + 1]]``."""

    offsets: NDArray[np.int64]
    """int64 [N+1]."""
    tokens: NDArray[np.int32]
    """int32 [L]."""


def flatten(rows: Sequence[Sequence[int]]) -> Ragged:
    """Rows of token ids, end to end."""
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    return Ragged(
        offsets, np.fromiter((token for row in rows for token in row), dtype=np.int32, count=int(offsets[-1]))
    )


def encode_sources(texts: Sequence[str], rows: Sequence[int], tokenizer: Tokenizer, max_length: int) -> list[list[int]]:
    """Token ids of each source, end-of-sequence included.

    Args:
        texts: The sources.
        rows: Their rows in the split, named in errors.
        tokenizer: The task's.
        max_length: Tokens of the longest source allowed, end-of-sequence included.

    Raises:
        ValueError: If a source is empty or too long, naming its row and text.
    """
    encoded = tokenizer.encode(texts)
    for row, text, tokens in zip(rows, texts, encoded, strict=True):
        if not text.strip():
            raise ValueError(f"source at row {row} is empty ({text!r}); drop the pair")
        if len(tokens) > max_length:
            raise ValueError(
                f"source at row {row} has {len(tokens)} tokens, {max_length} are allowed: {reprlib.repr(text)}; "
                "drop the pair or raise the task's max_source_length"
            )
    return encoded


def encode_references(
    texts: Sequence[str], tokenizer: Tokenizer, max_length: int
) -> tuple[list[list[int]], list[bool]]:
    """Token ids of each reference, and whether it terminates.

    A reference beyond ``max_length`` is cut there and does not terminate, exactly as an episode would be truncated.
    """
    encoded = tokenizer.encode_targets(texts)
    return [tokens[:max_length] for tokens in encoded], [len(tokens) <= max_length for tokens in encoded]

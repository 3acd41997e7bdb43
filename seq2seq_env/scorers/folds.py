"""Folds of all possible sources, by their text."""

from __future__ import annotations

import hashlib

from seq2seq_env.tasks.corpora.cleaning import bare


def fold_of(source: str, folds: int, repeat: int = 0) -> int:
    """The part of all possible sources, from 0 to ``folds - 1``, that a source belongs to.

    It depends on the text alone; texts that differ only in case, spaces or the encoding of accents belong together.
    Each ``repeat``, from 0, splits them in another way.
    """
    text = bare(source).encode() + bytes(repeat)
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") % folds

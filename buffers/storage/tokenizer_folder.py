"""The tokenizer beside the shards that hold its ids: a folder within the buffer's, which each shard names."""

from __future__ import annotations

import re
from pathlib import Path

from buffers.storage.container import PARTIAL, publish_folder
from seq2seq_env.tokenization.loading import load_tokenizer
from seq2seq_env.tokenization.tokenizer import Tokenizer

PREFIX = "tokenizer-"
"""With which the folder's name begins."""


def tokenizer_folder(tokenizer: Tokenizer) -> str:
    """Name of a tokenizer's folder, which begins as its fingerprint does."""
    return PREFIX + re.sub(r"\W+", "-", tokenizer.fingerprint, flags=re.ASCII)[:12]


def keep_tokenizer(buffer: Path, tokenizer: Tokenizer) -> None:
    """Write a tokenizer into its folder atomically, unless it is there; any number of processes may do so at once.

    Raises:
        OSError: If it cannot be written; nothing is left behind.
    """
    target = buffer / tokenizer_folder(tokenizer)
    if not target.is_dir():
        publish_folder(target, tokenizer.save)


def partial_tokenizers(buffer: Path) -> list[Path]:
    """The hidden folders of tokenizers that were not finished, whether their writers live or not."""
    return sorted(path for path in buffer.glob(f".{PREFIX}*{PARTIAL}") if path.is_dir())


def kept_tokenizer(buffer: Path, folder: str) -> Tokenizer | None:
    """The tokenizer of a folder that a shard names; None where the shard names none, or the folder is not there.

    Raises:
        ValueError: If it is corrupt.
    """
    return load_tokenizer(buffer / folder) if folder and (buffer / folder).is_dir() else None

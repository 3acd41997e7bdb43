"""The tokenizer beside the shards that hold its ids: a folder within the buffer's, which each shard names."""

from __future__ import annotations

import re
import shutil
import uuid
from pathlib import Path

from seq2seq_env.tokenization.loading import load_tokenizer
from seq2seq_env.tokenization.tokenizer import Tokenizer


def tokenizer_folder(tokenizer: Tokenizer) -> str:
    """Name of a tokenizer's folder, which begins as its fingerprint does."""
    return "tokenizer-" + re.sub(r"\W+", "-", tokenizer.fingerprint, flags=re.ASCII)[:12]


def keep_tokenizer(buffer: Path, tokenizer: Tokenizer) -> None:
    """Write a tokenizer into its folder atomically, unless it is there; any number of processes may do so at once.

    Raises:
        OSError: If it cannot be written; nothing is left behind.
    """
    target = buffer / tokenizer_folder(tokenizer)
    if target.is_dir():
        return
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        partial.mkdir(parents=True)
        tokenizer.save(partial)
        try:
            partial.rename(target)
        except OSError:
            if not target.is_dir():  # if it is, another process was faster, with the same files
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def kept_tokenizer(buffer: Path, folder: str) -> Tokenizer | None:
    """The tokenizer of a folder that a shard names; None where the shard names none, or the folder is not there.

    Raises:
        ValueError: If it is corrupt.
    """
    return load_tokenizer(buffer / folder) if folder and (buffer / folder).is_dir() else None

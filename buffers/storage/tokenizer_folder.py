"""The tokenizer beside the shards that hold its ids: a folder within the buffer's, which each shard names."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from buffers.storage.container import PARTIAL, ShardError, publish_folder
from seq2seq_env.tokenization.loading import load_tokenizer
from seq2seq_env.tokenization.tokenizer import Tokenizer

PREFIX = "tokenizer-"
"""With which the folder's name begins."""

_LOG = logging.getLogger(__name__)


def tokenizer_folder(tokenizer: Tokenizer) -> str:
    """Name of a tokenizer's folder, which begins as its fingerprint does."""
    return PREFIX + re.sub(r"\W+", "-", tokenizer.fingerprint, flags=re.ASCII)[:12]


def keep_tokenizer(buffer: Path, tokenizer: Tokenizer) -> None:
    """Write a tokenizer into its folder atomically, unless it is there and whole.

    Any number of processes may do so at once.

    Raises:
        OSError: If it cannot be read or written; nothing is left behind.
    """
    folder = tokenizer_folder(tokenizer)
    is_there = (buffer / folder).is_dir()
    if is_there:
        try:
            check_kept(buffer, folder, tokenizer.fingerprint)
            return
        except ShardError as error:
            _LOG.warning("%s; it is written anew now", error)
    publish_folder(buffer / folder, tokenizer.save, replace=is_there)


def check_kept(buffer: Path, folder: str, fingerprint: str) -> None:
    """Refuse a tokenizer's folder, which is there, unless it holds the tokenizer of that fingerprint.

    Raises:
        ShardError: If it is corrupt, or another one.
        ImportError: If it needs an extra that is not installed.
        OSError: If it cannot be read.
    """
    path = buffer / folder
    remedy = "delete it, and the next Grow with that tokenizer writes it anew"
    try:
        actual = load_tokenizer(path).fingerprint
    except Exception as error:  # each kind's library has errors of its own
        if isinstance(error, ImportError) or (isinstance(error, OSError) and not isinstance(error, FileNotFoundError)):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ShardError(f"tokenizer {str(path)!r} is corrupt ({reason}); {remedy}") from error
    if actual != fingerprint:
        raise ShardError(
            f"tokenizer {str(path)!r} is {actual[:12]}, the shards beside it are of {fingerprint[:12]}; {remedy}"
        )


def partial_tokenizers(buffer: Path) -> list[Path]:
    """The hidden folders of tokenizers that were not finished, whether their writers live or not."""
    return sorted(path for path in buffer.glob(f".{PREFIX}*{PARTIAL}") if path.is_dir())


def kept_tokenizer(buffer: Path, folder: str) -> Tokenizer | None:
    """The tokenizer of a folder that a shard names; None where the shard names none, or the folder is not there.

    Raises:
        ValueError: If it is corrupt.
    """
    return load_tokenizer(buffer / folder) if folder and (buffer / folder).is_dir() else None

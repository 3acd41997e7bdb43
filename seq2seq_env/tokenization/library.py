"""Tokenizers as transformers reads them from their files, which run no code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def library_tokenizer(folder: Path) -> Any:
    """The tokenizer that transformers makes of a folder's files.

    Raises:
        Exception: Of several kinds, if it cannot be read; :func:`readable_tokenizer` makes one sentence of it.
    """
    from transformers import AutoTokenizer

    # Without a no, the library asks on the terminal whether it may run code that lies in the folder.
    return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


@contextmanager
def readable_tokenizer(name: str, remedy: str) -> Iterator[None]:
    """Turn whatever goes wrong while a tokenizer is read into one sentence.

    Args:
        name: What the user calls it.
        remedy: What to do, for the end of the sentence.

    Raises:
        ValueError: If anything is raised, of many kinds, by what is missing or wrong.
    """
    try:
        yield
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        if "trust_remote_code" in str(error):  # which the library asks to be told, and nobody here can
            reason = "it takes code that comes with it, which is never run"
        raise ValueError(f"no tokenizer can be read from {name!r} ({reason}); {remedy}") from error

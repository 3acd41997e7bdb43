"""Libraries that the package does without."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def library(name: str) -> Any:
    """A module of the extra ``interop``, imported when asked for.

    Raises:
        ImportError: If it is not installed, naming the extra.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(f'{name} is not there ({error}); pip install "seq2seq-env[interop]"') from error

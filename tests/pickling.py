"""What another process would get: environments, tasks and scorers go to workers as pickles.

This is the one place that reads any, and the bytes are those that the same test has just written.
"""

from __future__ import annotations

import pickle
from typing import Any, TypeVar

T = TypeVar("T")


def received(data: bytes) -> Any:
    """The object of a pickle that the test itself made."""
    return pickle.loads(data)


def sent(value: T) -> T:
    """The object as another process gets it."""
    copy: T = received(pickle.dumps(value))
    return copy

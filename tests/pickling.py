"""What another process would get: environments, tasks and scorers go to workers through a pipe."""

from __future__ import annotations

from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


def posted(value: Any) -> Connection:
    """The end of a pipe that ``value``, as it is now, can be received from once."""
    reader, writer = Pipe(duplex=False)
    data = ForkingPickler.dumps(value)
    # A pipe holds less than some tasks are large, so somebody has to read while it is written.
    Thread(target=writer.send_bytes, args=(data,), daemon=True).start()
    return reader


def sent(value: T) -> T:
    """The object as another process gets it."""
    copy: T = posted(value).recv()
    return copy

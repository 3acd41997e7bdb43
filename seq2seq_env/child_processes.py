"""Child processes that end with their parent, however that ends: by a signal too that leaves it no time to end them."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess

_LAUNCHED = "TORCHELASTIC_RUN_ID"
_LAUNCHER = "end with launcher"

_GUARD = 'read -r _; kill -s KILL -- "-$0"'


def end_with_parent() -> None:
    """In a process of ``multiprocessing``: end, without any clean-up, as soon as the process that started it has ended.

    A worker of a pool waits for its next task on a pipe that its siblings hold open, and a training does not wait at
    all: neither would ever learn that nobody wants its result. Does nothing in a first process.
    """
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent,), name="end with parent", daemon=True).start()


def _watch(parent: BaseProcess) -> None:
    parent.join()  # on a pipe that the kernel closes with the parent
    os._exit(1)


def end_with_launcher() -> None:
    """In a process that ``torchrun`` or ``accelerate launch`` started: end, without any clean-up, soon after it has.

    A launcher ends its ranks, but not where it is killed: they would go on for nobody. Elsewhere this does nothing.
    """
    if _LAUNCHED in os.environ and not any(thread.name == _LAUNCHER for thread in threading.enumerate()):
        threading.Thread(target=_watch_launcher, args=(os.getppid(),), name=_LAUNCHER, daemon=True).start()


def _watch_launcher(launcher: int) -> None:
    while os.getppid() == launcher:  # orphans get another parent
        time.sleep(1)
    os._exit(1)


def guard_group(group: int) -> subprocess.Popen[bytes]:
    """A shell, for POSIX, that kills a process group when this process ends, or when its standard input is closed.

    Args:
        group: Of a child started with ``start_new_session``: its process id.

    Returns:
        The shell; killing it before the group has ended leaves the group alone.
    """
    return subprocess.Popen(["/bin/sh", "-c", _GUARD, str(group)], stdin=subprocess.PIPE, start_new_session=True)

"""Frame of every command: its options, and how it ends, by an error, an interrupt or a reader that has read enough."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seq2seq_env.child_processes import end_with_launcher
from seq2seq_env.process_group import join_after_restart

USAGE = 2
"""Exit code of a command line that cannot be meant; shells use it so."""

INTERRUPTED = 130
"""Exit code by which shells tell an interrupt."""

_HOME = re.compile(r"(--[\w.-]+=)(~[^/]*.*)", re.DOTALL)

USERS_ERRORS = (ValueError, TypeError, OSError, FloatingPointError, ImportError)
"""What a command may raise for what its user can mend: their text is one sentence."""


class UsageError(ValueError):
    """Options that cannot be meant."""


def arguments() -> list[str]:
    """The command's arguments; a home folder after an equals sign is meant, too, though shells leave it as it is."""
    matches = ((_HOME.fullmatch(argument), argument) for argument in sys.argv[1:])
    return [match[1] + _expanded(match[2]) if match else argument for match, argument in matches]


def _expanded(path: str) -> str:
    try:
        return str(Path(path).expanduser())
    except RuntimeError:  # nobody's home is known
        return path


@contextmanager
def command_frame(stopped: str = "stopped", errors: tuple[type[Exception], ...] = USERS_ERRORS) -> Iterator[None]:
    """Run a command's block, its options' parsing included, and end the process as a command ends.

    What its standard streams cannot show in their encoding is shown escaped. Under a launcher the process ends with it.

    Args:
        stopped: What an interrupt is answered with.
        errors: Those that end the command with exit code 1 and their text alone.

    Raises:
        SystemExit: If the block ended by an error or an interrupt, or nobody reads its output any more. A
            :class:`UsageError` has exit code 2.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    end_with_launcher()
    join_after_restart()
    try:
        try:
            yield
        finally:
            # Else Python itself would find at its end that nobody reads.
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(USAGE)
    except errors as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print(stopped, file=sys.stderr)
        sys.exit(INTERRUPTED)

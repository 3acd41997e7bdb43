"""Refusals: errors as one sentence on standard error, and the exit codes of every command.

0 is done, 1 a failure, 2 a command line that cannot be meant, 130 an interruption.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

from seq2seq_env.suggestions import suggestion

USAGE = 2
"""Exit code of a command line that cannot be meant; shells use it so."""

INTERRUPTED = 130
"""Exit code after an interrupt, as shells tell one."""

FAILURES = (ValueError, TypeError, OSError, FloatingPointError, ImportError)
"""What a user's data, files and options may raise; anything else is a fault of ours, and keeps its traceback."""


_CHOICE = re.compile(r"invalid choice '([^']*)' .*expected one of \((.*)\)", re.IGNORECASE)


class UsageError(ValueError):
    """Options that cannot be meant."""


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what a user's mistake raises into one sentence and an exit code.

    Raises:
        SystemExit: In place of it.
    """
    try:
        yield
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(USAGE)
    except BrokenPipeError:
        # Whoever read has read enough; else Python complains of its last flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except FAILURES as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(INTERRUPTED)


@contextmanager
def usage_errors() -> Iterator[None]:
    """Tell what is refused before any work as a command line that cannot be meant.

    Raises:
        UsageError: In place of a ValueError or TypeError.
    """
    try:
        yield
    except (ValueError, TypeError) as error:
        raise UsageError(str(error)) from error


@contextmanager
def parser_errors() -> Iterator[None]:
    """Tell what the parser of options prints, and then exits for, in a sentence.

    Raises:
        UsageError: In place of its SystemExit.
    """
    printed = io.StringIO()
    try:
        with redirect_stderr(printed):
            yield
    except SystemExit as end:
        if end.code != USAGE:
            raise
        raise UsageError(sentence(printed.getvalue())) from None
    finally:
        if not isinstance(sys.exception(), UsageError):
            sys.stderr.write(printed.getvalue())


def sentence(box: str) -> str:
    """What tyro says in a box: the error, the first option that it suggests, and where the options are explained."""
    lines = [line.strip("│╭╮╰╯").strip() for line in box.splitlines()]
    parts: list[list[str]] = [[]]
    for line in lines[1:]:  # the first is a title
        if line and not line.strip("─-"):  # rules, also of terminals without boxes
            parts.append([])
        elif line:
            parts[-1].append(line)
    parts = [part for part in parts if part] or [lines]
    said = re.sub(r"^Error parsing (?!-)\S+: ", "", " ".join(parts[0]))
    said = (said[0].lower() + said[1:] if said[:1].isupper() else said).rstrip(".")
    if choice := _CHOICE.search(said):
        said += suggestion(choice[1], re.findall(r"'([^']*)'", choice[2]))
    near = [part[1].split()[0].rstrip(",") for part in parts[1:] if part[1:] and part[0].endswith(":")]
    meant = f"; did you mean {near[0]}?" if near and said.startswith("unrecognized") else ""
    where = re.search(r"(?:run|see) (.+ --help)$", " ".join(parts[-1]))
    return said + meant + (f"; see {where[1]}" if where else "")

"""Refusals: what the parser of options says of a command line that cannot be meant, in a sentence."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

from seq2seq_env.commands import USAGE, UsageError
from seq2seq_env.suggestions import suggestion

_CHOICE = re.compile(r"invalid choice '([^']*)' .*expected one of \((.*)\)", re.IGNORECASE)


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

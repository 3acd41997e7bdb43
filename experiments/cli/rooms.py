"""The commands of the rooms below, ``python -m agents`` and ``python -m buffers``, under one name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import tyro

from experiments.command_line.parsing import parse
from experiments.command_line.refusals import parser_errors, usage_errors
from seq2seq_env.commands import command_frame
from seq2seq_env.suggestions import check_name

TRANSLATE_MOST_USED = ("policy", "texts", "checkpoint", "decoding", "input", "output", "json")
"""Options that the short help of ``rest translate`` shows."""

BUFFER_COMMANDS = ("info", "verify", "repair", "compact", "rescore", "export", "import")
"""What ``rest buffer`` does, as ``python -m buffers``."""


class Runnable(Protocol):
    """A command's options, which do what they say."""

    def run(self) -> int:
        """Do it; the exit code."""


def translate(arguments: Sequence[str]) -> None:
    """``rest translate``."""
    from agents.__main__ import Translate

    with command_frame():
        parse(Translate, arguments, prog="rest translate", most_used=TRANSLATE_MOST_USED).run()


def push(arguments: Sequence[str]) -> None:
    """``rest push``."""
    from agents.__main__ import Push

    with command_frame():
        parse(Push, arguments, prog="rest push").run()


def buffer(arguments: Sequence[str]) -> int:
    """``rest buffer``, which has commands of its own."""
    from buffers import __main__ as room

    with command_frame():
        name, *rest = arguments or [""]
        if name in BUFFER_COMMANDS:
            kind: type[Runnable] = getattr(room, name.capitalize())
            return parse(kind, rest, prog=f"rest buffer {name}").run()
        with usage_errors():
            if not name.startswith("-") and name:
                check_name("command", name, BUFFER_COMMANDS)
        with parser_errors():
            # What is left is help, or nothing: the parser of all commands knows what to say.
            tyro.cli(room.Commands, prog="rest buffer", description=room.__doc__, args=arguments)
    raise AssertionError("command_frame() leaves with an exit code")

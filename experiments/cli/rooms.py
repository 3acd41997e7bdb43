"""The commands of the rooms below, ``python -m agents`` and ``python -m buffers``, under one name."""

from __future__ import annotations

from collections.abc import Sequence

import tyro

from experiments.command_line.parsing import parse
from experiments.command_line.refusals import parser_errors, usage_errors
from seq2seq_env.commands import command_frame
from seq2seq_env.suggestions import check_name

TRANSLATE_MOST_USED = ("policy", "texts", "checkpoint", "decoding", "input", "output", "json")
"""Options that the short help of ``rest translate`` shows."""

BUFFER_COMMANDS = ("info", "verify", "repair", "compact", "rescore", "export")
"""What ``rest buffer`` does, as ``python -m buffers``."""


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
        for name in arguments[:1]:
            if not name.startswith("-"):
                with usage_errors():
                    check_name("command", name, BUFFER_COMMANDS)
        with parser_errors():
            command: room.Info | room.Verify | room.Repair | room.Compact | room.Rescore | room.Export = tyro.cli(
                room.Command, prog="rest buffer", description=room.__doc__, args=arguments
            )
        return command.run()
    raise AssertionError("command_frame() leaves with an exit code")

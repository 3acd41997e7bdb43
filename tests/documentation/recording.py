"""The commands of a shell block without their work: bash runs it among stand-ins that write down their arguments.

So loops, variables, quotes and continued lines mean what they mean in a shell.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.documentation.commands import OTHERS, SCRIPTS, program, without_uv

_STAND_IN = """#!/bin/sh
printf '%s\\0' "$#" "${0##*/}" "$@" >> "$RECORDED_COMMANDS"
"""

_BEFORE = """
cd() { :; }
pushd() { :; }
popd() { :; }
source() { :; }
.() { :; }
command_not_found_handle() { echo "$1: no command that the documentation may call" >&2; }
"""
"""Read by bash before a block: its own commands that need what the others would have made."""


@dataclass(frozen=True)
class Recording:
    """The commands of a block.

    Attributes:
        programs: Of ours, as Python takes them: ``-m`` and a module, or a script, and the options.
        faults: A sentence for each thing that no shell or reader could make sense of.
    """

    programs: list[list[str]]
    faults: list[str]


def record(code: str, folder: Path, root: Path) -> Recording:
    """Run a block among stand-ins, in a folder of its own.

    ``...`` before options stands for the program before it; at the end of a command, for options left out.
    """
    commands, complaints = _recorded(code, folder)
    found = Recording([], complaints.splitlines())
    for words in commands:
        command = without_uv(words)
        if command[:1] == ["..."]:
            if not found.programs:
                found.faults.append("'...' stands for the program before it, and there is none")
                continue
            before = found.programs[-1]
            command = ["python", *before[: 2 if before[0] == "-m" else 1], *command[1:]]
        if command[-1:] == ["..."]:
            command.pop()
        if (ours := program(command)) is not None:
            found.programs.append(ours)
        elif command and Path(command[0]).name not in OTHERS and not command[0].endswith(".py"):
            found.faults.append(f"{command[0]}: no command that the documentation may call")
        elif command[:1] == ["pytest"]:
            paths = [word.partition("::")[0] for word in command[1:] if word.startswith("tests/")]
            found.faults.extend(f"there is no {path}" for path in paths if not (root / path).exists())
    return found


def _recorded(code: str, folder: Path) -> tuple[list[list[str]], str]:
    """Each command's words, and what bash says against the block."""
    record, stand_ins, before = folder / "recorded", folder / "stand-ins", folder / "before.sh"
    bash = str(shutil.which("bash"))
    checked = subprocess.run([bash, "-n", "-c", code], capture_output=True, text=True, check=False)
    if checked.returncode:
        return [], checked.stderr
    # What a page's own steps would have made.
    for place in (stand_ins, folder / ".venv" / "bin", folder / "runs"):
        place.mkdir(parents=True, exist_ok=True)
        if place.name != "runs":
            for name in (*OTHERS, *SCRIPTS, "..."):
                (place / name).write_text(_STAND_IN)
                (place / name).chmod(0o755)
    before.write_text(_BEFORE)
    record.write_bytes(b"")
    environment = {"PATH": str(stand_ins), "BASH_ENV": str(before), "RECORDED_COMMANDS": str(record)}
    ran = subprocess.run(
        [bash, "-u", "-c", code], cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    words = record.read_bytes().decode().split("\0")[:-1]
    commands = []
    while words:
        count = 2 + int(words[0])
        commands.append(words[1:count])
        words = words[count:]
    return commands, ran.stderr

"""What a documented shell command runs: the program behind ``uv run``, launchers and variables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

ROOMS = ("seq2seq_env", "buffers", "agents", "experiments")

SCRIPTS = {"rest": "experiments.cli"}
"""Our console scripts, and the modules that do the same."""

# fmt: off
OTHERS = frozenset({
    "accelerate", "apt-get", "bash", "cat", "curl", "echo", "git", "grep", "gunzip", "gzip", "head", "hf", "ls",
    "mkdir", "mkdocs", "mypy", "nproc", "pearmut", "pip", "pytest", "python", "python3", "ray", "ruff", "sudo", "tail",
    "tar", "tensorboard", "torchrun", "uv", "wc", "zcat",
})
"""Programs of other people that the documentation may call."""

_UV_VALUES = frozenset({
    "--extra", "--group", "--only-group", "--with", "--with-editable", "--with-requirements", "--python", "-p",
    "--project", "--directory", "--env-file", "--index",
})
# fmt: on
"""Options of ``uv run`` with a value."""

_VARIABLE = re.compile(r"[A-Za-z_]\w*=")


def without_uv(words: Sequence[str]) -> list[str]:
    """The command that ``uv run``, ``env`` or ``sudo`` starts; other commands as they are."""
    rest = list(words)
    while rest:
        name = PurePosixPath(rest[0]).name
        if name == "uv" and rest[1:2] == ["run"]:
            rest = rest[2:]
            while rest and rest[0].startswith("-") and rest[0] not in ("-m", "--module"):
                ended = rest[0] == "--"
                rest = rest[2:] if rest[0] in _UV_VALUES else rest[1:]
                if ended:
                    break
            if rest and rest[0] in ("-m", "--module"):
                rest = ["python", "-m", *rest[1:]]
        elif name in ("env", "sudo"):
            rest = rest[1:]
            while rest and _VARIABLE.match(rest[0]):
                rest = rest[1:]
        else:
            return rest
    return rest


def program(words: Sequence[str]) -> list[str] | None:
    """Of a command without uv, a program of ours as Python takes it: ``-m buffers info``, or a script and its options.

    Code on the command line is ours, too. None where the command runs nothing of ours.
    """
    name = PurePosixPath(words[0]).name if words else ""
    if name in SCRIPTS:
        return ["-m", SCRIPTS[name], *words[1:]]
    if name in ("torchrun", "accelerate"):
        starts = [at for at, word in enumerate(words) if word in ("-m", "--module") or _is_script(word)]
        return program(["python", *words[starts[0] :]]) if starts else None
    if words and _is_script(words[0]):
        return list(words)
    if not name.startswith("python"):
        return None
    if len(words) > 2 and words[1] in ("-m", "--module"):
        return ["-m", *words[2:]] if words[2].partition(".")[0] in (*ROOMS, "tests") else None
    if len(words) > 2 and words[1] == "-c":
        return list(words[1:])
    return list(words[1:]) if len(words) > 1 and _is_script(words[1]) else None


def _is_script(word: str) -> bool:
    return word.endswith(".py") and word.removeprefix("./").partition("/")[0] in ROOMS

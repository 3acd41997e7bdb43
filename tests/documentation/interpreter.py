"""The fork server as a test session has it, and the environment that documentation runs in."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.documentation.client import ADDRESS
from tests.documentation.commands import SCRIPTS
from tests.documentation.messages import Reply, Request, ask

CHECKOUT = Path(__file__).parent.parent.parent

FAST, LONG = 300.0, 6 * 3600.0
"""Seconds that a block may take, ordinary or slow, on a busy machine."""


@dataclass(frozen=True)
class Outcome:
    """What came of a block or a program.

    Attributes:
        failed: Whether it is a failure.
        output: Standard output and errors together.
        out: The folder that a parsed program would fill.
    """

    failed: bool
    output: str
    out: str | None = None


class Interpreter:
    """Runs Python, programs of the checkout, and shell blocks, none of which shares state with the tests.

    Args:
        preload: Modules that programs find imported.
        root: The checkout.
    """

    def __init__(self, preload: Sequence[str] = (), root: Path = CHECKOUT) -> None:
        self.root = root
        # A socket's path has 100 characters at most, and pytest's folders have long names.
        self._place = tempfile.TemporaryDirectory(prefix="documentation-")
        place = Path(self._place.name)
        self._address, self._stand_ins, home = str(place / "server"), place / "bin", place / "home"
        home.mkdir()
        self._stand_ins.mkdir()
        for name in ("uv", "python", "python3", *SCRIPTS):
            # Without "site" it starts in a quarter of the time, and it imports nothing from there.
            text = f'#!/bin/sh\nexec "{sys.executable}" -S -m tests.documentation.client {name} "$@"\n'
            (self._stand_ins / name).write_text(text)
            (self._stand_ins / name).chmod(0o755)
        path = os.pathsep.join([str(self._stand_ins), str(Path(sys.executable).parent), os.environ["PATH"]])
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        self.environment = kept | {
            "PATH": path, "PYTHONPATH": os.pathsep.join({str(root): "", str(CHECKOUT): ""}), ADDRESS: self._address,
            "HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache"), "HF_HUB_OFFLINE": "1", "MPLBACKEND": "Agg",
        }  # fmt: skip
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.documentation.fork_server", self._address, str(root), *preload],
            cwd=CHECKOUT, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            start_new_session=True, text=True,
        )  # fmt: skip
        assert self._server.stdout is not None
        if self._server.stdout.readline() != "ready\n":
            raise RuntimeError("the fork server did not start; its errors are above")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.killpg(self._server.pid, signal.SIGKILL)
        self._server.communicate()
        self._place.cleanup()

    def connect(self) -> socket.socket:
        """A child, which ends with the connection."""
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self._address)
        return connection

    def ask(self, child: socket.socket, folder: Path, seconds: float, **request: object) -> Outcome:
        """Have a child do something in a folder; one that hangs or dies is closed."""
        asked: Request = {"directory": str(folder), "environment": self.in_folder(folder), **request}
        child.settimeout(seconds)
        with tempfile.TemporaryFile() as output, open(os.devnull) as nothing:  # noqa: PTH123
            reply: Reply | None
            try:
                reply = ask(child, asked, (nothing.fileno(), output.fileno(), output.fileno()))
            except TimeoutError:
                reply = {"status": f"not done after {seconds:.0f} s"}
                child.close()
            except ConnectionError:
                reply = None
            output.seek(0)
            printed = output.read().decode(errors="replace")
        if reply is None:
            child.close()
            return Outcome(True, f"{printed}\nthe interpreter died")
        if isinstance(reply["status"], str):
            printed += f"\n{reply['status']}"
        return Outcome(reply["status"] != 0, printed, reply.get("out"))

    def shell(self, code: str, folder: Path, seconds: float) -> Outcome:
        """Run a shell block that stops at its first error."""
        command = [str(shutil.which("bash")), "-euo", "pipefail", "-c", code]
        ran = subprocess.Popen(
            command, cwd=folder, env=self.in_folder(folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            printed, _ = ran.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(ran.pid, signal.SIGKILL)
            printed = ran.communicate()[0] + f"\nnot done after {seconds:.0f} s".encode()
        return Outcome(ran.returncode != 0, printed.decode(errors="replace") + f"\nexit code {ran.returncode}")

    def in_folder(self, folder: Path) -> dict[str, str]:
        """Variables of what runs there."""
        return self.environment | {"MINARI_DATASETS_PATH": str(folder / ".minari"), "PWD": str(folder)}

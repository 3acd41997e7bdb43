"""Stands in for ``uv`` and ``python`` in a running block: programs of ours run in a child of the fork server.

So a command costs no import of PyTorch, and ``uv run`` no environment and no network.
"""

from __future__ import annotations

import os
import socket
import sys

from tests.documentation.commands import program, without_uv
from tests.documentation.messages import ask

ADDRESS = "DOCUMENTATION_SERVER"
"""Variable of the environment that holds the server's socket."""


def main() -> None:
    """Run the command line; exit as the program did."""
    command = without_uv(sys.argv[1:])
    if command[:1] == ["uv"]:
        sys.exit(f"'{' '.join(command)}' cannot run in a test; mark the block: <!-- test: parse, REASON -->")
    arguments = program(command)
    if arguments is None or command[0] in ("torchrun", "accelerate"):
        # Behind the stand-ins, the environment's own programs.
        os.environ["PATH"] = os.environ["PATH"].partition(os.pathsep)[2]
        os.execvp(command[0], command)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ[ADDRESS])
        request = {"directory": os.getcwd(), "environment": dict(os.environ), "program": arguments}  # noqa: PTH109
        reply = ask(connection, request, (0, 1, 2))
    sys.exit("the program died" if reply is None else reply["status"])


if __name__ == "__main__":
    main()

"""What the fork server is asked and answers: lines of JSON over a Unix socket, with the asker's standard streams."""

from __future__ import annotations

import json
import socket
from typing import Any

Request = dict[str, Any]
"""``directory``, ``environment``, and ``program``, its arguments, or ``code`` of a ``page`` with the ``line`` before
it; with ``parse`` options are only parsed, and code is only compiled."""

Reply = dict[str, Any]
"""``status``, the exit code, and ``out``, the folder that a parsed program would fill."""

STREAMS = 3


def ask(connection: socket.socket, request: Request, streams: tuple[int, int, int]) -> Reply | None:
    """Send a request and wait for its reply; None where the other side is gone."""
    message = json.dumps(request).encode() + b"\n"
    sent = socket.send_fds(connection, [message], streams)
    connection.sendall(message[sent:])
    line = _rest(connection, b"")
    return json.loads(line) if line else None


def receive(connection: socket.socket) -> tuple[Request, list[int]] | None:
    """The next request and its streams; None where the other side is gone."""
    start, streams, _, _ = socket.recv_fds(connection, 1 << 16, STREAMS)
    line = _rest(connection, start) if start else b""
    return (json.loads(line), streams) if line else None


def answer(connection: socket.socket, reply: Reply) -> None:
    """Send a reply."""
    connection.sendall(json.dumps(reply).encode() + b"\n")


def _rest(connection: socket.socket, line: bytes) -> bytes:
    """The line that begins so; nothing where it never ends."""
    while not line.endswith(b"\n"):
        if not (part := connection.recv(1 << 16)):
            return b""
        line += part
    return line

"""A process that has imported what takes long, and forks a child for every connection, where documentation runs.

``python -m tests.documentation.fork_server ADDRESS ROOT [MODULE ...]`` listens at a Unix socket. A child has the state
of a fresh interpreter, without the seconds that PyTorch takes to import, and runs what its connection asks for, one
request after another: a block of a page, which sees the names of the blocks before it; a program with its arguments; or
the program's own parser alone.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import runpy
import select
import signal
import socket
import sys
import traceback
import warnings
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.documentation.commands import ROOMS
from tests.documentation.imports import missing_imports
from tests.documentation.messages import Reply, Request, answer, receive


class _Parsed(BaseException):
    """Ends a program whose options are parsed; no ``except Exception`` of it may keep that."""

    def __init__(self, config: Any) -> None:
        self.config = config


def main() -> None:
    """Serve until the process that started this one is gone."""
    address, root, *modules = sys.argv[1:]
    sys.path.insert(0, root)
    gc.disable()
    for name in modules:
        importlib.import_module(name)
    gc.freeze()  # a child that looked for garbage among what is imported would copy its memory
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children end by themselves
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                os.killpg(0, signal.SIGKILL)  # with whatever still runs
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _serve(connection)
            connection.close()


def _serve(connection: socket.socket) -> None:
    """The child's life."""
    gc.enable()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _strict_warnings()
    names = ModuleType("__main__")
    sys.modules["__main__"] = names
    while (request := _receive(connection)) is not None:
        reply: Reply = {"status": 1}
        try:
            reply = {"out": _do(request, names), "status": 0}
        except SystemExit as end:
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
            reply = {"status": end.code if isinstance(end.code, int) else int(end.code is not None)}
        except BaseException:
            traceback.print_exc()
        if "program" in request and not request.get("parse"):
            atexit._run_exitfuncs()  # such as h5py's, which closes files
        sys.stdout.flush()
        sys.stderr.flush()
        answer(connection, reply)
    os._exit(0)


def _receive(connection: socket.socket) -> Request | None:
    """The next request, in its folder, environment and streams."""
    if (received := receive(connection)) is None:
        return None
    request, streams = received
    for stream, descriptor in enumerate(streams):
        os.dup2(descriptor, stream)
        os.close(descriptor)
    # As a new process has them: the server's own remember what its descriptors could do.
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # as long as the process
    sys.stderr = open(2, "w", encoding="utf-8", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    return request


def _do(request: Request, names: ModuleType) -> str | None:
    """What a request asks for; the folder that a parsed program would fill, where it has one."""
    parse = request.get("parse", False)
    if "program" in request:
        if parse:
            return _parse(request["program"])
        _run(request["program"])
    elif parse:
        _check_imports(request["code"])
    else:
        # Empty lines before it have a traceback show the page's own.
        code = "\n" * request["line"] + request["code"]
        exec(compile(code, request["page"], "exec", dont_inherit=True), vars(names))
    return None


def _run(arguments: list[str]) -> None:
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    elif arguments[0] == "-c":
        sys.argv = ["-c", *arguments[2:]]
        exec(arguments[1], {"__name__": "__main__"})
    else:
        sys.argv = arguments
        sys.path.insert(0, str(Path(arguments[0]).resolve().parent))
        runpy.run_path(arguments[0], run_name="__main__")


def _parse(arguments: list[str]) -> str | None:
    """Run a program until ``tyro.cli`` has its options; they must also pass their own ``check``, where they have one.

    Of code on the command line, look at the imports.

    Raises:
        ImportError: If they are missing.
        ValueError: If ``check`` refuses them, or the program ended without parsing any.
        SystemExit: If tyro refuses them.
    """
    if arguments[0] == "-c":
        _check_imports(arguments[1])
        return None
    import tyro

    genuine: Any = tyro.cli

    def only_parse(*given: Any, **options: Any) -> None:
        raise _Parsed(genuine(*given, **options))

    tyro.cli = only_parse  # type: ignore[assignment]
    try:
        _run(arguments)
    except _Parsed as parsed:
        if check := getattr(parsed.config, "check", None):
            with suppress(FileNotFoundError):  # a folder that an earlier block of the page makes
                check()
        out = getattr(parsed.config, "out", None)
        return None if out is None else str(out)
    finally:
        tyro.cli = genuine
    raise ValueError(f"{' '.join(arguments[:2])} ended without parsing its options by tyro.cli")


def _check_imports(code: str) -> None:
    if missing := missing_imports(code):
        raise ImportError("; ".join(missing))


def _strict_warnings() -> None:
    """Warnings of our code and of the blocks are errors, as in the other tests; others' stay warnings."""
    warnings.filterwarnings("error", module=rf"(__main__|{'|'.join(ROOMS)})(\.|$)")
    # A program may be among what was imported.
    warnings.filterwarnings("ignore", "'.*' found in sys.modules", RuntimeWarning, "runpy")


if __name__ == "__main__":
    main()

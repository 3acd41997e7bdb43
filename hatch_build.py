"""Build hook of hatchling: an installation on a system that cannot run the package ends in one sentence."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PosixOnly(BuildHookInterface):
    """Refuses to build where there are no POSIX file locks; at an import :mod:`buffers.storage.container` does."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before a wheel, an editable one too, is built."""
        if find_spec("fcntl") is None:
            sys.exit("seq2seq-env needs a POSIX system (Linux, macOS); on Windows use its Linux subsystem, WSL")

"""What a machine is called, and where the user's cache is on it."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def device_name(device: torch.device) -> str:
    """A device's make, as far as the system tells."""
    import torch

    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    if device.type != "cpu":
        return device.type
    named = platform.processor() or platform.machine()
    known = Path("/proc/cpuinfo")
    if known.is_file():
        models = [
            line.partition(":")[2].strip() for line in known.read_text("utf-8").splitlines() if "model name" in line
        ]
        named = models[0] if models else named
    return f"{named} {torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads"


def cache_folder() -> Path:
    """The package's own in the user's cache; it may not be there yet."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "seq2seq-env"

"""Shards with other contents."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]

from tests.fault_injection.shard_originals import HEADER, with_header


def rewrite(path: Path, edit: Callable[[Any], None]) -> None:
    """Change a shard's contents, under a header that vouches for them."""
    body = io.BytesIO(path.read_bytes())
    with h5py.File(body, "r+", libver=("v110", "v110")) as file:
        edit(file)
    path.write_bytes(with_header(body.getvalue()[HEADER:]))

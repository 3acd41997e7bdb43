"""Whether what a block imports of this package is there."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator

from tests.documentation.commands import ROOMS


def missing_imports(code: str) -> list[str]:
    """A phrase for each module and name of ours that code imports and that does not exist."""
    missing = []
    for module, name in _imports(code):
        if module.partition(".")[0] not in ROOMS:
            continue
        try:
            found = importlib.import_module(module)
        except ImportError as error:
            missing.append(f"no module {module!r} ({error})")
            continue
        if name and not hasattr(found, name) and not _is_module(f"{module}.{name}"):
            missing.append(f"module {module!r} has no {name!r}")
    return missing


def _imports(code: str) -> Iterator[tuple[str, str | None]]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


def _is_module(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True

"""Extras of the distribution: the optional libraries of each, imported where they are needed."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

EXTRAS = {
    "ct2": ("ctranslate2",),
    "d3rlpy": ("d3rlpy",),
    "interop": ("datasets", "minari", "pyarrow"),
    "langid": ("py3langid",),
    "lora": ("peft",),
    "ray": ("ray",),
    "report": ("matplotlib", "tensorboard"),
    "sentencepiece": ("sentencepiece", "google.protobuf"),
}
"""Name of an extra to the modules it brings."""


def require(module: str, needed_by: str) -> Any:
    """A module of an extra.

    Args:
        module: Dotted name of one of :data:`EXTRAS`' modules, or of something in it.
        needed_by: What cannot do without, the subject of the error's sentence.

    Raises:
        ImportError: If it cannot be imported, naming the extra to install.
    """
    try:
        return import_module(module)
    except ImportError as error:
        (extra,) = [name for name, modules in EXTRAS.items() if _brings(modules, module)]
        raise ImportError(_sentence(needed_by, module, f"cannot be imported ({error})", extra)) from error


def check_extra(extra: str, needed_by: str) -> None:
    """Refuse work that would end for want of an extra; nothing is imported to find out.

    Raises:
        ImportError: If one of its modules is not installed, naming the extra to install.
    """
    for module in missing(extra):
        raise ImportError(_sentence(needed_by, module, "is not installed", extra))


def missing(extra: str) -> list[str]:
    """The modules of an extra that are not installed; nothing is imported to find out."""
    return [module for module in EXTRAS[extra] if not is_installed(module)]


def is_installed(module: str) -> bool:
    """Whether a module is there to import."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # what it lies in is missing
        return False


def _brings(modules: tuple[str, ...], module: str) -> bool:
    return any(module == known or module.startswith(f"{known}.") for known in modules)


def _sentence(needed_by: str, module: str, trouble: str, extra: str) -> str:
    return (
        f"{needed_by} needs {module}, which {trouble}; install the extra, in a clone: uv sync --extra {extra}, or "
        f'pip install ".[{extra}]"'
    )

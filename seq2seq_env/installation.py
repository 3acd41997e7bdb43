"""Checks of an installation: whose packages stand under our names, and which libraries are of versions not tested."""

from __future__ import annotations

import warnings
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

DISTRIBUTION = "seq2seq-env"
"""Name of the distribution; each of its packages says it in the docstring of its ``__init__.py``."""

PACKAGES = ("agents", "buffers", "experiments")
"""Top-level names that other distributions and users' own folders have, too."""

_ROOT = Path(__file__).parent.parent


def check_packages(*names: str) -> None:
    """Refuse to go on with a package that only has the name of one of ours; none is imported to find out.

    Args:
        names: Of packages that the caller needs.

    Raises:
        ImportError: If one is missing, or another's is found first, saying whose it is.
    """
    for name in names:
        file = _file_of(name)
        if file is None:
            raise ImportError(f"{DISTRIBUTION}'s package {name!r} is not there; install {DISTRIBUTION} again")
        if not _is_ours(file):
            remedy = (
                f"install {DISTRIBUTION} in an environment without {_owner(name)}"
                if file.parent.parent == _ROOT
                else "start Python from another folder, or rename that one"
            )
            raise ImportError(f"{str(file)!r} is found where {DISTRIBUTION}'s package {name!r} should be; {remedy}")


def warn_of_overwritten_packages() -> None:
    """Tell of a distribution that wrote its files over ours, which no installer notices.

    Warns:
        RuntimeWarning: One for each package.
    """
    for name in PACKAGES:
        file = _file_of(name)
        if file is not None and file.parent.parent == _ROOT and not _is_ours(file):
            warnings.warn(
                f"{_owner(name)} wrote its package {name!r} over {DISTRIBUTION}'s, in {str(_ROOT)!r}; install them in "
                "two environments",
                RuntimeWarning,
                stacklevel=3,
            )


def warn_of_untested_versions() -> None:
    """Tell of installed libraries whose versions are outside what the distribution asks for.

    Warns:
        RuntimeWarning: One for each library, naming both versions.
    """
    try:
        wanted = [Requirement(line) for line in requires(DISTRIBUTION) or ()]
        own = version(DISTRIBUTION)
    except PackageNotFoundError:  # run from its source
        return
    for requirement in wanted:
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:  # an extra that is not there
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            warnings.warn(
                f"{requirement.name} {installed} is installed, and {DISTRIBUTION} {own} was tested with "
                f"{requirement.name} {requirement.specifier}; install one of those versions",
                RuntimeWarning,
                stacklevel=3,
            )


def _file_of(name: str) -> Path | None:
    """The ``__init__.py`` that importing a package would run; None where there is none."""
    spec = find_spec(name)
    return None if spec is None or spec.origin is None else Path(spec.origin)


def _is_ours(file: Path) -> bool:
    return DISTRIBUTION in file.read_text("utf-8", errors="replace")


def _owner(name: str) -> str:
    """The other distribution that brings a package of a name."""
    others = sorted({*packages_distributions().get(name, ())} - {DISTRIBUTION})
    return " and ".join(others) or "another distribution"

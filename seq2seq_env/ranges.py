"""Refusing an option's value in one sentence that names it and what would do."""

from __future__ import annotations

import math


def above_zero(config: object, *names: str) -> None:
    """Check that attributes are finite numbers above 0.

    Raises:
        ValueError: If one is not.
    """
    for name in names:
        if not 0 < getattr(config, name) < math.inf:
            raise ValueError(f"{name} is {getattr(config, name)}; give a number above 0")


def zero_or_more(config: object, *names: str) -> None:
    """Check that attributes are finite numbers of at least 0.

    Raises:
        ValueError: If one is not.
    """
    for name in names:
        if not 0 <= getattr(config, name) < math.inf:
            raise ValueError(f"{name} is {getattr(config, name)}; give 0 or more")

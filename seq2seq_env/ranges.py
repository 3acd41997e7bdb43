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


def check_seed(seed: int) -> None:
    """Check that a run's seed leaves room in 64 bits for those that are made of it, and in 32 for NumPy's and others'.

    Raises:
        ValueError: If it is below 0 or too large.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed is {seed}; give 0 to {2**32 - 1}")

"""Typed options: text from a command line as the types that a class or function declares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from inspect import signature
from typing import Any, get_args

from seq2seq_env.suggestions import suggestion

_TRUTH = {"yes": True, "no": False}


def typed_options(
    make: Callable[..., Any], options: Mapping[str, Any], known: Iterable[str], what: str
) -> dict[str, Any]:
    """The options with text turned into numbers, and yes and no into truth, where ``make`` declares such a type.

    Args:
        make: A class or a function, whose parameters declare the types.
        options: Names and values; what is no text stays as it is.
        known: Names that may be given, all of them parameters of ``make``.
        what: Whose options they are, for the error.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If a text is no number, or neither yes nor no, where one is wanted.
    """
    names = list(known)
    for option in options:
        if option not in names:
            raise TypeError(f"{what} has no option {option!r}; it has {', '.join(names)}{suggestion(option, names)}")
    declared = signature(make, eval_str=True).parameters
    return {option: _typed(option, value, declared[option].annotation) for option, value in options.items()}


def _typed(option: str, value: Any, kind: Any) -> Any:
    wanted = next((each for each in (bool, int, float) if each in (kind, *get_args(kind))), None)
    if wanted is None or not isinstance(value, str):
        return value
    if wanted is bool:
        if value not in _TRUTH:
            raise ValueError(f"{option} is {value!r}; give yes or no")
        return _TRUTH[value]
    try:
        return wanted(value)
    except ValueError as error:
        what = "whole number" if wanted is int else "number"
        raise ValueError(f"{option} is {value!r}; give a {what}") from error

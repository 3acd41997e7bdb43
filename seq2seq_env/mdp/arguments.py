"""Arguments of an environment that it does not have, or of a wrong type: one sentence in place of Python's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from inspect import Parameter, signature
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

from seq2seq_env.constraint import Constraint
from seq2seq_env.suggestions import suggestion
from seq2seq_env.tasks.task import Task


def refuse_unknown(unknown: Collection[str], make: Callable[..., Any], what: str) -> None:
    """Refuse names that are no arguments.

    Args:
        unknown: What was given beside the arguments.
        make: The class or function that has the arguments.
        what: Whose arguments they are, for the error.

    Raises:
        TypeError: If there is one, naming the argument that may have been meant, or all of them.
    """
    if not unknown:
        return
    name = next(iter(unknown))
    kinds = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    known = [each.name for each in signature(make).parameters.values() if each.kind in kinds]
    remedy = suggestion(name, known) or f"; choose from {', '.join(known)}"
    # TorchRL tries arguments of old environments, and reads Python's own words to learn that one is not there.
    raise TypeError(f"{what} has no argument {name!r}{remedy} (unexpected keyword argument {name!r})")


def check_types(arguments: Mapping[str, Any]) -> None:
    """Refuse arguments of a wrong type, before an episode fails at its end.

    Args:
        arguments: By name, some of the environment's.

    Raises:
        TypeError: If one has a wrong type, naming it with its value.
    """
    for name, value in arguments.items():
        is_right, wanted = _TYPES[name]
        if not is_right(value):
            raise TypeError(f"{name} is {value!r}; give {wanted}")
    for name, scorer in (arguments["info_scorers"] or {}).items():
        if not _is_scorer(scorer):
            raise TypeError(f"info_scorers has {scorer!r} as {name!r}; give a Scorer, or a name or folder for it")


def _is_scorer(value: Any) -> bool:
    # Not by isinstance of the protocol, which reads the fingerprint: of some scorers only a task tells it.
    return isinstance(value, (str, Path)) or (not isinstance(value, type) and callable(getattr(value, "score", None)))


def _is_number(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


_TYPES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "task": (lambda value: isinstance(value, (str, Task)), "a name for load_task, or a Task"),
    "scorer": (
        lambda value: value is None or _is_scorer(value),
        "a Scorer, or a name or folder for it, or None for the task's own",
    ),
    "max_target_length": (
        lambda value: value is None or _is_number(value, Integral),
        "a whole number of tokens, or None for the task's own limit",
    ),
    "constraint": (
        lambda value: value is None or isinstance(value, Constraint),
        "a Constraint, which Constraint.from_text makes of texts, or None",
    ),
    "limit_terminates": (lambda value: isinstance(value, (bool, np.bool_)), "True or False"),
    "masked_action_penalty": (
        lambda value: value is None or _is_number(value, Real),
        "what a masked token costs as a number, or None to raise",
    ),
    "info_scorers": (
        lambda value: value is None or isinstance(value, Mapping), "a mapping from names to scorers, or None",
    ),
    "potential": (lambda value: value is None or callable(value), "a function of stacked observations, or None"),
}  # fmt: skip
"""Of each argument, whether a value has its type, and what to give."""

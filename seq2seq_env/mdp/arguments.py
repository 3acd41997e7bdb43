"""Arguments of an environment that it does not have: one sentence in place of Python's."""

from __future__ import annotations

from collections.abc import Callable, Collection
from inspect import Parameter, signature
from typing import Any

from seq2seq_env.suggestions import suggestion


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

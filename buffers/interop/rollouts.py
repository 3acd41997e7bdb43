"""Rollouts of other trainers: one prompt and one completion each, and what their files say beside."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buffers.interop.json_lines import corrupt_line, numbered_lines


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """One prompt and one completion.

    Attributes:
        place: File and line or row, for messages.
        prompt: Text that was put to the policy; None where a row and token ids name the source.
        completion: Text that it wrote; None where token ids alone say it.
        reward: On the scale of the file; None where nobody scored.
        token_ids: Of the completion as the file's own tokenizer has them; None where it says none.
        log_probs: Natural logarithm of each one's probability; None where it says none.
        truncated: Whether a length limit cut the completion; None where it does not say.
        temperature: That was sampled at; None where it does not say.
        source_row: Row of the source in the task, where the file was exported from a buffer.
        source_ids: Token ids of the source, likewise.
        is_reference: Whether it is an original pair, likewise.
    """

    place: str
    prompt: str | None
    completion: str | None
    reward: float | None
    token_ids: Sequence[int] | None = None
    log_probs: Sequence[float] | None = None
    truncated: bool | None = None
    temperature: float | None = None
    source_row: int | None = None
    source_ids: Sequence[int] | None = None
    is_reference: bool = False


def objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number of each line of a file of JSON Lines, from 1, and its object; blank lines are left out.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If a line is no object, naming file and line.
    """
    for number, line in numbered_lines(path):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise corrupt_line(path, number, str(error)) from error
        if not isinstance(record, dict):
            raise corrupt_line(path, number, f"it holds a {type(record).__name__}, not an object")
        yield number, record


def reward_of(record: Mapping[str, Any], names: Sequence[str] | None) -> float | None:
    """The sum of the rewards of these names, or of that called ``reward`` where there are none; None asks for none.

    Returns:
        None where one is missing, null or NaN: nobody scored.

    Raises:
        TypeError: If one is no number.
        ValueError: If one, or the sum, is none that a float can hold.
    """
    if names is None:
        return None
    values = {name: record.get(name) for name in names or ("reward",)}
    for name, value in values.items():
        if not isinstance(value, bool | int | float | None):
            raise TypeError(f"its {name!r} is a {type(value).__name__}, not a number")
    try:
        total = math.fsum(math.nan if value is None else float(value) for value in values.values())
    except OverflowError as error:
        raise ValueError(f"its {' + '.join(map(repr, values))} is beyond {sys.float_info.max:.3g}") from error
    return None if math.isnan(total) else total


def numbers(record: Mapping[str, Any], name: str, *kinds: type) -> list[Any] | None:
    """A list of numbers that a record may have; None where it has none.

    Raises:
        TypeError: If it is anything else.
        ValueError: If one of them is none that a float can hold, and floats are asked for.
    """
    values = record.get(name)
    if values is None:
        return None
    if not isinstance(values, list) or not all(type(value) in kinds for value in values):
        raise TypeError(f"its {name!r} is no list of numbers")
    return [real(value, name) for value in values] if float in kinds else values


def real(value: float, name: str) -> float:
    """A number of JSON, which may be an integer of any size, as a float.

    Raises:
        ValueError: If a float cannot hold it.
    """
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(f"its {name!r} is beyond {sys.float_info.max:.3g}") from error


def optional(record: Mapping[str, Any], name: str, *kinds: type) -> Any:
    """A value of some kinds that a record may have; None where it has none.

    Raises:
        TypeError: If it is anything else.
    """
    value = record.get(name)
    if value is not None and type(value) not in kinds:  # not isinstance, by which true is an int
        raise TypeError(f"its {name!r} is a {type(value).__name__}, not a {kinds[0].__name__}")
    return value


def mapping(value: object, name: str) -> Mapping[str, Any]:
    """A value that has to be a JSON object.

    Raises:
        TypeError: If it is none.
    """
    if not isinstance(value, dict):
        raise TypeError(f"its {name!r} is {'missing' if value is None else f'a {type(value).__name__}, not an object'}")
    return value

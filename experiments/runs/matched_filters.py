"""Filters that keep as many target tokens as others do, so that a comparison is of what they keep, not of how much."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from buffers import Filter, Slice
from buffers.filters import make_filter
from seq2seq_env.suggestions import check_name

LIMITS = {"threshold": 1.0, "percentile": 100.0, "interpolation": 1.0}
"""Kinds of filters that can be matched, with the value that theirs is below."""

HALVINGS = 24
"""Of the interval that holds the value."""


def check_matched(kinds: Sequence[str]) -> None:
    """Refuse kinds of filters that have no value between others.

    Raises:
        ValueError: Naming the one.
    """
    for kind in kinds:
        check_name("matched filter", kind, LIMITS)


def matched(kind: str, batch: Slice, filters: Sequence[Filter], counted: Callable[[Slice], Slice]) -> list[Filter]:
    """For each filter, the one of another kind that keeps most nearly as many target tokens of the batch.

    A filter within a source keeps whole candidates of it, so that its tokens change in steps.

    Args:
        kind: One of :data:`LIMITS`.
        batch: What is filtered.
        filters: To match.
        counted: What is trained on of what a filter keeps.
    """

    def tokens(chosen: Filter) -> int:
        return counted(batch.select(chosen)).num_tokens

    results = []
    for each in filters:
        wanted, low, high = tokens(each), 0.0, LIMITS[kind]
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if tokens(make_filter(kind, middle)) > wanted else (low, middle)
        # The upper end was never tried where all but it keep too much.
        ends = [make_filter(kind, value) for value in (low, high) if value < LIMITS[kind]]
        results.append(min(ends, key=lambda end: abs(tokens(end) - wanted)))
    return results

"""Which rows share a network's forward pass, when nothing is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def tokens_of_a_pass(given: int | None, device: str) -> int:
    """``tokens_per_batch``; None is 2,048 on a CPU, whose caches hold them, and 16,384 on a GPU.

    Raises:
        ValueError: If it is below 1.
    """
    tokens = (2_048 if device == "cpu" else 16_384) if given is None else given
    if tokens < 1:
        raise ValueError(f"tokens_per_batch is {tokens}; a forward pass needs at least 1")
    return tokens


def by_length(lengths: Sequence[int], tokens_per_batch: int, *, mixed: bool) -> Iterator[list[int]]:
    """Rows that share a forward pass, by rising length.

    Args:
        lengths: Tokens of each row.
        tokens_per_batch: Of a pass at most, unless a single row is longer.
        mixed: Whether rows of several lengths may share one.
    """
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        full = (len(batch) + 1) * lengths[row] > tokens_per_batch
        other = not mixed and batch and lengths[batch[-1]] != lengths[row]
        if batch and (full or other):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch

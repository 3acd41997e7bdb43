"""Length bucketing: rows of like length share a forward pass, up to a token budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def token_budget(tokens_per_batch: int | None, device: str) -> int:
    """Tokens of a forward pass; None is 2,048 on a CPU, whose caches hold them, and 16,384 on a GPU.

    Raises:
        ValueError: If it is below 1.
    """
    tokens = (2_048 if device == "cpu" else 16_384) if tokens_per_batch is None else tokens_per_batch
    if tokens < 1:
        raise ValueError(f"tokens_per_batch is {tokens}; a forward pass needs at least 1")
    return tokens


def length_buckets(lengths: Sequence[int], budget: int, *, mixed: bool) -> Iterator[list[int]]:
    """Rows that share a forward pass, by rising length.

    Args:
        lengths: Tokens of each row.
        budget: Tokens of a forward pass at most, padding counted, unless a single row is longer.
        mixed: Whether rows of several lengths may share one; else nothing is padded.
    """
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        full = (len(batch) + 1) * lengths[row] > budget
        other = not mixed and batch and lengths[batch[-1]] != lengths[row]
        if batch and (full or other):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch

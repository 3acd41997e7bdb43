"""Hold-out splits: validation and test splits out of one file of pairs."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from seq2seq_env.tasks.corpora.cleaning import Cleaning, Pair, Reason, bare, clean, composed, empty, repeated


class HeldOut(NamedTuple):
    """Three splits of one file's pairs."""

    pairs: dict[str, list[Pair]]
    """Of each split."""
    left_out: dict[str, Counter[Reason]]
    """Pairs of validation and test that are in none, by the reason."""


def hold_out(pairs: Sequence[Pair], sources: int) -> HeldOut:
    """Take some sources out of the training pairs, by a hash of their text: the others' number or order is no matter.

    A pair that is there again is measured once: else one that is there a hundred times would decide a score.

    Args:
        pairs: All there are.
        sources: In the validation split, and in the test split, with all of their pairs.

    Raises:
        ValueError: If fewer would be left to train on than are taken out.
    """
    usable, _ = clean(pairs, empty)
    texts = sorted({bare(source) for source, _ in usable}, key=lambda text: hashlib.sha256(text.encode()).digest())
    if sources < 0 or 4 * sources > len(texts):
        raise ValueError(
            f"held_out is {sources:,}, for each of two splits; give 0 to {len(texts) // 4:,}, a quarter of the sources"
        )
    taken = dict.fromkeys(texts[:sources], "validation") | dict.fromkeys(texts[sources : 2 * sources], "test")
    splits: dict[str, list[Pair]] = {"train": [], "validation": [], "test": []}
    left_out: dict[str, Counter[Reason]] = {name: Counter() for name in ("validation", "test")}
    came_before = repeated()
    for pair in pairs:
        name = taken.get(bare(pair[0]), "train")
        # Empty ones are counted as such, and those of the training split as repeated, by the task.
        if name in left_out and not empty(pair) and (reason := came_before(tuple(map(composed, pair)))):
            left_out[name][reason] += 1
        else:
            splits[name].append(pair)
    return HeldOut(splits, left_out)


def with_left_out(
    cleaning: Mapping[str, Cleaning], left_out: Mapping[str, Mapping[Reason, int]]
) -> dict[str, Cleaning]:
    """What became of each split's pairs, those included that :func:`hold_out` left out."""
    counted = dict(cleaning)
    for name, more in left_out.items():
        each = cleaning[name]
        dropped = dict(Counter(each.dropped) + Counter(more))
        counted[name] = replace(each, read=each.read + sum(more.values()), dropped=dropped)
    return counted

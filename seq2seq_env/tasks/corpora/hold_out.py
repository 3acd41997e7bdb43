"""Hold-out splits: validation and test splits out of one file of pairs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from seq2seq_env.tasks.corpora.cleaning import Pair, bare, clean, empty


def hold_out(pairs: Sequence[Pair], sources: int) -> dict[str, list[Pair]]:
    """Take some sources out of the training pairs, by a hash of their text: the others' number or order is no matter.

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
    for pair in pairs:
        splits[taken.get(bare(pair[0]), "train")].append(pair)
    return splits

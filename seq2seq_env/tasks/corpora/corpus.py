"""Corpus task, the base of tasks made of a user's pairs: cleaning, a tokenizer, lengths, a fingerprint."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any, Literal, get_args

from seq2seq_env.tasks.corpora.cleaning import (
    Cleaning,
    Pair,
    bare,
    clean,
    composed,
    empty,
    first_reason,
    repeated,
    shared_sources,
    uneven,
    usual_ratio,
)
from seq2seq_env.tasks.corpora.sides import Sides, check_source_only, check_split, check_unequal
from seq2seq_env.tasks.task import SOURCE_ONLY, SPLITS, Split, Task, unknown_split
from seq2seq_env.tokenization.subwords import train_subwords
from seq2seq_env.tokenization.tokenizer_choice import TokenizerChoice, check_room
from seq2seq_env.writing import shortened

Leaks = Literal["refuse", "drop"]
"""What becomes of pairs, and of source-only sentences, whose source is in a split that measures them."""

MEASURED_BY = {"train": ("validation", "test"), "validation": ("test",), "test": ()}
"""Of each split, those that measure what it makes, weights or their choice, and so may share no source with it."""


class CorpusTask(Task):
    """Sentences as they were found, with a tokenizer trained on them.

    All texts are read in Unicode's composed form (NFC), in which tokenizers write: references in another would match
    no accent of a translation.

    Training pairs are cleaned: empty, very uneven, repeated and over-long ones are left out. Of the other splits only
    what cannot be translated at all is left out, empty and over-long pairs, with a warning. Of sentences without
    references those are left out that are empty, repeated, over-long, or a training pair's source, which has a
    reference. ``cleaning`` says how many.

    Args:
        made_by: Makes the task again, for a pickle, which takes no sentences along.
        pairs: Of each split.
        source_only: Sentences without references; None where the task has none.
        tokenizer: Which tokenizer to use; one that names none has one trained on the training split.
        vocab_size: Tokens of a trained tokenizer at most.
        max_tokens: Tokens of a source, and of a target, at most, end-of-sequence included.
        max_ratio: Length of a training pair's longer side to that of its shorter one, at most: in characters, those of
            a source counted as the corpus's median pair has them, so that it fits any two scripts.
        leaks: Training pairs and source-only sentences whose source is in the validation or test split, too, and
            validation pairs whose source is in the test split, are refused, or left out and counted.

    Attributes:
        cleaning: Of each split, what was left out.

    Raises:
        OSError: If the tokenizer is missing or cannot be had.
        ValueError: If nothing is left of a split, training sources or source-only sentences are in another split, a
            split's sides are swapped or mostly the same or its sentences in another language than the training pairs',
            or an option is out of range.
    """

    default_scorer = None

    def __init__(
        self,
        made_by: Callable[[], CorpusTask],
        pairs: Mapping[str, list[Pair]],
        source_only: list[str] | None = None,
        *,
        tokenizer: TokenizerChoice,
        vocab_size: int,
        max_tokens: int,
        max_ratio: float,
        leaks: Leaks,
    ) -> None:
        if max_tokens < 2:
            raise ValueError(f"max_tokens is {max_tokens}; give 2 or more, end-of-sequence is one of them")
        if not max_ratio >= 1:
            raise ValueError(f"max_ratio is {max_ratio}; give 1 or more")
        if leaks not in get_args(Leaks):
            raise ValueError(f"there is no leaks {leaks!r}; choose one of {', '.join(get_args(Leaks))}")
        self._made_by = made_by
        texts = [*(text for rows in pairs.values() for pair in rows for text in pair), *(source_only or ())]
        self._recomposed = sum(composed(text) != text for text in texts)
        pairs = {name: [(composed(one), composed(other)) for one, other in rows] for name, rows in pairs.items()}
        source_only = source_only and [composed(text) for text in source_only]
        self.max_source_length = self.max_target_length = max_tokens
        written, _ = clean(pairs["train"], empty)
        seen = {name: _seen(name, pairs, leaks) for name in MEASURED_BY}
        usable = first_reason(empty, uneven(max_ratio, usual_ratio(written)), seen["train"], repeated())
        train, in_train = clean(pairs["train"], usable)
        self.tokenizer = (
            train_subwords(chain.from_iterable(train), vocab_size) if tokenizer.name is None else tokenizer.load()
        )
        check_room(self.tokenizer, max_tokens)
        self.cleaning: dict[str, Cleaning] = {}
        self._splits: dict[str, Split] = {}
        for name in SPLITS:
            rows = train if name == "train" else pairs[name]
            kept, fitting = clean(rows, first_reason(empty, seen[name], self._too_long(rows)))
            dropped = (in_train.dropped if name == "train" else {}) | fitting.dropped
            self.cleaning[name] = Cleaning(len(pairs[name]), len(kept), dropped)
            if not kept:
                raise ValueError(f"nothing is left of the {name} split: {self.cleaning[name]}")
            if name != "train" and dropped:
                warnings.warn(f"{name} split: {self.cleaning[name]}; they are not measured", stacklevel=3)
            self._splits[name] = Split(name, [one for one, _ in kept], [other for _, other in kept])
        check_unequal("train", train)
        sides = Sides(train)
        for name in SPLITS[1:]:
            for doubt in check_split(name, pairs[name], sides):
                warnings.warn(doubt, stacklevel=3)
            check_unequal(name, pairs[name])
        if source_only is not None:
            self._add_source_only(source_only, pairs, leaks, sides)
        self.fingerprint = self._digest()

    def __reduce__(self) -> tuple[Callable[..., CorpusTask], tuple[Any, ...]]:
        return _restored, (self._made_by, self.fingerprint)

    def split(self, name: str) -> Split:
        """See :meth:`Task.split`."""
        if name not in self._splits:
            raise unknown_split(name, self.splits)
        return self._splits[name]

    @property
    def has_source_only(self) -> bool:
        """Whether there are sentences without references."""
        return SOURCE_ONLY in self._splits

    @property
    def notes(self) -> list[str]:
        """What is left of each split, and how many texts were in another form of Unicode."""
        notes = [f"{name} split: {cleaning}" for name, cleaning in self.cleaning.items()]
        if self._recomposed:
            notes.append(f"{self._recomposed:,} texts are not in Unicode's composed form; they are read in it (NFC)")
        return notes

    def _add_source_only(
        self, sentences: list[str], pairs: Mapping[str, list[Pair]], leaks: Leaks, sides: Sides
    ) -> None:
        measured = {bare(source) for source, _ in chain(pairs["validation"], pairs["test"])}
        leaked = {text for text in sentences if bare(text) and bare(text) in measured}
        if leaked and leaks == "refuse":
            raise _leak("source-only sentences", "validation or test", leaked)
        paired = set(map(bare, self._splits["train"].sources))
        texts = list(dict.fromkeys(sentences))
        encoded = self.tokenizer.encode(texts)
        unknown = sum(row.count(self.tokenizer.unk_id) for row in encoded) / max(1, sum(map(len, encoded)))
        if doubt := check_source_only(texts, unknown, sides):
            warnings.warn(doubt, stacklevel=4)
        too_long = {text for text, row in zip(texts, encoded, strict=True) if len(row) > self.max_source_length}
        kept, self.cleaning[SOURCE_ONLY] = clean(
            sentences,
            first_reason(
                lambda text: None if bare(text) else "that are empty",
                lambda text: "that are in another split" if text in leaked else None,
                lambda text: "that have a reference in the train split" if bare(text) in paired else None,
                repeated(),
                lambda text: f"of more than {self.max_source_length} tokens" if text in too_long else None,
            ),
            "sentences",
        )
        if not kept:
            raise ValueError(
                f"nothing is left of the {SOURCE_ONLY} split: {self.cleaning[SOURCE_ONLY]}; give other sentences, or "
                "none at all"
            )
        self._splits[SOURCE_ONLY] = Split(SOURCE_ONLY, kept, [])

    def _too_long(self, pairs: list[Pair]) -> Callable[[Pair], str | None]:
        sources, targets = (list(dict.fromkeys(texts)) for texts in ([one for one, _ in pairs], [t for _, t in pairs]))
        read = dict(zip(sources, map(len, self.tokenizer.encode(sources)), strict=True))
        written = dict(zip(targets, map(len, self.tokenizer.encode_targets(targets)), strict=True))
        most = self.max_source_length
        return lambda pair: f"of more than {most} tokens" if max(read[pair[0]], written[pair[1]]) > most else None

    def _digest(self) -> str:
        digest = hashlib.sha256(f"{self.name} {self.tokenizer.fingerprint} {self.max_source_length}".encode())
        for name, split in self._splits.items():
            for text in chain([name], split.sources, split.references):
                digest.update(text.encode() + b"\0")
        return digest.hexdigest()


def _seen(split: str, pairs: Mapping[str, list[Pair]], leaks: Leaks) -> Callable[[Pair], str | None]:
    """A test for pairs of a split whose source is in one that measures what it makes.

    Raises:
        ValueError: If there are some, and they are to be refused.
    """
    others = MEASURED_BY[split]
    leaked = set(shared_sources(clean(pairs[split], empty)[0], chain.from_iterable(pairs[name] for name in others)))
    if leaked and leaks == "refuse":
        raise _leak(f"{'training' if split == 'train' else split} sources", " or ".join(others), (s for s, _ in leaked))
    return lambda pair: "whose source is in another split" if pair in leaked else None


def _leak(what: str, where: str, sources: Iterable[str]) -> ValueError:
    shared = sorted(set(sources))
    return ValueError(
        f"{len(shared):,} {what} are in the {where} split too, such as {shortened(shared[0])}; take them out, or leave "
        "them out with leaks='drop'"
    )


def _restored(made_by: Callable[[], CorpusTask], fingerprint: str) -> CorpusTask:
    task = made_by()
    if task.fingerprint != fingerprint:
        raise ValueError(
            f"the texts of task {task.name!r} have changed since it was pickled ({fingerprint[:12]}, now "
            f"{task.fingerprint[:12]}); load it again"
        )
    return task

"""Lexical scorer: how far the words of both sides explain each other, by counts over a task's own pairs.

No network, and no label: another make than what ``train_scorer.py`` trains, so that it may judge that. Shape letters: P
pairs, S source words, T target words, L links of a target word with a source word, V types of one side.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from seq2seq_env.scorers.folds import fold_of
from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.scorers.spec import ScorerKind, ScorerSpec, task_missing
from seq2seq_env.tasks.corpora.cleaning import bare
from seq2seq_env.tasks.task import Task
from seq2seq_env.writing import is_spaced, words, words_and_signs

STEM = 5
"""Characters by which rare words are told apart: most endings are behind them."""

MOST_PAIRS = 30_000
"""Pairs that are counted, evenly spread over the training split; all where it has fewer."""

MOST_LINKS = 10_000_000
"""Links that these may have; long sentences leave fewer pairs. A link takes some 40 bytes and a microsecond."""

LEAST_PROBABILITY = 1e-3
"""Of a translation that is kept: what is less is chance."""

BEGIN, UNSEEN = -2, -1
"""In place of a type: what stands before the first word, and a word that no pair has."""

Types = NDArray[np.int64]

Table = Mapping[int, Mapping[int, float]]
"""Probability of each translation, by a word's type."""


@dataclass(frozen=True)
class LexicalOptions:
    """What a specification may say."""

    iterations: int = 6
    """Passes of expectation maximisation over the pairs, at least 1."""
    fluency: float = 0.25
    """Weight of the order of words beside the words, from 0 to below 1."""
    length: float = 0.0
    """What words are worth by their number, 0 or more: for texts of which it prefers the short ones."""
    folds: int = 1
    """Parts of the pairs, at least 1. From 2 on, a source that was counted is judged by the counts of the other parts:
    what a reward on training sources needs. Other sources are judged by all of them."""

    def __post_init__(self) -> None:
        for name in ("iterations", "folds"):
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name} is {value}; give 1 or more")
        if not 0 <= self.fluency < 1:
            raise ValueError(f"fluency is {self.fluency}; give 0 to below 1")
        if not 0 <= self.length < math.inf:
            raise ValueError(f"length is {self.length}; give a number, 0 or more")


class LexicalScorer(ScorerKind):
    """Words of both sides that explain each other, and the order of the target's, in [0, 1].

    By IBM model 1 (Brown et al. 1993) a source lets expect ``e`` times a target word, and by chance it is there ``b``
    times, as often as in any text of that length. The k-th one of a hypothesis is explained to

        q = max(0, e - (k - 1)) / (max(0, e - (k - 1)) + b)

    and precision is the mean of ``q``, each word weighed by its rarity. Recall is the same with the sides exchanged:
    how far the hypothesis explains the source. The score is their harmonic mean, in which a word too many costs about
    what one too few does, times a power of how far each word is explained by the one before it. What is said twice is
    explained once.

    Sources whose pairs were counted are judged better than others: judge other ones, or count in ``folds``.

    Args:
        pairs: Sources and references; None until :meth:`for_task`, and nothing can be scored before.
        options: Of the counts and the score.

    Raises:
        ValueError: If there are no pairs with words.
    """

    def __init__(self, pairs: Sequence[tuple[str, str]] | None, options: LexicalOptions | None = None) -> None:
        self.options = options or LexicalOptions()
        self._pairs = None if pairs is None else [pair for pair in pairs if all(text.strip() for text in pair)]
        if self._pairs is not None and not self._pairs:
            raise ValueError("a lexical scorer counts words of training pairs, and there are none; give some")
        self._counts: dict[int | None, _Counts] = {}

    @classmethod
    def from_spec(cls, spec: ScorerSpec, *, device: str, load: Callable[[str], Scorer]) -> LexicalScorer:
        """The scorer without its pairs; see :meth:`ScorerKind.from_spec`."""
        spec.scorer_names(0, "none, it is made of the task's pairs")
        return cls(None, LexicalOptions(**spec.keyword_arguments(LexicalOptions)))

    def for_task(self, task: Task) -> LexicalScorer:
        """The same with the task's training pairs; see :meth:`ScorerKind.for_task`."""
        if self._pairs is not None:
            return self
        rows = spread(task.size("train"), MOST_PAIRS)
        pairs = [(source, reference or "") for source, reference in (task.pair("train", row) for row in rows)]
        links = sum(map(math.prod, zip(*(_numbers_of_words(side) for side in zip(*pairs, strict=True)), strict=True)))
        rows = spread(len(pairs), max(1, len(pairs) * MOST_LINKS // max(1, links)))
        return LexicalScorer([pairs[row] for row in rows], self.options)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """What is counted.

        Raises:
            ValueError: If there are none yet.
        """
        if self._pairs is None:
            raise task_missing("a lexical scorer counts the words of a task's pairs")
        return self._pairs

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal sha256 over the options and the pairs."""
        return hashlib.sha256(f"lexical\0{self.options!r}\0{self.pairs!r}".encode(errors="surrogatepass")).hexdigest()

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        """``[N]`` float32 in [0, 1]; a hypothesis without words gets 0.

        Raises:
            ValueError: If sources and hypotheses differ in number, or no pairs are known yet.
        """
        return np.array([self._score(*pair) for pair in zip(sources, hypotheses, strict=True)], dtype=np.float32)

    @cached_property
    def _counted(self) -> frozenset[str]:
        return frozenset(bare(source) for source, _ in self.pairs)

    def _counts_for(self, source: str) -> _Counts:
        """Of all pairs, or without the fold that a counted source is in."""
        folds = self.options.folds
        left_out = fold_of(source, folds) if folds > 1 and bare(source) in self._counted else None
        if left_out not in self._counts:
            pairs = [pair for pair in self.pairs if left_out is None or fold_of(pair[0], folds) != left_out]
            if not pairs:
                raise ValueError(
                    f"folds is {folds}, and one of them has all {len(self.pairs)} pairs; give 1, or more pairs"
                )
            self._counts[left_out] = _Counts(pairs, self.options.iterations)
        return self._counts[left_out]

    def _score(self, source: str, hypothesis: str) -> float:
        counts = self._counts_for(source)
        there, back = counts.source.types(source), counts.target.types(hypothesis)
        precision = explained(back, there, counts.there, counts.target)
        recall = explained(there, back, counts.back, counts.source)
        if precision * recall == 0:
            return 0.0
        agreement = 2 * precision * recall / (precision + recall)
        words_there = len(back) / (len(back) + len(there) * counts.ratio)
        powers = (agreement, 1 - self.options.fluency), (counts.fluency(back), self.options.fluency)
        return float(math.prod(base**power for base, power in (*powers, (words_there, self.options.length))))


def _numbers_of_words(texts: Sequence[str]) -> list[int]:
    """Of each text, about; characters are words where these do not stand apart, as for :class:`Side`."""
    return [1 + text.count(" ") for text in texts] if is_spaced(texts) else [len(text) for text in texts]


class Side:
    """The words of one language, rare ones by how they begin, and how often each is there.

    Args:
        texts: P, with words.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._spaced = is_spaced(texts)
        cut = [self._words(text) for text in texts]
        self._often = {word for word, times in Counter(word for row in cut for word in row).items() if times > 1}
        kinds = [[self._kind(word) for word in row] for row in cut]
        self._index = {kind: at for at, kind in enumerate(dict.fromkeys(kind for row in kinds for kind in row))}
        self.rows = [np.array([self._index[kind] for kind in row], dtype=np.int64) for row in kinds]
        counts = np.bincount(np.concatenate(self.rows), minlength=len(self._index))
        # The last one is of words that no pair has: half as often as what is there once.
        self._shares: list[float] = [*(counts / counts.sum()).tolist(), 0.5 / int(counts.sum())]

    def types(self, text: str) -> list[int]:
        """Those of a text's words."""
        return [self._index.get(self._kind(word), UNSEEN) for word in self._words(text)]

    def share(self, kind: int) -> float:
        """Of a type among all words."""
        return self._shares[kind]

    def _words(self, text: str) -> list[str]:
        folded = text.casefold()
        return words_and_signs(folded) if self._spaced else words(folded, spaced=False)

    def _kind(self, word: str) -> str:
        # No word has a space.
        return word if word in self._often or len(word) <= STEM else f"{word[:STEM]} "


class _Counts:
    """What pairs say: words, translations both ways, and which word follows which."""

    def __init__(self, pairs: Sequence[tuple[str, str]], iterations: int) -> None:
        self.source, self.target = (Side(texts) for texts in zip(*pairs, strict=True))
        self.there = translation_table(self.source.rows, self.target.rows, iterations)
        self.back = translation_table(self.target.rows, self.source.rows, iterations)
        self.ratio = sum(map(len, self.target.rows)) / sum(map(len, self.source.rows))
        self._following: dict[int, Counter[int]] = {}
        for row in self.target.rows:
            for before, word in _bigrams(row.tolist()):
                self._following.setdefault(before, Counter())[word] += 1
        self._times = {before: each.total() for before, each in self._following.items()}

    def fluency(self, row: Sequence[int]) -> float:
        """Mean over the words of ``p(w | before) / (p(w | before) + p(w))``, the first by Witten and Bell (1991)."""
        shares = []
        for before, word in _bigrams(row):
            chance = self.target.share(word)
            following = self._following.get(before, Counter())
            kinds, times = len(following), self._times.get(before, 0)
            seen = (following[word] + kinds * chance) / (times + kinds) if times else chance
            shares.append(seen / (seen + chance))
        return math.fsum(shares) / len(shares)


def translation_table(sources: Sequence[Types], targets: Sequence[Types], iterations: int) -> Table:
    """``t(target | source)`` of IBM model 1 by expectation maximisation, without a null word.

    Args:
        sources: P, int64 [S] each.
        targets: P, int64 [T] each.
        iterations: Of the maximisation.
    """
    width = 1 + max(int(row.max()) for row in targets)
    pairs = list(zip(sources, targets, strict=True))
    links = np.concatenate([(target[:, None] + width * source).ravel() for source, target in pairs])  # [L]
    sizes = np.concatenate([np.full(len(target), len(source)) for source, target in pairs])  # links of each target word
    word = np.repeat(np.arange(len(sizes)), sizes)  # [L]
    keys, link = np.unique(links, return_inverse=True)
    of_source = keys // width
    table = np.ones(len(keys))
    for _ in range(iterations):
        each = table[link]
        expected = np.bincount(link, each / np.bincount(word, each)[word])
        table = expected / np.bincount(of_source, expected)[of_source]
    known: dict[int, dict[int, float]] = {}
    kept = table >= LEAST_PROBABILITY
    for key, probability in zip(keys[kept].tolist(), table[kept].tolist(), strict=True):
        known.setdefault(key // width, {})[key % width] = probability
    return known


def explained(row: Sequence[int], others: Sequence[int], table: Table, side: Side) -> float:
    """How far the words of one text are explained by those of another, in [0, 1]: the class's mean of ``q``.

    Args:
        row: Types of its words; without any it is not explained.
        others: Types of the other text's words.
        table: Translations of these.
        side: Of the first text's language.
    """
    expected: dict[int, float] = {}
    for other in others:
        for kind, probability in table.get(other, {}).items():
            expected[kind] = expected.get(kind, 0.0) + probability
    total = weights = 0.0
    for kind, times in Counter(row).items():
        share = side.share(kind)
        # What every text has, such as a full stop, says little of this one.
        weight = max(0.1, -math.log(share))
        for before in range(times):
            left = max(0.0, expected.get(kind, 0.0) - before)
            total += weight * left / (left + share * len(row))
            weights += weight
    return total / weights if weights else 0.0


def spread(size: int, most: int) -> list[int]:
    """Rows of so many, evenly spread over them; all where there are no more than ``most``."""
    return sorted(set(np.linspace(0, size - 1, min(size, most)).astype(int).tolist()))


def _bigrams(row: Sequence[int]) -> list[tuple[int, int]]:
    return list(zip([BEGIN, *row[:-1]], row, strict=True))

"""The embedded task: a German-English phrasebook with an oracle of true quality."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache, partial
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from random import Random
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from seq2seq_env.suggestions import check_name
from seq2seq_env.tasks.phrasebook.noise import corrupted
from seq2seq_env.tasks.phrasebook.oracle import Readings, quality
from seq2seq_env.tasks.phrasebook.regimes import DEFAULT_REGIME, REGIMES
from seq2seq_env.tasks.phrasebook.sentence import Sentence
from seq2seq_env.tasks.phrasebook.sentences import draw_sentence
from seq2seq_env.tasks.task import SOURCE_ONLY, Oracle, Split, Task, unknown_split
from seq2seq_env.tokenization.tokenizer import Tokenizer
from seq2seq_env.writing import shortened

MIN_WORDS, MAX_WORDS = 4, 25
_BUCKETS = 8
_BUCKETS_OF = {"validation": (0,), "test": (1,), SOURCE_ONLY: (3, 4, 5, 6, 7)}
"""Hash buckets that a split's sources come from; those of the training split are its regime's."""
FOLDER = Path(str(files(__package__)))


class PhrasebookTask(Task):
    """German-English sentences of everyday situations, drawn from a grammar.

    A sentence belongs to the split that its German text hashes to, so the splits are disjoint whatever the seeds and
    sizes, and each sentence is drawn from a random stream of its own, so any of them can be had without the others.
    A reference is drawn from the sentence's right wordings. References of the training split are faulty at the rate
    ``noise``, as those of crawled corpora are; validation and test references are right. The source-only split, where
    there is one, holds no source of the training split.

    Args:
        seed: Of the sentences and the faults.
        regime: A key of :data:`seq2seq_env.tasks.phrasebook.regimes.REGIMES`, which gives what is not given here.
        train_size: Sentences in the training split.
        source_only_size: Sentences without references, 0 for no such split.
        validation_size: Sentences in the validation split.
        test_size: Sentences in the test split.
        noise: Share of training references with a fault, in [0, 1].

    Raises:
        ValueError: If there is no such regime, a size is too small or ``noise`` outside [0, 1].
    """

    name = "phrasebook-de-en"
    default_scorer = "phrasebook-qe"
    max_source_length = 48
    max_target_length = 48

    def __init__(
        self,
        seed: int = 0,
        *,
        regime: str = DEFAULT_REGIME,
        train_size: int | None = None,
        source_only_size: int | None = None,
        validation_size: int = 1_000,
        test_size: int = 1_000,
        noise: float | None = None,
    ) -> None:
        check_name("regime", regime, REGIMES)
        recipe = REGIMES[regime]
        self.noise = recipe.noise if noise is None else noise
        self._sizes = {
            "train": recipe.train_size if train_size is None else train_size,
            "validation": validation_size,
            "test": test_size,
            SOURCE_ONLY: recipe.source_only_size if source_only_size is None else source_only_size,
        }
        for name, size in self._sizes.items():
            if size < (name != SOURCE_ONLY):
                least = "a split needs at least 1 sentence" if size == 0 else "give 0 or more"
                raise ValueError(f"{name.replace('-', '_')}_size is {size}; {least}")
        if not 0 <= self.noise <= 1:
            raise ValueError(f"noise is {self.noise}; it is a share, between 0 and 1")
        self.seed, self.regime, self._recipe = seed, regime, recipe
        self.tokenizer = Tokenizer.load(FOLDER)
        sizes, forms = tuple(self._sizes.items()), (sorted(recipe.pair_forms), sorted(recipe.other_forms))
        identity = (self.name, _grammar_fingerprint(), seed, sizes, self.noise, forms, recipe.buckets)
        self.fingerprint = hashlib.sha256(repr(identity).encode()).hexdigest()
        self._splits: dict[str, Split] = {}
        self._sentences: dict[str, Sentence] = {}
        self._readings = lru_cache(maxsize=20_000)(self._prepare)

    def __reduce__(self) -> tuple[Callable[[], PhrasebookTask], tuple[()]]:
        sizes = {f"{name.replace('-', '_')}_size": size for name, size in self._sizes.items()}
        return partial(PhrasebookTask, self.seed, regime=self.regime, noise=self.noise, **sizes), ()

    @property
    def has_source_only(self) -> bool:
        """Whether the regime has sentences without references."""
        return self._sizes[SOURCE_ONLY] > 0

    def size(self, split: str) -> int:
        """Number of sentences in a split."""
        if not self._sizes.get(split):
            raise unknown_split(split, [name for name, size in self._sizes.items() if size])
        return self._sizes[split]

    def pair(self, split: str, index: int) -> tuple[str, str | None]:
        """Source and reference by split and row, without drawing the rest of the split.

        Raises:
            ValueError: If there is no such split.
            IndexError: If it has no such row.
        """
        if not 0 <= index < self.size(split):
            raise IndexError(f"row {index} is outside the {split} split; its rows are 0 to {self.size(split) - 1}")
        # The reference's place has a random stream of its own: what is drawn does not depend on it.
        place = Random(f"{self.seed}/{split}/{index}/reference").random()
        sentence = replace(self._sentence(split, index), place=place)
        self._sentences[sentence.german] = sentence
        if split == SOURCE_ONLY:
            return sentence.german, None
        random = Random(f"{self.seed}/{split}/{index}/noise")
        if split == "train" and random.random() < self.noise:
            other = self._sentence(split, random.randrange(10**9) + self._sizes[split])
            return sentence.german, corrupted(random, sentence, other)
        return sentence.german, sentence.reference

    def split(self, name: str) -> Split:
        """All of a split; drawn once."""
        if name not in self._splits:
            pairs = [self.pair(name, index) for index in range(self.size(name))]
            references = [reference for _, reference in pairs if reference is not None]
            self._splits[name] = Split(name, [source for source, _ in pairs], references)
        return self._splits[name]

    @property
    def oracle(self) -> Oracle:
        """True quality of hypotheses for sources of this task's splits."""
        return self._judge

    def wordings(self, source: str) -> list[str]:
        """Right translations of a source, the reference's wording first; synonyms of their words are as right.

        Raises:
            ValueError: If the source is none of this task's.
        """
        self._readings(source)
        return self._sentences[source].translations()

    def _judge(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        if len(sources) != len(hypotheses):
            raise ValueError(f"{len(sources)} sources but {len(hypotheses)} hypotheses; give one hypothesis a source")
        judged = (quality(self._readings(s), h) for s, h in zip(sources, hypotheses, strict=True))
        return np.fromiter(judged, dtype=np.float32, count=len(sources))

    def _prepare(self, source: str) -> Readings:
        if source not in self._sentences:
            for split in ("validation", "test", "train", SOURCE_ONLY):
                if self._sizes[split]:
                    self.split(split)
                if source in self._sentences:
                    break
            else:
                raise ValueError(
                    f"the oracle does not know the source {shortened(source)}; "
                    f"it judges sources of this task's splits (seed {self.seed})"
                )
        sentence = self._sentences[source]
        return Readings(sentence.readings(), sentence.mark, they_or_you=source.startswith("Sie "))

    def _sentence(self, split: str, index: int) -> Sentence:
        """The first sentence of its stream that belongs to the split and has a fitting length."""
        random = Random(f"{self.seed}/{split}/{index}")
        recipe, train = self._recipe, split == "train"
        forms = recipe.pair_forms if train else recipe.other_forms
        buckets = recipe.buckets if train else _BUCKETS_OF[split]
        with_references = self._with_references if split == SOURCE_ONLY else ()
        while True:
            sentence = draw_sentence(random, forms)
            fits = MIN_WORDS <= len(sentence.german.split()) <= MAX_WORDS
            fits = fits and len(self.tokenizer.encode([sentence.german])[0]) <= self.max_source_length
            if (
                fits
                and crc32(sentence.german.encode()) % _BUCKETS in buckets
                and sentence.german not in with_references
            ):
                return sentence

    @cached_property
    def _with_references(self) -> frozenset[str]:
        return frozenset(self.split("train").sources)


@lru_cache(maxsize=1)
def _grammar_fingerprint() -> str:
    """Digest of the code and tables that draw sentences, and of the libraries that word numbers and dates."""
    digest = hashlib.sha256(f"babel {version('babel')}, num2words {version('num2words')}".encode())
    for path in sorted(path for path in FOLDER.rglob("*") if path.suffix in (".py", ".tsv", ".json")):
        digest.update(path.relative_to(FOLDER).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()

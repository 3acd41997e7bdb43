"""The embedded task: a German-English phrasebook with an oracle of true quality."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from random import Random
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from seq2seq_env.tasks.phrasebook.noise import corrupted
from seq2seq_env.tasks.phrasebook.oracle import Readings, quality
from seq2seq_env.tasks.phrasebook.sentence import Sentence
from seq2seq_env.tasks.phrasebook.sentences import draw_sentence
from seq2seq_env.tasks.task import SPLITS, Oracle, Split, Task, unknown_split
from seq2seq_env.tokenization.tokenizer import Tokenizer

MIN_WORDS, MAX_WORDS = 4, 25
_BUCKETS = 8
_BUCKET_OF = {"validation": 0, "test": 1}
FOLDER = Path(str(files(__package__)))


class PhrasebookTask(Task):
    """German-English sentences of everyday situations, drawn from a grammar.

    A sentence belongs to the split that its German text hashes to, so the splits are disjoint whatever the seeds and
    sizes, and each sentence is drawn from a random stream of its own, so any of them can be had without the others.
    References of the training split are faulty at the rate ``noise``, as those of crawled corpora are; validation and
    test references are right.

    Args:
        seed: Of the sentences and the faults.
        train_size: Sentences in the training split.
        validation_size: Sentences in the validation split.
        test_size: Sentences in the test split.
        noise: Share of training references with a fault, in [0, 1].

    Raises:
        ValueError: If a size is below 1 or ``noise`` outside [0, 1].
    """

    name = "phrasebook-de-en"
    default_scorer = "phrasebook-qe"
    max_source_length = 48
    max_target_length = 48

    def __init__(
        self,
        seed: int = 0,
        *,
        train_size: int = 32_000,
        validation_size: int = 1_000,
        test_size: int = 1_000,
        noise: float = 0.5,
    ) -> None:
        self._sizes = dict(zip(SPLITS, (train_size, validation_size, test_size), strict=True))
        for name, size in self._sizes.items():
            if size < 1:
                raise ValueError(f"{name}_size is {size}; a split needs at least 1 sentence")
        if not 0 <= noise <= 1:
            raise ValueError(f"noise is {noise}; it is a share, between 0 and 1")
        self.seed, self.noise = seed, noise
        self.tokenizer = Tokenizer.load(FOLDER)
        identity = (self.name, _grammar_fingerprint(), seed, tuple(self._sizes.items()), noise)
        self.fingerprint = hashlib.sha256(repr(identity).encode()).hexdigest()
        self._splits: dict[str, Split] = {}
        self._sentences: dict[str, Sentence] = {}
        self._readings = lru_cache(maxsize=20_000)(self._prepare)

    def __reduce__(self) -> tuple[Callable[[], PhrasebookTask], tuple[()]]:
        sizes = {f"{name}_size": size for name, size in self._sizes.items()}
        return partial(PhrasebookTask, self.seed, noise=self.noise, **sizes), ()

    def size(self, split: str) -> int:
        """Number of sentences in a split."""
        if split not in self._sizes:
            raise unknown_split(split, SPLITS)
        return self._sizes[split]

    def pair(self, split: str, index: int) -> tuple[str, str]:
        """Source and reference by split and row, without drawing the rest of the split.

        Raises:
            ValueError: If there is no such split.
            IndexError: If it has no such row.
        """
        if not 0 <= index < self.size(split):
            raise IndexError(f"row {index} is outside the {split} split; its rows are 0 to {self.size(split) - 1}")
        sentence = self._sentence(split, index)
        self._sentences[sentence.german] = sentence
        random = Random(f"{self.seed}/{split}/{index}/noise")
        if split == "train" and random.random() < self.noise:
            other = self._sentence(split, random.randrange(10**9) + self._sizes[split])
            return sentence.german, corrupted(random, sentence, other)
        return sentence.german, sentence.reference

    def split(self, name: str) -> Split:
        """All of a split; drawn once."""
        if name not in self._splits:
            pairs = [self.pair(name, index) for index in range(self.size(name))]
            self._splits[name] = Split(name, [source for source, _ in pairs], [reference for _, reference in pairs])
        return self._splits[name]

    @property
    def oracle(self) -> Oracle:
        """True quality of hypotheses for sources of this task's splits."""
        return self._judge

    def wordings(self, source: str) -> list[str]:
        """Right translations of a source, normalised; the reference's wording first.

        Raises:
            ValueError: If the source is none of this task's.
        """
        return list(dict.fromkeys(" ".join(reading.tokens) for reading in self._readings(source)))

    def _judge(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        if len(sources) != len(hypotheses):
            raise ValueError(f"{len(sources)} sources but {len(hypotheses)} hypotheses; give one hypothesis a source")
        judged = (quality(self._readings(s), h) for s, h in zip(sources, hypotheses, strict=True))
        return np.fromiter(judged, dtype=np.float32, count=len(sources))

    def _prepare(self, source: str) -> Readings:
        if source not in self._sentences:
            for split in ("validation", "test", "train"):
                self.split(split)
                if source in self._sentences:
                    break
            else:
                raise ValueError(
                    f"the oracle does not know the source {source!r}; "
                    f"it judges sources of this task's splits (seed {self.seed})"
                )
        sentence = self._sentences[source]
        return Readings(sentence.readings(), sentence.mark)

    def _sentence(self, split: str, index: int) -> Sentence:
        """The first sentence of its stream that belongs to the split and has a fitting length."""
        random = Random(f"{self.seed}/{split}/{index}")
        while True:
            sentence = draw_sentence(random)
            bucket = crc32(sentence.german.encode()) % _BUCKETS
            fits = MIN_WORDS <= len(sentence.german.split()) <= MAX_WORDS
            if fits and bucket == _BUCKET_OF.get(split, max(bucket, 2)):
                return sentence


@lru_cache(maxsize=1)
def _grammar_fingerprint() -> str:
    """Digest of the code and tables that draw sentences, and of the libraries that word numbers and dates."""
    digest = hashlib.sha256(f"babel {version('babel')}, num2words {version('num2words')}".encode())
    for path in sorted(path for path in FOLDER.rglob("*") if path.suffix in (".py", ".tsv", ".json")):
        digest.update(path.relative_to(FOLDER).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()

"""Texts of the published data sets, shipped: what rounding on another processor would change is put right.

Sampling is repeated by whoever makes a data set. Where a policy's least likely tokens come into play, a random number
lies so near to the border of two of them that the last digit of a float decides: of ``noisy`` a processor of another
kind draws 9 of 16,000 samples otherwise. Those are replaced by the published ones; all others are sampled.
"""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from buffers import Samples, Shard
from seq2seq_env.atomic_files import naming, written_file

if TYPE_CHECKING:
    from agents import Seq2SeqPolicy

FOLDER = Path(str(files("experiments.datasets") / "texts"))

SUFFIX = ".safetensors.xz"

MOST = 0.01
"""Share of the samples of a call that rounding may change; where more differ there is another cause, and all stay."""

Texts = Mapping[int, Sequence[Sequence[NDArray[np.int32]]]]
"""Targets of each candidate of each source of a shard, by the shard's :func:`sources_key`."""


class PublishedSampler:
    """A behaviour policy whose samples are the published ones.

    Args:
        policy: Samples.
        texts: Of its own candidates. Shards that it lacks are sampled as they come.
    """

    def __init__(self, policy: Seq2SeqPolicy, texts: Texts) -> None:
        self.policy = policy
        self.texts = texts

    @property
    def fingerprint(self) -> str:
        """The policy's."""
        return self.policy.fingerprint

    @property
    def engine(self) -> str:
        """The policy's."""
        return self.policy.engine

    def sample(self, sources: Sequence[Sequence[int]], num_candidates: int, temperature: float, seed: int) -> Samples:
        """The policy's samples, but for those few in which the published ones differ."""
        from agents.policy.generation import as_samples

        mine = self.policy.sample(sources, num_candidates, temperature, seed)
        published = [target for each in self.texts.get(sources_key(sources), ()) for target in each]
        targets, log_probs = (np.split(each, mine.offsets[1:-1]) for each in (mine.tokens, mine.log_prob))
        if len(published) != len(targets):
            return mine
        others = [row for row, pair in enumerate(zip(targets, published, strict=True)) if not np.array_equal(*pair)]
        if not 0 < len(others) <= MOST * len(targets):
            return mine
        again = self.log_probs(
            [sources[mine.source_index[row]] for row in others],
            [published[row].tolist() for row in others],
            temperature,
        )
        for row, log_prob in zip(others, again, strict=True):
            targets[row], log_probs[row] = published[row], log_prob
        lengths = np.array([len(target) for target in targets]).reshape(len(sources), num_candidates)
        return as_samples(self.policy.tokenizer, np.concatenate(targets), np.concatenate(log_probs), lengths)

    def log_probs(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], temperature: float = 1.0
    ) -> list[NDArray[np.float32]]:
        """The policy's."""
        return self.policy.log_probs(sources, targets, temperature)


def sources_key(sources: Iterable[Sequence[int]]) -> int:
    """64 bits of a digest of a shard's sources, token ids, in their order."""
    digest = hashlib.blake2b(digest_size=8)
    for source in sources:
        digest.update(np.asarray([len(source), *source], dtype="<i4").tobytes())
    return int.from_bytes(digest.digest(), "little")


def save_texts(name: str, shards: Iterable[Shard], folder: Path = FOLDER) -> Path:
    """Write the samples' texts of a data set's shards.

    Args:
        name: Of the data set, without namespace.
        shards: All of it; those without samples are left out.
        folder: Made if it is not there.
    """
    from safetensors.numpy import save

    keys, sizes = [], []
    targets: list[NDArray[np.int32]] = []
    for data in (shard.read() for shard in shards):
        written = np.split(data.tokens, data.offsets[1:-1])
        samples = np.flatnonzero(~data.is_reference)
        if len(samples):
            sources = np.split(data.source_tokens, data.source_offsets[1:-1])
            keys.append(sources_key([each.tolist() for each in sources]))
            sizes.append(len(data.source_rows))
            targets += [written[row] for row in samples]
    content = save({
        "shards": np.array(keys, dtype=np.uint64),
        "sources": np.array(sizes, dtype=np.uint32),
        "lengths": np.array([len(target) for target in targets], dtype=np.uint16),
        "tokens": np.concatenate(targets).astype(np.uint16),
    })  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}{SUFFIX}"
    with naming(file), written_file(file) as partial:
        partial.write(lzma.compress(content, preset=9))
    return file


def load_texts(name: str, folder: Path = FOLDER) -> Texts:
    """What :func:`save_texts` wrote; nothing where no texts are shipped.

    Args:
        name: Of the data set, without namespace.
        folder: Where the files lie.
    """
    from safetensors.numpy import load

    file = folder / f"{name}{SUFFIX}"
    if not file.is_file():
        return {}
    stored = load(lzma.decompress(file.read_bytes()))
    targets = iter(np.split(stored["tokens"].astype(np.int32), stored["lengths"].cumsum(dtype=np.int64)[:-1]))
    candidates = len(stored["lengths"]) // int(stored["sources"].sum())
    return {
        key: [list(islice(targets, candidates)) for _ in range(size)]
        for key, size in zip(stored["shards"].tolist(), stored["sources"].tolist(), strict=True)
    }


def of_policy(texts: Texts, place: int, candidates: int) -> Texts:
    """The texts of one of several policies, each with as many candidates of a source.

    Args:
        texts: Of all.
        place: Of the policy, from 0.
        candidates: Of each policy.
    """
    own = slice(place * candidates, (place + 1) * candidates)
    return {key: [targets[own] for targets in shard] for key, shard in texts.items()}

"""Manifest of a frozen data set: checksums of its files, and how it stands to the published one."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from buffers import GrowingBatchBuffer, Shard
from experiments.datasets import texts
from seq2seq_env.atomic_files import read_json, write_json

FILE = "manifest.json"

CARD = "README.md"

PUBLISHED = Path(str(files("experiments.datasets") / "manifests"))

LIBRARIES = ("babel", "h5py", "num2words", "numpy", "tokenizers", "torch", "transformers")
"""Whose versions a data set may depend on."""

TOLERANCE = 1e-3
"""Difference of a shard's mean log-probability or reward that rounding may make."""


@dataclass(frozen=True)
class ShardFacts:
    """One shard.

    Attributes:
        trajectories: In it.
        tokens: Target tokens in it.
        texts_sha256: Digest of sources and targets, which do not depend on the last digits of a float.
        mean_log_prob: Of a target token, nats.
        mean_reward: In [0, 1].
    """

    trajectories: int
    tokens: int
    texts_sha256: str
    mean_log_prob: float
    mean_reward: float


@dataclass(frozen=True)
class Manifest:
    """What is in a data set's folder.

    Attributes:
        name: Of the data set.
        recipe: That it was made by, as JSON holds it.
        files: sha256 of each file, by its path in the folder, but for this one and the card.
        shards: Facts of the shards, by file.
        made_with: Machine and versions.
    """

    name: str
    recipe: Mapping[str, Any]
    files: Mapping[str, str]
    shards: Mapping[str, ShardFacts]
    made_with: Mapping[str, str]

    @property
    def contents(self) -> str:
        """Digest of all texts: what makes two copies the same data set for a comparison."""
        texts = [f"{file} {facts.texts_sha256}" for file, facts in sorted(self.shards.items())]
        return hashlib.sha256("\n".join(texts).encode()).hexdigest()

    def write(self, file: Path) -> None:
        """Write it as JSON."""
        write_json(file, asdict(self))

    @classmethod
    def read(cls, file: Path) -> Manifest:
        """What :meth:`write` wrote.

        Raises:
            FileNotFoundError: If there is none.
            ValueError: If it is corrupt.
        """
        if not file.is_file():
            raise FileNotFoundError(
                f"no {file.name} in {str(file.parent)!r}; name a folder that rest dataset make or download has filled"
            )
        record = read_json(file)
        try:
            shards = {name: ShardFacts(**facts) for name, facts in record.pop("shards").items()}
            manifest = cls(shards=shards, **record)
            if any(Path(name).is_absolute() or ".." in Path(name).parts for name in manifest.files):
                raise ValueError("a file's place is outside the folder")
            if without := sorted(shards.keys() - manifest.files.keys()):
                raise ValueError(f"shard {without[0]!r} is not among its files")
            return manifest
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{str(file)!r} is no manifest of a data set ({error}); make or download it again"
            ) from error


def describe(folder: Path, name: str, recipe: Mapping[str, Any]) -> Manifest:
    """The manifest of a folder as it is; reads every shard."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return Manifest(
        name=name,
        recipe=json.loads(json.dumps(recipe)),
        files={
            path.relative_to(folder).as_posix(): _sha256(path)
            for path in paths
            if path.relative_to(folder).as_posix() not in (FILE, CARD)
        },
        shards={shard.path.name: _facts(shard) for shard in GrowingBatchBuffer(folder).shards},
        made_with={
            "machine": f"{platform.system()} {platform.machine()}",
            "processor": _processor(),
            "python": platform.python_version(),
            **{library: version(library) for library in LIBRARIES},
        },
    )


def checked(folder: Path, name: str | None = None) -> Manifest:
    """The manifest of a data set's folder, after a look at every byte that it vouches for.

    What it says of a shard is compared with the shard, unless that is the published one byte for byte: whoever changes
    texts can change their checksum, too.

    Args:
        folder: Of the data set.
        name: That it must have; None takes any.

    Raises:
        FileNotFoundError: If there is no manifest.
        ValueError: If it is another data set or version, it does not say what is in a shard, or a file is missing, was
            changed, or does not belong to it.
    """
    manifest = Manifest.read(folder / FILE)
    if name is not None and manifest.name != name:
        raise ValueError(f"{str(folder)!r} holds the data set {manifest.name!r}, not {name!r}; name another folder")
    for file, expected in manifest.files.items():
        path = folder / file
        if not path.is_file():
            raise ValueError(f"{file!r} of data set {manifest.name!r} is missing in {str(folder)!r}; make it again")
        if (actual := _sha256(path)) != expected:
            raise ValueError(
                f"{str(path)!r} has sha256 {actual[:12]}, the manifest of data set {manifest.name!r} says "
                f"{expected[:12]}: it was changed; make or download the data set again"
            )
    if foreign := sorted({path.name for path in folder.glob("*.h5")} - manifest.shards.keys()):
        raise ValueError(
            f"{foreign[0]!r} in {str(folder)!r} is no shard of data set {manifest.name!r}; move it out of the folder"
        )
    theirs = published(recipe_name(manifest.name))
    known = {} if theirs is None else theirs.files
    for file, said in manifest.shards.items():
        if manifest.files[file] != known.get(file) and _facts(Shard.open(folder / file)) != said:
            raise ValueError(
                f"{str(folder / file)!r} has other texts, log-probabilities or rewards than the manifest of data set "
                f"{manifest.name!r} says: one of them was changed; make or download the data set again"
            )
    return manifest


def published(name: str) -> Manifest | None:
    """The manifest of the data set that was published under a name; None where none was."""
    file = PUBLISHED / f"{name.rpartition('/')[2]}.json"
    return Manifest.read(file) if file.is_file() else None


def publish(folder: Path) -> Path:
    """Make a data set the published one of its recipe: its manifest and its texts become part of the package.

    Args:
        folder: Of the data set.

    Raises:
        ValueError: If it was changed since it was made.
    """
    manifest = checked(folder)
    name = recipe_name(manifest.name)
    file = PUBLISHED / f"{name.rpartition('/')[2]}.json"
    texts.save_texts(file.stem, GrowingBatchBuffer(folder).shards, texts.FOLDER)
    replace(manifest, name=name).write(file)
    return file


@dataclass(frozen=True)
class Verdict:
    """How a data set stands to the published one.

    Attributes:
        is_published: Whether it has the published texts, and numbers that differ by rounding at most.
        text: In a sentence.
    """

    is_published: bool
    text: str


def compare(mine: Manifest, theirs: Manifest | None) -> Verdict:
    """Byte for byte; where that fails text for text, and numbers within :data:`TOLERANCE`."""
    if theirs is None:
        return Verdict(False, "nothing is published under its name: it is a local data set")
    if mine.shards.keys() != theirs.shards.keys():
        return Verdict(False, f"it has {len(mine.shards)} shards, the published one {len(theirs.shards)}")
    changed = [file for file in mine.shards if mine.files[file] != theirs.files[file]]
    if not changed:
        return Verdict(True, "the published data set, byte for byte")
    other = [file for file in changed if not _close(mine.shards[file], theirs.shards[file])]
    versions = ", ".join(
        f"{name} {mine.made_with.get(name)} (published: {theirs.made_with.get(name)})"
        for name in theirs.made_with
        if mine.made_with.get(name) != theirs.made_with[name]
    )
    why = f"made with {versions}" if versions else "made with the same versions on the same kind of processor"
    if not other:
        return Verdict(
            True,
            f"the published texts; log-probabilities, rewards or what a shard says of its making differ from the "
            f"published bytes in {len(changed)} of {len(mine.shards)} shards, {why}",
        )
    return Verdict(
        False,
        f"a local data set: {len(other)} of {len(mine.shards)} shards have other texts or numbers than the "
        f"published ones ({', '.join(other[:4])}{', ...' if len(other) > 4 else ''}), {why}",
    )


def local_name(name: str) -> str:
    """What a data set is called that was made by a recipe and is not the published one."""
    stem, _, number = name.rpartition("-v")
    return f"{stem}-local-v{number}"


def recipe_name(name: str) -> str:
    """The name of the recipe that a data set, local or published, was made by."""
    return name.replace("-local-v", "-v")


def _close(mine: ShardFacts, theirs: ShardFacts) -> bool:
    """Whether the texts are the same and the numbers nearly."""
    numbers = ((mine.mean_log_prob, theirs.mean_log_prob), (mine.mean_reward, theirs.mean_reward))
    return mine.texts_sha256 == theirs.texts_sha256 and all(abs(a - b) <= TOLERANCE for a, b in numbers)


def _facts(shard: Shard) -> ShardFacts:
    data, digest = shard.read(), hashlib.sha256()
    for name in ("source_index", "offsets", "tokens", "terminated", "is_reference", "source_rows", "source_offsets",
                 "source_tokens"):  # fmt: skip
        digest.update(np.asarray(getattr(data, name), dtype="<i8").tobytes())
    return ShardFacts(
        trajectories=len(data),
        tokens=len(data.tokens),
        texts_sha256=digest.hexdigest(),
        mean_log_prob=round(float(data.log_prob.mean(dtype=np.float64)), 6),
        mean_reward=round(float(data.reward.mean(dtype=np.float64)), 6),
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _processor() -> str:
    """The kind of CPU, on which the last digits of float arithmetic depend."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")

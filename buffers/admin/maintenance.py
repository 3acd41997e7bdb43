"""Maintenance of a buffer: contents, corrupt files, their quarantine."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from buffers.growing_batch import GrowingBatchBuffer
from buffers.storage import container
from buffers.storage.catalogue import SUFFIX, Catalogue
from buffers.storage.container import PARTIAL, SchemaError, ShardError
from buffers.storage.object_store import ObjectStore, local_folder, object_store
from buffers.storage.reward_columns import RescoredShard, column_files
from buffers.storage.sandbox import Sandbox, verify_any
from buffers.storage.shard import Shard
from buffers.storage.tokenizer_folder import check_kept, partial_tokenizers
from seq2seq_env.progress import progress_bar

BINS = 10
"""Of the histogram of rewards, over [0, 1]."""

QUARANTINE = "quarantine"
"""Folder within the buffer's that corrupt files are moved to; readers do not look into it."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class GrowStepInfo:
    """One Grow step.

    Attributes:
        grow_step: Its number.
        shards: Files.
        missing_shards: Indices that a finished Grow step has and this one lacks.
        trajectories: Samples and references.
        references: Of these.
        tokens: Target tokens.
        bytes: Size on disk.
        mean_reward: In [0, 1].
        reward_histogram: Trajectories in each tenth of [0, 1].
        terminated_fraction: Share that ended by itself.
        columns: Other scorers' rewards, by name: how many of the files have them.
        seconds_per_shard: From one file to the next that any worker published, on average; None of fewer than two, and
            after compaction, whose files took other times than Grow.
        provenance: What made it.
    """

    grow_step: int
    shards: int
    missing_shards: list[int]
    trajectories: int
    references: int
    tokens: int
    bytes: int
    mean_reward: float
    reward_histogram: list[int]
    terminated_fraction: float
    columns: dict[str, int]
    seconds_per_shard: float | None
    provenance: dict[str, Any]


@dataclass(frozen=True)
class CorruptFile:
    """A file that is not what was written, that another release wrote, or that does not go with the others.

    Attributes:
        file: Its path within the buffer's folder; of a tokenizer that of its folder.
        problem: What is wrong, in one sentence.
        is_other_schema: Whether it has another schema version: then it is not corrupt, and its own release reads it.
        is_misfit: Whether it is a whole shard that keeps the buffer from being opened, by its name or by what made it:
            which of the shards is to go, its owner knows.
    """

    file: str
    problem: str
    is_other_schema: bool = False
    is_misfit: bool = False


def describe(path: str | Path) -> list[GrowStepInfo]:
    """Every Grow step of a buffer; reads rewards and lengths, no tokens.

    Args:
        path: The buffer's folder, or the URL of an object store.

    Raises:
        FileNotFoundError: If there is no such folder.
        ShardError: If a shard is corrupt or foreign, or shards do not fit together.
        OSError: If an object store cannot be read.
    """
    buffer = open_buffer(path)
    return [_describe_step(buffer, grow_step) for grow_step in buffer.grow_steps]


def count_shards(path: str | Path) -> int:
    """Shards of a buffer, corrupt or not.

    Raises:
        FileNotFoundError: If there is none, or no such folder.
        OSError: If an object store cannot be read.
    """
    store = object_store(path)
    folder = existing(path) if store is None else store.folder
    count = sum(file.parent == folder for file in _files(folder, store))
    if not count:
        raise FileNotFoundError(f"there is no shard in {str(path)!r}; name the folder of a buffer")
    return count


def find_corrupt(path: str | Path, *, untrusted: bool = False, progress: bool = True) -> Iterator[CorruptFile]:
    """Read every shard and every reward column whole, and compare them with their checksums and commits.

    Whole shards are then held against each other, as opening the buffer does. The tokenizers that they name are loaded,
    where they are there, and compared with the shards' fingerprint.

    Args:
        path: The buffer's folder; of an object store the URL, whose objects are read, not the mirror's files.
        untrusted: Read each file in a child process, whose crash, hang or exhaustion is one more problem of the file;
            tokenizers, which no child reads, are left out.
        progress: Show files done, rate and time left.

    Raises:
        FileNotFoundError: If there is no such folder.
        OSError: If an object store cannot be read.
    """
    store = object_store(path)
    folder = existing(path) if store is None else store.folder
    files = _files(folder, store)
    corrupt: set[str] = set()
    whole: list[Shard] = []
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox()) if untrusted else None
        for file in progress_bar(files, unit="file", desc="verify", shown=progress):
            if file.name in corrupt:
                continue  # without their shard, nothing can be said of rewards
            name = str(file.relative_to(folder))
            try:
                if store is not None and not _fetch_checked(store, name):
                    raise ShardError(
                        f"{name!r} is listed in {store!r}, and its commit is not there; verify again, and if it stays "
                        "so, delete the object that commits it and make it anew as it was made before"
                    )
                (sandbox.verify if sandbox else verify_any)(file)
                if file.parent == folder:
                    shard = Shard.open(file) if store is None else Shard.committed(name, store)
                    shard.check_commit()
                    whole.append(shard)
            except ShardError as error:
                if file.parent == folder:
                    corrupt.add(file.name)
                yield CorruptFile(name, str(error), is_other_schema=isinstance(error, SchemaError))
    yield from _find_misfits(whole)
    if not untrusted:
        tokenizers = {(each.provenance.tokenizer_folder, each.provenance.tokenizer_fingerprint) for each in whole}
        yield from _find_corrupt_tokenizers(folder, store, tokenizers)


def quarantine(path: str | Path, corrupt: CorruptFile) -> Path:
    """Move a corrupt file, or a tokenizer's folder, out of the readers' way, so that the next Grow makes it anew.

    Returns:
        Where it is now.

    Raises:
        FileExistsError: If one of that name is in quarantine already.
        OSError: If it cannot be moved.
    """
    folder = existing(path)
    target = folder / QUARANTINE / corrupt.file
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        raise FileExistsError(f"{str(target)!r} is in quarantine already; look at it and delete it, then repair again")
    return (folder / corrupt.file).rename(target)


def sweep(path: str | Path) -> list[Path]:
    """Delete what writers who were killed left hidden in a buffer's folder; what living ones write stays.

    Returns:
        What was deleted.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    folder = existing(path)
    # Of folders the tokenizers' alone, and nothing within any: other writers hold no lock on theirs.
    found = sorted(file for file in folder.rglob(f".*{PARTIAL}") if file.is_file())
    files = [file for file in found if not file.parent.name.endswith(PARTIAL)]
    return container.sweep([*files, *partial_tokenizers(folder)])


def open_buffer(path: str | Path) -> GrowingBatchBuffer:
    """The buffer of a folder that is there, or of an object store.

    Raises:
        FileNotFoundError: If there is no such folder.
        ShardError: As :class:`GrowingBatchBuffer` does.
        OSError: Likewise.
    """
    return GrowingBatchBuffer(path if object_store(path) is not None else existing(path))


def existing(path: str | Path) -> Path:
    """The folder of that name.

    Raises:
        ValueError: If it is an object store, whose files are not to be changed.
        FileNotFoundError: If there is none.
    """
    if object_store(path) is not None:
        raise ValueError(f"{str(path)!r} is an object store, and this changes files of a folder; copy it to one first")
    folder = local_folder(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {str(path)!r}; name the folder of a buffer")
    return folder


def _files(folder: Path, store: ObjectStore | None) -> list[Path]:
    """The shards of a folder, and then its reward columns; of a store where they lie in its mirror."""
    if store is None:
        return sorted(folder.glob(f"[!.]*{SUFFIX}")) + column_files(folder)
    names = [name for name in store.listed() if name.endswith(SUFFIX)]
    if not names:
        raise FileNotFoundError(f"no shard is committed in {store.url!r}; name the URL of a buffer")
    return [store.folder / name for name in sorted(names, key=lambda name: ("/" in name, name))]


def _fetch_checked(store: ObjectStore, entry: str) -> bool:
    """Read an entry from its store, compare it with its commit, and bring it into the mirror, if it is there."""
    if not store.look_up([entry]):
        return False
    store.check(entry)
    return store.fetch(entry)


def _find_misfits(shards: Sequence[Shard]) -> Iterator[CorruptFile]:
    catalogue = Catalogue()
    for shard in shards:
        try:
            catalogue.add(shard)
        except ShardError as error:
            yield CorruptFile(shard.path.name, str(error), is_misfit=True)


def _find_corrupt_tokenizers(
    folder: Path, store: ObjectStore | None, tokenizers: set[tuple[str, str]]
) -> Iterator[CorruptFile]:
    """Of the folders that shards name, with the fingerprints of these shards' tokenizers."""
    for name, fingerprint in sorted(tokenizers):
        try:
            if name and (_fetch_checked(store, name) if store is not None else (folder / name).is_dir()):
                check_kept(folder, name, fingerprint)
        except ShardError as error:
            yield CorruptFile(name, str(error))
        except ImportError as error:
            _LOG.warning("%r is not compared with the shards: %s", name, error)


def _describe_step(buffer: GrowingBatchBuffer, grow_step: int) -> GrowStepInfo:
    shards = [shard for shard in buffer.shards if shard.provenance.grow_step == grow_step]
    data = buffer.select(grow_step=grow_step)
    first = shards[0].provenance
    there = {unit for shard in shards for unit in shard.provenance.units}
    sizes, published = zip(*(shard.publication() for shard in shards), strict=True)
    keeps_pace = len(shards) > 1 and all(shard.provenance.shard_count == 1 for shard in shards)
    provenance = asdict(first)
    del provenance["shard_index"], provenance["shard_count"]
    provenance["temperature"] = first.known_temperature  # JSON has no NaN
    return GrowStepInfo(
        grow_step=grow_step,
        shards=len(shards),
        missing_shards=[index for index in range(first.planned_shards) if index not in there],
        trajectories=len(data),
        references=int(data.is_reference.sum()),
        tokens=data.num_tokens,
        bytes=sum(sizes),
        mean_reward=data.mean_reward(),
        reward_histogram=np.histogram(data.rewards, bins=BINS, range=(0.0, 1.0))[0].tolist(),
        terminated_fraction=float(data.terminated.mean()),
        columns={name: sum(RescoredShard(shard, name).exists() for shard in shards) for name in buffer.score_columns},
        seconds_per_shard=(max(published) - min(published)) / (len(shards) - 1) if keeps_pace else None,
        provenance=provenance,
    )

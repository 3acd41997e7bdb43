"""The growing batch: a folder or an object store of immutable shards, one file per unit of Grow work."""

from __future__ import annotations

import logging
import operator
from collections.abc import Iterable, Sequence
from pathlib import Path

from buffers.filters import Filter
from buffers.slices import Slice
from buffers.storage.catalogue import SUFFIX, Catalogue, file_name
from buffers.storage.columns import Columns
from buffers.storage.container import ShardError
from buffers.storage.object_store import ObjectStore, local_folder, object_store
from buffers.storage.provenance import Provenance
from buffers.storage.reward_columns import FOLDER, RescoredShard, column_files, rescored, score_columns
from buffers.storage.sandbox import verify_untrusted
from buffers.storage.shard import Shard, publish_shard
from buffers.storage.tokenizer_folder import keep_tokenizer, kept_tokenizer, tokenizer_folder
from buffers.storage.trajectories import Trajectories
from seq2seq_env.tasks.task import Task
from seq2seq_env.tokenization.tokenizer import Tokenizer

LOOK_UPS = 256
"""Missing shards of a Grow step that are asked for by name when an object store is opened, which may list late."""

_LOG = logging.getLogger(__name__)


class GrowingBatchBuffer:
    """Trajectories of all Grow steps (Algorithm 1's D_g), kept as shards ``g001-s00000.h5`` in one folder.

    Opening reads each shard's header, attributes and sizes, no tokens. Shards that other processes publish later are
    seen by :meth:`has`, and by opening the folder again.

    The folder may be a URL of fsspec. Then opening reads the store's commits alone, and shards are downloaded into a
    mirror on this machine, with their checksums, when something in them is read
    (:mod:`buffers.storage.object_store`).

    Args:
        path: The folder, or a URL such as ``s3://bucket/buffer``; the first :meth:`append` makes it.
        task: Refuse a folder that another task or tokenizer filled; None takes what is there.
        untrusted: Whether the files come from elsewhere: each is then first read whole in a child process with limits
            of memory and time, whose crash, hang or exhaustion is a refusal.

    Attributes:
        path: The folder; of an object store, its mirror.
        location: The folder or the URL, as it was named.
        store: The object store; None where the buffer is a folder.

    Raises:
        NotADirectoryError: If ``path`` is a file.
        ShardError: If a shard is corrupt or foreign, or shards do not fit together or the task.
        OSError: If an object store cannot be read.
    """

    def __init__(self, path: str | Path, task: Task | None = None, *, untrusted: bool = False) -> None:
        self.location, self._untrusted = str(path), untrusted
        self.store = object_store(path)
        self.path = local_folder(path) if self.store is None else self.store.folder
        self._catalogue = Catalogue()
        self._vocab_size = None if task is None else task.tokenizer.vocab_size
        if self.path.exists() and not self.path.is_dir():
            raise NotADirectoryError(f"buffer {str(path)!r} is a file; name a folder of shards")
        if self.store is None:
            self._open_folder()
        else:
            self._open_store(self.store)
        if task is not None:
            self.check_task(task)

    @property
    def shards(self) -> list[Shard]:
        """The shards, by Grow step and index."""
        return [shard for grow_step in self.grow_steps for shard in self._catalogue.steps[grow_step]]

    @property
    def grow_steps(self) -> list[int]:
        """The Grow steps that have a shard, rising."""
        return sorted(self._catalogue.steps)

    def __len__(self) -> int:
        """Trajectories in all shards."""
        return sum(shard.num_trajectories for shard in self.shards)

    def __repr__(self) -> str:
        tokens = sum(shard.num_tokens for shard in self.shards)
        return (
            f"GrowingBatchBuffer({self.location!r}, grow_steps={self.grow_steps}, shards=[{len(self.shards)}], "
            f"trajectories=[{len(self)}], tokens=[{tokens}])"
        )

    def file(self, grow_step: int, shard_index: int, shard_count: int = 1) -> Path:
        """Where a shard lies, whether it exists or not."""
        return self.path / file_name(grow_step, shard_index, shard_count)

    def has(self, grow_step: int, shard_index: int) -> bool:
        """Whether a unit of Grow work is there, alone or in a compacted file, looking at the folder again.

        Raises:
            ShardError: If a file of that name is there that is corrupt or does not fit.
        """
        file = self.file(grow_step, shard_index)
        if self._catalogue.holding(grow_step, shard_index) is None:
            if self.store is not None:
                self._register_committed(self.store, self.store.look_up([file.name]))
            elif file.exists():
                if self._untrusted:
                    verify_untrusted([file])
                self._catalogue.add(Shard.open(file))
        return self._catalogue.holding(grow_step, shard_index) is not None

    def missing(self, grow_step: int, shard_indices: Sequence[int]) -> list[int]:
        """Those of some units of Grow work that are not there, looking at the folder again; see :meth:`has`."""
        if self.store is not None:  # at once, as each question takes its time
            holding = self._catalogue.holding
            names = [self.file(grow_step, each).name for each in shard_indices if not holding(grow_step, each)]
            self._register_committed(self.store, self.store.look_up(names))
            return [each for each in shard_indices if holding(grow_step, each) is None]
        return [each for each in shard_indices if not self.has(grow_step, each)]

    def check_fits(self, provenance: Provenance) -> None:
        """Refuse a shard made from something else than those present.

        All shards share task and tokenizer; those of one Grow step also policy, sampler, scorer, temperature, seed,
        what was drawn from, numbers of sources and candidates, and whether the original pairs are there.

        Raises:
            ShardError: Naming the first attribute that differs and both its values.
        """
        self._catalogue.check_fits(provenance)

    def append(self, trajectories: Trajectories, provenance: Provenance) -> Path:
        """Publish a shard atomically; units that are there already, made the same way, are left as they are.

        Args:
            trajectories: The contents, scored.
            provenance: What made them; names the Grow step and the units of work.

        Returns:
            The file that holds them.

        Raises:
            ShardError: If it does not fit the shards present.
            OSError: If it cannot be written.
        """
        units = provenance.units
        self.has(provenance.grow_step, units.start)
        self.check_fits(provenance)
        holder = self._catalogue.holding(provenance.grow_step, units.start)
        if holder is not None and units.stop <= holder.provenance.units.stop:
            return holder.path
        file = self.file(provenance.grow_step, provenance.shard_index, provenance.shard_count)
        self._catalogue.add(publish_shard(file, trajectories, provenance, self.store))
        return file

    def keep_tokenizer(self, tokenizer: Tokenizer) -> None:
        """Write a tokenizer beside the shards, unless it is there; any number of processes may do so at once.

        Raises:
            OSError: If it cannot be written; nothing is left behind.
        """
        keep_tokenizer(self.path, tokenizer)
        folder = tokenizer_folder(tokenizer)
        if self.store is not None and not self.store.look_up([folder]):
            files = sorted(file for file in (self.path / folder).rglob("*") if file.is_file())
            self.store.publish(folder, [str(file.relative_to(self.path)) for file in files])

    def kept_tokenizer(self, folder: str) -> Tokenizer | None:
        """The tokenizer of a folder that a shard names; None where it names none, or the folder is not there.

        Raises:
            ValueError: If it is corrupt.
        """
        if folder and self.store is not None and not self.store.fetch(folder):
            return None
        return kept_tokenizer(self.path, folder)

    @property
    def score_columns(self) -> list[str]:
        """Names of the columns of other scorers' rewards, finished or not."""
        if self.store is None:
            return score_columns(self.path)
        return sorted({entry.split("/")[1] for entry in self.store.known if entry.startswith(f"{FOLDER}/")})

    def shards_of(self, grow_step: int | Iterable[int] | None) -> list[Shard]:
        """The shards of one Grow step, by index, of some, or of all.

        Raises:
            ValueError: If there is none (of one of them).
        """
        if grow_step is None:
            if not self.shards:
                raise ValueError(f"{self!r} does not have any shard; call buffers.grow first")
            return list(self.shards)
        shards: list[Shard] = []
        for step in dict.fromkeys(map(operator.index, grow_step if isinstance(grow_step, Iterable) else (grow_step,))):
            if not self._catalogue.steps.get(step):
                raise ValueError(f"{self!r} does not have Grow step {step}; call buffers.grow first")
            shards += self._catalogue.steps[step]
        if not shards:
            raise ValueError("grow_step names no Grow step; give at least one, or None for all")
        return shards

    def select(
        self,
        filter: Filter | None = None,  # noqa: A002  # the word users know
        *,
        grow_step: int | Iterable[int] | None = None,
        scorer: str | None = None,
    ) -> Slice:
        """A view of what a filter keeps; what the filter looks at is read, no tokens.

        Args:
            filter: None keeps everything.
            grow_step: Only this one, as Algorithm 1 trains on the latest D_g, or these; None takes all. A per-source
                filter then ranks a source's trajectories of all those Grow steps together.
            scorer: Name of the column of rewards that :func:`buffers.rescore` made; None takes those of the Grow step.

        Raises:
            ValueError: If there is no shard (of that Grow step).
            ShardError: If a shard is corrupt, or lacks the column, or the column comes from several scorers.
        """
        shards = self.shards_of(grow_step)
        self._fetch(shards, scorer)
        columns = Columns(shards if scorer is None else rescored(shards, scorer))
        return Slice.of_columns(columns, shards[0].provenance.pad_id, self._vocab_size, filter)

    def check_task(self, task: Task) -> None:
        """Refuse a task or tokenizer other than the one that filled the folder.

        Raises:
            ShardError: Naming what differs and both its values.
        """
        wanted = {
            "task_fingerprint": task.fingerprint,
            "tokenizer_fingerprint": task.tokenizer.fingerprint,
            "pad_id": task.tokenizer.pad_id,  # the tokenizer's fingerprint says it too, unless the shard lies
        }
        for shard in self.shards[:1]:  # all agree
            for name, value in wanted.items():
                actual = getattr(shard.provenance, name)
                if actual != value:
                    raise ShardError(
                        f"buffer {self.location!r} has {name} {actual!r}, task {task.name!r} has {value!r}; "
                        "use another folder or the task that filled it"
                    )

    def verify(self) -> None:
        """Read every shard whole, and other scorers' rewards, and compare them with their checksums.

        Raises:
            ShardError: Naming the first that is corrupt.
        """
        for shard in self.shards:
            shard.verify()
            for column in [RescoredShard(shard, name) for name in self.score_columns]:
                if column.exists():
                    column.verify()

    def _open_folder(self) -> None:
        files = sorted(self.path.glob(f"[!.]*{SUFFIX}"))
        if self._untrusted:
            verify_untrusted([*files, *column_files(self.path)])
        for file in files:
            self._catalogue.add(Shard.open(file))

    def _open_store(self, store: ObjectStore) -> None:
        self._register_committed(store, store.entries())
        for step in self.grow_steps:
            planned = range(self._catalogue.steps[step][0].provenance.planned_shards)
            missing = [self.file(step, unit).name for unit in planned if self._catalogue.holding(step, unit) is None]
            late = store.look_up(missing[:LOOK_UPS])
            self._register_committed(store, late)
            if late:
                _LOG.warning(
                    "object store %r lists late, or workers are publishing: %d shards of Grow step %d are there and "
                    "were not listed; open the buffer again before you train on it",
                    store.url, len(late), step,
                )  # fmt: skip

    def _register_committed(self, store: ObjectStore, entries: Sequence[str]) -> None:
        names = [entry for entry in entries if entry.endswith(SUFFIX) and "/" not in entry]
        if self._untrusted:
            store.fetch_all(entries)
            verify_untrusted([store.folder / entry for entry in entries if entry.endswith(SUFFIX)])
        for name in names:
            shard = Shard.committed(name, store)
            if self._untrusted:
                shard.check_commit()
            self._catalogue.add(shard)

    def _fetch(self, shards: Sequence[Shard], scorer: str | None) -> None:
        """Download what is about to be read, several files at a time."""
        if self.store is not None:
            columns = [] if scorer is None else [RescoredShard(shard, scorer) for shard in shards]
            entries = [shard.path.name for shard in shards] + [each.entry for each in columns if each.exists()]
            self.store.fetch_all(entries)

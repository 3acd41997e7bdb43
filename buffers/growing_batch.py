"""The growing batch on disk: a folder of immutable shards, one file for each unit of Grow work."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from buffers.columns import Columns
from buffers.filters import Filter
from buffers.provenance import Provenance
from buffers.shard import Shard, ShardError, write_shard
from buffers.slices import Slice
from buffers.trajectories import Trajectories
from seq2seq_env.tasks.task import Task

SUFFIX = ".h5"
_NAME = re.compile(r"g(\d+)-s(\d+)\.h5")


class GrowingBatchBuffer:
    """Trajectories of all Grow steps (Algorithm 1's D_g), kept as shards ``g001-s00000.h5`` in one folder.

    Opening reads each shard's header, attributes and sizes, no tokens. Shards that other processes publish later are
    seen by :meth:`has`, and by opening the folder again.

    Args:
        path: The folder; the first :meth:`append` makes it.
        task: Refuse a folder that another task or tokenizer filled; None takes what is there.

    Raises:
        NotADirectoryError: If ``path`` is a file.
        ShardError: If a shard is damaged or foreign, or shards do not fit together or the task.
    """

    def __init__(self, path: str | Path, task: Task | None = None) -> None:
        self.path = Path(path)
        self._shards: dict[tuple[int, int], Shard] = {}
        self._first: dict[int, Shard] = {}
        if self.path.exists() and not self.path.is_dir():
            raise NotADirectoryError(f"buffer {str(path)!r} is a file; name a folder of shards")
        for file in sorted(self.path.glob(f"[!.]*{SUFFIX}")):
            self._register(file)
        if task is not None:
            self._check_task(task)

    @property
    def shards(self) -> list[Shard]:
        """The shards, by Grow step and index."""
        return [self._shards[key] for key in sorted(self._shards)]

    @property
    def grow_steps(self) -> list[int]:
        """The Grow steps that have a shard, rising."""
        return sorted({grow_step for grow_step, _ in self._shards})

    def __len__(self) -> int:
        """Trajectories in all shards."""
        return sum(shard.num_trajectories for shard in self._shards.values())

    def __repr__(self) -> str:
        tokens = sum(shard.num_tokens for shard in self._shards.values())
        return (
            f"GrowingBatchBuffer({str(self.path)!r}, grow_steps={self.grow_steps}, shards=[{len(self._shards)}], "
            f"trajectories=[{len(self)}], tokens=[{tokens}])"
        )

    def file(self, grow_step: int, shard_index: int) -> Path:
        """Where a shard lies, whether it exists or not."""
        return self.path / f"g{grow_step:03d}-s{shard_index:05d}{SUFFIX}"

    def has(self, grow_step: int, shard_index: int) -> bool:
        """Whether a shard is there, looking at the folder again.

        Raises:
            ShardError: If a file of that name is there that is damaged or does not fit.
        """
        if (grow_step, shard_index) not in self._shards and self.file(grow_step, shard_index).exists():
            self._register(self.file(grow_step, shard_index))
        return (grow_step, shard_index) in self._shards

    def check_fits(self, provenance: Provenance) -> None:
        """Refuse a shard made from something else than those present.

        All shards share task and tokenizer; those of one Grow step also policy, sampler, scorer, temperature, seed
        and numbers of sources and candidates.

        Raises:
            ShardError: Naming the first attribute that differs and both its values.
        """
        key = (provenance.grow_step, provenance.shard_index)
        # All shards agree on the task, and those of a Grow step on how it was grown: one of each speaks for the rest.
        present = [next(iter(self._shards.values()), None), self._first.get(key[0]), self._shards.get(key)]
        for shard in present:
            difference = shard.provenance.difference(provenance) if shard else None
            if shard and difference:
                raise ShardError(
                    f"shard {str(shard.path)!r} does not fit g{provenance.grow_step} s{provenance.shard_index}: "
                    f"{difference}; use another folder or the settings that made it"
                )

    def append(self, trajectories: Trajectories, provenance: Provenance) -> Path:
        """Publish a shard, whole or not at all; one that is there already, made the same way, is left as it is.

        Args:
            trajectories: The contents, scored.
            provenance: What made them; names the Grow step and the shard index.

        Returns:
            The shard's file.

        Raises:
            ShardError: If it does not fit the shards present.
            OSError: If it cannot be written.
        """
        self.check_fits(provenance)
        file = self.file(provenance.grow_step, provenance.shard_index)
        if self.has(provenance.grow_step, provenance.shard_index):
            self.check_fits(provenance)
        else:
            write_shard(file, trajectories, provenance)
            self._register(file)
        return file

    def select(self, filter: Filter | None = None, *, grow_step: int | None = None) -> Slice:  # noqa: A002
        """A view of what a filter keeps; rewards and lengths are read, no tokens.

        Args:
            filter: None keeps everything.
            grow_step: Only this one, as Algorithm 1 trains on the latest D_g; None takes all. A per-source filter
                then ranks a source's trajectories of all Grow steps together.

        Raises:
            ValueError: If there is no shard (of that Grow step).
            ShardError: If a shard has been damaged.
        """
        shards = [shard for shard in self.shards if grow_step in (None, shard.provenance.grow_step)]
        if not shards:
            wanted = "any shard" if grow_step is None else f"Grow step {grow_step}"
            raise ValueError(f"{self!r} does not have {wanted}; call buffers.grow first")
        starts = np.cumsum([0, *(shard.num_trajectories for shard in shards)], dtype=np.int64)
        columns = Columns.concatenate([Columns.of_shard(shard) for shard in shards])
        index = np.arange(len(columns), dtype=np.int64)
        whole = Slice(shards, columns, starts, index, shards[0].provenance.pad_id)
        return whole if filter is None else whole.select(filter)

    def verify(self) -> None:
        """Read every shard whole and compare it with its checksum.

        Raises:
            ShardError: Naming the first that has been damaged.
        """
        for shard in self.shards:
            shard.verify()

    def _register(self, file: Path) -> None:
        shard = Shard.open(file)
        key = (shard.provenance.grow_step, shard.provenance.shard_index)
        named = _NAME.fullmatch(file.name)
        if named is None or key != (int(named[1]), int(named[2])):
            raise ShardError(
                f"shard {str(file)!r} holds Grow step {key[0]}, index {key[1]}; "
                f"name it {self.file(*key).name!r} or move it out of the folder"
            )
        self.check_fits(shard.provenance)
        self._shards[key] = shard
        self._first.setdefault(key[0], shard)

    def _check_task(self, task: Task) -> None:
        wanted = {"task_fingerprint": task.fingerprint, "tokenizer_fingerprint": task.tokenizer.fingerprint}
        for shard in self.shards[:1]:  # all agree
            for name, value in wanted.items():
                found = getattr(shard.provenance, name)
                if found != value:
                    raise ShardError(
                        f"buffer {str(self.path)!r} has {name} {found!r}, task {task.name!r} has {value!r}; "
                        "use another folder or the task that filled it"
                    )

"""Reward columns: another scorer's rewards beside the shards, a small file per shard in a folder of the column's name.

``scores/{name}/g001-s00000.h5`` goes with shard ``g001-s00000.h5``. It has a shard's header, the attributes
``schema_version`` (int64, 2), ``name``, ``scorer_fingerprint``, ``shard_contents_sha256`` (the shard's
``contents_sha256``) and a ``contents_sha256`` of its own, and one dataset ``reward``, float32 [N], in the order of the
shard's trajectories.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from buffers.storage import arrays, container
from buffers.storage.arrays import CONTENTS, Attribute, File
from buffers.storage.columns import Column
from buffers.storage.container import ShardError, corrupt
from buffers.storage.layout import Layout
from buffers.storage.shard import Shard
from buffers.storage.trajectories import Trajectories, check_rewards

SCORES_LAYOUT: Layout = {"reward": (np.dtype(np.float32), "N")}
SCORES_VERSION = 2
FOLDER = "scores"
KINDS = {
    "name": "str",
    "scorer_fingerprint": "str",
    "shard_contents_sha256": "str",
    CONTENTS: "str",
}
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class RescoredShard:
    """A shard with another scorer's rewards in place of its own.

    Whatever reads a file raises :class:`ShardError` where it is corrupt, missing, or belongs to another shard.

    Args:
        shard: The trajectories.
        name: Of the column.

    Raises:
        ValueError: If the name cannot be a folder's.
    """

    def __init__(self, shard: Shard, name: str) -> None:
        if not PLAIN_NAME.fullmatch(name):
            raise ValueError(f"a column cannot be called {name!r}; use letters, digits, dots, dashes and underscores")
        self.shard, self.name = shard, name

    @property
    def path(self) -> Path:
        """The file of the rewards."""
        return self.shard.path.parent / FOLDER / self.name / self.shard.path.name

    @property
    def temperature(self) -> float | None:
        """That the behaviour policy was sampled at; None where nobody recorded it."""
        return self.shard.temperature

    @property
    def grow_step(self) -> int:
        """That it is of."""
        return self.shard.grow_step

    @property
    def num_trajectories(self) -> int:
        """N."""
        return self.shard.num_trajectories

    @property
    def num_tokens(self) -> int:
        """Target tokens."""
        return self.shard.num_tokens

    @property
    def entry(self) -> str:
        """The file within the buffer."""
        return f"{FOLDER}/{self.name}/{self.path.name}"

    def exists(self) -> bool:
        """Whether the rewards are there; in an object store, whether they were when the buffer was opened."""
        store = self.shard.store
        return self.path.is_file() if store is None else self.entry in store.known

    def write(self, reward: NDArray[np.float32], scorer_fingerprint: str) -> None:
        """Publish the rewards atomically.

        Args:
            reward: float32 [N].
            scorer_fingerprint: Of what gave them.

        Raises:
            ValueError: If they are not one number in [0, 1] a trajectory.
            OSError: If the file cannot be written.
        """
        if reward.shape != (self.num_trajectories,):
            raise ValueError(
                f"there are {reward.shape} rewards for {self.num_trajectories} trajectories; give one each"
            )
        check_rewards("reward", reward)
        attributes: dict[str, Attribute] = {
            "schema_version": SCORES_VERSION,
            "name": self.name,
            "scorer_fingerprint": scorer_fingerprint,
            "shard_contents_sha256": self.shard.contents_sha256,
        }
        container.publish(self.path, arrays.encode({"reward": reward}, attributes))
        if self.shard.store is not None:
            self.shard.store.publish(self.entry, [self.entry])

    def scorer_fingerprint(self) -> str:
        """Of the scorer that gave the rewards."""
        with self._opened() as (_, attributes):
            return str(attributes["scorer_fingerprint"])

    def column(self, name: Column) -> NDArray[Any]:
        """One number a trajectory, [N]."""
        return self._rewards() if name == "reward" else self.shard.column(name)

    def read(self) -> Trajectories:
        """All trajectories, validated."""
        return replace(self.shard.read(), reward=self._rewards())

    def verify(self) -> None:
        """Compare every byte of the rewards with their checksum, at an object store too."""
        if self.shard.store is not None and self.exists():
            self.shard.store.check(self.entry)
            self.shard.store.fetch(self.entry)
        container.verify(self.path)
        self._rewards()

    def _rewards(self) -> NDArray[np.float32]:
        with self._opened() as (file, _):
            reward = arrays.read(file, SCORES_LAYOUT)["reward"]
        try:
            check_rewards("reward", reward)
        except ValueError as error:
            raise corrupt(self.path, str(error)) from error
        return reward

    @contextmanager
    def _opened(self) -> Iterator[tuple[File, dict[str, Attribute]]]:
        store = self.shard.store
        # A store that came out of a pickle knows nothing yet, so it is asked.
        if not (self.path.is_file() if store is None else store.fetch(self.entry)):
            raise ShardError(
                f"shard {str(self.shard.path)!r} has no rewards {self.name!r}; "
                "name those of another scorer, or make them with: python -m buffers rescore"
            )
        with container.opened(self.path) as file:
            container.check_schema(self.path, file, SCORES_VERSION)
            sizes = arrays.check(self.path.name, file, SCORES_LAYOUT)
            attributes = {"schema_version": SCORES_VERSION, **arrays.read_attributes(file, KINDS)}
            if file.rewritten:
                arrays.check_contents(file, attributes, SCORES_LAYOUT)
            belongs = attributes["shard_contents_sha256"] == self.shard.contents_sha256
            if sizes["N"] != self.num_trajectories or not belongs:
                raise ShardError(
                    f"rewards {str(self.path)!r} do not belong to the shard of that name; delete them and rescore"
                )
            yield file, attributes


def rescored(shards: Sequence[Shard], name: str) -> list[RescoredShard]:
    """The shards with another column's rewards, which are one scorer's.

    Raises:
        ShardError: As :func:`one_scorer`.
    """
    columns = [RescoredShard(shard, name) for shard in shards]
    one_scorer(columns)
    return columns


def one_scorer(columns: Sequence[RescoredShard]) -> str:
    """Fingerprint of the scorer that gave all rewards of a column, of which these are some parts.

    Raises:
        ShardError: If one is missing or corrupt, or they come from several scorers.
    """
    first = columns[0].scorer_fingerprint()
    for column in columns[1:]:
        other = column.scorer_fingerprint()
        if other != first:
            raise ShardError(
                f"rewards {column.name!r} come from several scorers: {first[:12]} rated {columns[0].path.name}, "
                f"{other[:12]} rated {column.path.name}; delete those of one and rescore under another name"
            )
    return first


def verify_column(file: Path) -> None:
    """Compare every byte of a file of rewards with its checksum, and that it belongs to its shard.

    Raises:
        ShardError: If it is not what was written.
    """
    RescoredShard(Shard.open(file.parents[2] / file.name), file.parent.name).verify()


def score_columns(folder: Path) -> list[str]:
    """Names of the columns that a buffer's folder has, finished or not; folders of other names are others' affair."""
    names = {path.name for path in (folder / FOLDER).glob("*") if path.is_dir()}
    return sorted(filter(PLAIN_NAME.fullmatch, names))


def column_files(folder: Path) -> list[Path]:
    """The files of all columns in a buffer's folder whose shards are there."""
    places = [folder / FOLDER / name for name in score_columns(folder)]
    return [file for place in places for file in sorted(place.glob("[!.]*.h5")) if (folder / file.name).exists()]

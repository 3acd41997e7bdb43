"""A slice of the buffer as a data set of Minari, and back.

Shape letters: S longest source, T target length, P length limit of a target.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from buffers.interop.atomic_write import atomic_write
from buffers.interop.rows import Row, check_lengths, chunks, in_chunks, join, join_all, rows, stepwise_reward
from buffers.slices import Slice
from buffers.storage.trajectories import Trajectories
from seq2seq_env.extras import require
from seq2seq_env.mdp.definition import observation_space
from seq2seq_env.mdp.sources import FREE_TEXT
from seq2seq_env.tasks import load_task
from seq2seq_env.tasks.task import Task

_LOGGER = logging.getLogger(__name__)

ENVIRONMENT = "Seq2SeqTranslate-v0"

MAX_GIB = 1.0
"""Size of a data set above which one is written only where asked for."""

STEP_BYTES = 8 + 4 + 1 + 1
"""An action, a reward, and both ends."""

INFO_BYTES = 4 + 8 + 1 + 8 + 8
"""The infos of an observation."""

EPISODE_BYTES = 36_300
"""What HDF5 takes for an episode's group and its thirteen data sets, whatever they hold; measured with h5py 3.16."""


def to_minari(
    data: Slice,
    dataset_id: str,
    *,
    task: Task | None = None,
    description: str = "",
    max_gib: float = MAX_GIB,
    progress: bool = False,
) -> Any:
    """Write a slice as a data set of Minari, among those of ``MINARI_DATASETS_PATH``: an episode a trajectory.

    An episode is what ``Seq2SeqTranslate-v0`` would have shown and been told, T + 1 observations of ``source``,
    ``source_length``, ``prefix`` and ``prefix_length`` (int64) and T actions (int64), so that whatever learns from it
    acts in the environment as it is. Rewards (float32) are 0 but for the last. The infos, one an observation, hold
    ``log_prob`` (float32) of the token that led there, NaN at the start, and what does not change: ``source_index``
    (int64), ``is_reference`` (bool), ``grow_step`` and ``candidate`` (int64, see
    :class:`buffers.interop.rows.Chunk`). What Minari cannot hold: which shard a trajectory is of, and that padding is
    never written, its action space being a plain ``Discrete``. It makes thirteen HDF5 data sets an episode, of
    uncompressed observations: some 40 KiB where a shard takes 100 bytes, at some hundred episodes per second.

    Args:
        data: Read in pieces.
        dataset_id: ``name-v0`` or ``namespace/name-v0``.
        task: What was translated; spaces are its environment's, which ``recover_environment`` makes where
            ``load_task(task.name)`` gives this task. None: spaces as large as the slice needs, and no environment.
        description: Kept in the metadata.
        max_gib: Size, in GiB, above which nothing is written, as :func:`buffers.interop.minari.minari_bytes` forecasts
            it.
        progress: Show trajectories done, rate and time left.

    Returns:
        The ``minari.MinariDataset``, loaded from there.

    Raises:
        FileExistsError: If there is a data set of that id.
        ImportError: If minari is not installed.
        OSError: If it cannot be written; nothing is left behind.
        ValueError: If the id is malformed, the task's spaces are too small, or the data set would be too large.
    """
    minari, namespaces = require("minari", "the format minari"), require("minari.namespace", "the format minari")
    namespace, folder = _place(dataset_id)
    if task is None:
        longest = int(data.source_lengths.max(initial=1)), int(data.target_lengths.max(initial=1))
        ids = (max(part.tokens.max(initial=0), part.source_tokens.max(initial=0)) for part in data.pieces())
        vocab_size = max(int(max(ids, default=0)), data.pad_id) + 1
    else:
        longest, vocab_size = (task.max_source_length, task.max_target_length), task.tokenizer.vocab_size
    gib = minari_bytes(data, *longest) / 2**30
    if gib > max_gib:
        raise ValueError(
            f"{len(data):,} episodes would take about {gib:.2g} GiB in Minari's format, above max_gib {max_gib:g}; "
            f"filter them, choose another format, or give max_gib {math.ceil(gib)}"
        )
    _LOGGER.info("%s episodes, about %.0f MiB in Minari's format", f"{len(data):,}", gib * 2**10)
    with atomic_write(folder) as partial:
        partial.mkdir()
        storage = require("minari.dataset.minari_storage", "the format minari").MinariStorage.new(
            partial / "data",
            observation_space=observation_space(vocab_size, *longest),
            action_space=gym.spaces.Discrete(vocab_size),
            env_spec=None if task is None else _environment(task),
        )
        storage.update_metadata(
            {"dataset_id": dataset_id, "minari_version": minari.__version__, "description": description}
        )
        storage.update_episodes(_buffers(data, longest, vocab_size, progress=progress))
    if namespace is not None and namespace not in namespaces.list_local_namespaces():
        namespaces.create_namespace(namespace)
    return minari.load_dataset(dataset_id)


def from_minari(dataset: Any, *, eos_id: int | None = None) -> Trajectories:
    """The trajectories of a ``minari.MinariDataset`` of ``Seq2SeqTranslate-v0``, filtered or not.

    What :func:`to_minari` wrote comes back exactly. ``minari.DataCollector`` records less: without the info
    ``log_prob`` it is NaN, without ``is_reference`` no target is one, and without ``source_index`` that numbers the
    distinct sources in the order of their appearance, and is no row of a split. An episode that was given up looks as
    one cut by the length limit, with reward 0.

    Args:
        dataset: As ``minari.load_dataset`` gives it.
        eos_id: The end-of-sequence token of who played with ``limit_terminates``, whose targets that the limit cut were
            recorded as terminated; None takes all ends as they were recorded.

    Raises:
        ValueError: If an episode is not one of translation, naming it, or only some episodes have ``source_index`` or
            ``log_prob``.
    """
    return join_all(join(chunk) for chunk in in_chunks(_rows(dataset, eos_id)))


def minari_bytes(data: Slice, max_source_length: int, max_target_length: int) -> int:
    """About how many bytes :func:`to_minari` would write, within a tenth.

    Args:
        data: Of which the lengths are read.
        max_source_length: Of the observations.
        max_target_length: Of the observations.
    """
    steps = data.num_tokens
    observation = 8 * (max_source_length + 1 + max_target_length + 1) + INFO_BYTES
    return (steps + len(data)) * observation + steps * STEP_BYTES + len(data) * EPISODE_BYTES


def _place(dataset_id: str) -> tuple[str | None, Path]:
    try:
        namespace, _, _ = require("minari.dataset.minari_dataset", "the format minari").parse_dataset_id(dataset_id)
    except (ValueError, TypeError) as error:  # TypeError where the version is missing
        raise ValueError(f"{dataset_id!r} is no id of Minari; give one like 'name-v0' or 'space/name-v0'") from error
    return namespace, require("minari.storage", "the format minari").get_dataset_path(dataset_id)


def _environment(task: Task) -> Any:
    """The specification from which Gymnasium makes the task's environment, where its name says enough."""
    try:
        by_name = load_task(task.name)
    except ValueError:
        return None
    if by_name.fingerprint != task.fingerprint:
        return None
    return dataclasses.replace(gym.spec(ENVIRONMENT), kwargs={"task": task.name})


def _buffers(data: Slice, longest: tuple[int, int], vocab_size: int, *, progress: bool) -> Iterator[Any]:
    """An ``EpisodeBuffer`` a trajectory, made when the storage asks for it."""
    episode_buffer = require("minari.data_collector.episode_buffer", "the format minari").EpisodeBuffer
    for part, grow_step, candidate in chunks(data, progress=progress):
        part.check_tokens(vocab_size)
        check_lengths(part, *longest)
        for row, step, number in zip(rows(part), grow_step, candidate, strict=True):
            steps = len(row.target_tokens)
            rewards = np.zeros(steps, dtype=np.float32)
            rewards[-1] = row.reward
            ends = np.arange(1, steps + 1) == steps
            yield episode_buffer(
                observations=_observations(row, longest, data.pad_id),
                actions=row.target_tokens.astype(np.int64),
                rewards=rewards,
                terminations=ends & row.terminated,
                truncations=ends & (not row.terminated),
                infos={
                    "log_prob": np.concatenate([np.full(1, np.nan, dtype=np.float32), row.log_prob]),
                    "source_index": np.full(steps + 1, row.source_index),
                    "is_reference": np.full(steps + 1, row.is_reference),
                    "grow_step": np.full(steps + 1, step),
                    "candidate": np.full(steps + 1, number),
                },
            )


def _observations(row: Row, longest: tuple[int, int], pad_id: int) -> dict[str, NDArray[np.int64]]:
    """What is seen before each step, and after the last: source [T+1,S], prefix [T+1,P], lengths [T+1,1]."""
    source, target = (np.full(length, pad_id, dtype=np.int64) for length in longest)
    source[: len(row.source_tokens)] = row.source_tokens
    target[: len(row.target_tokens)] = row.target_tokens
    written = np.arange(len(row.target_tokens) + 1)[:, None]
    return {
        "source": np.tile(source, (len(written), 1)),
        "source_length": np.full_like(written, len(row.source_tokens)),
        "prefix": np.where(np.arange(len(target)) < written, target, pad_id),
        "prefix_length": written,
    }


def _rows(dataset: Any, eos_id: int | None) -> Iterator[Row]:
    wanted = {"source", "source_length", "prefix", "prefix_length"}
    if not (isinstance(dataset.observation_space, gym.spaces.Dict) and wanted <= set(dataset.observation_space)):
        raise ValueError(f"{dataset.id!r} observes {dataset.observation_space}; give a data set of {ENVIRONMENT}")
    seen: dict[bytes, int] = {}
    known: set[bool] = set()
    for episode in dataset.iterate_episodes():
        try:
            row = _row(episode, eos_id)
        except (ValueError, TypeError, IndexError, KeyError) as error:
            raise ValueError(f"episode {episode.id} of {dataset.id!r} is no translation: {error}") from error
        known.add(row.source_index != FREE_TEXT)
        if len(known) > 1:
            raise ValueError(f"{dataset.id!r} has a source_index in some episodes only; choose with filter_episodes")
        if row.source_index == FREE_TEXT:
            row = row._replace(source_index=seen.setdefault(row.source_tokens.tobytes(), len(seen)))
        yield row


def _row(episode: Any, eos_id: int | None) -> Row:
    observed, infos = episode.observations, episode.infos or {}
    target, steps = np.asarray(episode.actions), len(episode.actions)
    source_length = int(observed["source_length"][0, 0])
    source = observed["source"][0, :source_length]
    if len(source) != source_length or not np.array_equal(observed["prefix"][steps, :steps], target):
        raise ValueError("its last prefix is not what its actions wrote, or its source is shorter than its length")
    if not (episode.terminations[-1] or episode.truncations[-1]):
        raise ValueError("it does not end")
    log_prob = np.asarray(infos.get("log_prob", np.full(steps + 1, np.nan)), dtype=np.float32)
    if log_prob.shape != (steps + 1,):
        raise ValueError(f"it has log_prob of shape {log_prob.shape} for {steps} steps")
    exported = "is_reference" in infos
    return Row(
        source_index=int(infos["source_index"][0]) if "source_index" in infos else FREE_TEXT,
        source_tokens=source.astype(np.int32),
        target_tokens=target.astype(np.int32),
        log_prob=log_prob[1:],
        reward=stepwise_reward(np.asarray(episode.rewards)),
        # A length limit may have terminated what was played, where only end-of-sequence does here.
        terminated=bool(episode.terminations[-1]) and (exported or eos_id is None or bool(target[-1] == eos_id)),
        is_reference=exported and bool(infos["is_reference"][0]),
    )

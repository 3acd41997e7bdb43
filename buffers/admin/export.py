"""A buffer, or what a filter keeps of it, in another library's format: ``python -m buffers export``."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from buffers.admin.maintenance import describe
from buffers.filters import Filter
from buffers.growing_batch import GrowingBatchBuffer
from buffers.interop import to_datasets, to_jsonl, to_minari, to_parquet
from buffers.interop.atomic_write import atomic_write
from buffers.interop.minari import MAX_GIB
from buffers.slices import Slice
from buffers.storage.object_store import local_folder, object_store
from buffers.storage.reward_columns import RescoredShard, one_scorer
from seq2seq_env.tasks import TaskOptions, load_task
from seq2seq_env.tasks.task import Task
from seq2seq_env.tokenization.tokenizer import Tokenizer

Format = Literal["minari", "parquet", "jsonl", "datasets"]

FILES = ("parquet", "jsonl")
"""Formats whose target is one file; the others' are folders."""

NOT_HELD: dict[Format, list[str]] = {
    "minari": [
        "the shard of each trajectory",
        "that padding is never written: the action space is a plain Discrete",
    ],
    "parquet": ["the shard of each trajectory"],
    "jsonl": [
        "the shard of each trajectory",
        "what made them: task, policy, scorer, temperature, seed",
    ],
    "datasets": ["the shard of each trajectory"],
}

NEXT: dict[Format, str] = {
    "minari": "minari.load_dataset({out!r}), then buffers.from_minari for trajectories",
    "parquet": "buffers.from_parquet({out!r}), or any reader of Parquet",
    "jsonl": "buffers.from_jsonl({out!r}), or any reader of JSON Lines",
    "datasets": "datasets.load_from_disk({out!r}), then buffers.from_datasets for trajectories",
}


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        format: Of the target.
        path: File or folder.
        trajectories: Number written.
        tokens: Of their targets.
        bytes: Size on disk.
        not_held: What the target cannot hold.
        tokenizer: Folder of the tokenizer; None where none was asked for.
        next: How to read it.
    """

    format: Format
    path: str
    trajectories: int
    tokens: int
    bytes: int
    not_held: list[str]
    tokenizer: str | None
    next: str


def export(
    path: str | Path,
    to: Format,
    out: str,
    *,
    grow_step: int | None = None,
    filter: Filter | None = None,  # noqa: A002  # the word users know
    scorer: str | None = None,
    texts: bool = False,
    tokenizer: bool = False,
    task_options: TaskOptions | None = None,
    max_gib: float = MAX_GIB,
    progress: bool = True,
) -> Exported:
    """Write what a filter keeps of a buffer atomically, never in place of something.

    What made the trajectories goes into the description of a target that has one, as JSON: the ``grow_steps``, the
    ``column`` of rewards with its scorer's fingerprint, null where the rewards are those of the Grow step, and the
    ``filter``, null where everything was kept.

    Args:
        path: The buffer's folder or URL.
        to: The target's format.
        out: File or folder to make; the id of the data set for Minari.
        grow_step: Only this one; None takes all.
        filter: None keeps everything.
        scorer: Column of rewards to take, as in :meth:`GrowingBatchBuffer.select`.
        texts: Add decoded texts.
        tokenizer: Write the tokenizer too: to ``tokenizer/`` within a target that is a folder, to ``{out}.tokenizer/``
            beside one that is a file.
        task_options: What ``load_task`` needs beside the task's name.
        max_gib: Size of a target of Minari, in GiB, above which nothing is written.
        progress: Show trajectories done, rate and time left.

    Raises:
        ImportError: If the target's library is not installed.
        OSError: If there is no such buffer, the target or its tokenizer's folder exists, or it cannot be written.
        ValueError: If the buffer is corrupt or lacks the Grow step, its tokenizer is neither beside the shards nor the
            task's, ``out`` names no file or folder or an object store, or the target would be too large.
    """
    place = _place(out)
    steps = [step for step in describe(path) if grow_step in (None, step.grow_step)]
    buffer = GrowingBatchBuffer(path)
    data = buffer.select(filter, grow_step=grow_step, scorer=scorer)
    provenance = steps[0].provenance  # a buffer has one task
    columns = [] if scorer is None else [RescoredShard(shard, scorer) for shard in buffer.shards_of(grow_step)]
    description = json.dumps(
        {
            "grow_steps": [step.provenance for step in steps],
            "column": {"name": scorer, "scorer_fingerprint": one_scorer(columns)} if columns else None,
            "filter": None if filter is None else {"kind": type(filter).__name__, "value": filter.value},
        }
    )
    not_held = NOT_HELD[to]
    if texts and to == "minari":
        raise ValueError("Minari holds tokens, no texts beside them; leave out texts, or choose another format")
    needed_by = "texts need" if texts else "--tokenizer needs"
    kept = _tokenizer_of(buffer, provenance, task_options or {}, needed_by) if texts or tokenizer else None
    beside = place.with_name(place.name + ".tokenizer")
    if tokenizer and to in FILES and beside.exists():
        raise FileExistsError(
            f"{str(beside)!r}, where the tokenizer would be, is there already; choose another name, or delete it"
        )
    if to == "minari":
        task = _task_of(provenance, task_options or {})
        if task is None:
            not_held = [*not_held, f"an environment: load_task({provenance['task']!r}) does not give the buffer's task"]
        written = to_minari(data, out, task=task, description=description, max_gib=max_gib, progress=progress)
        place = Path(written.storage.data_path).parent
    else:
        _write_table(data, place, to, kept if texts else None, description, progress=progress)
    tokenizer_place = beside if to in FILES else place / "tokenizer"
    if tokenizer and kept is not None:
        try:
            with atomic_write(tokenizer_place) as partial:
                partial.mkdir()
                kept.save(partial)
        except BaseException:
            # What lacks its tokenizer is not what was asked for, and would be in the way of another try.
            shutil.rmtree(place) if place.is_dir() else place.unlink()
            raise
    return Exported(
        format=to,
        path=str(place),
        trajectories=len(data),
        tokens=data.num_tokens,
        bytes=sum(file.stat().st_size for file in (place, *place.rglob("*")) if file.is_file()),
        not_held=not_held,
        tokenizer=str(tokenizer_place) if tokenizer else None,
        next=NEXT[to].format(out=out if to == "minari" else str(place)),
    )


def _place(out: str) -> Path:
    """The file or folder to make; of Minari's id what nobody uses."""
    if object_store(out) is not None:
        raise ValueError(
            f"{out!r} is an object store, and export writes to this machine; name a file or folder, and copy it there"
        )
    place = local_folder(out)
    if not place.name:
        raise ValueError(f"out is {out!r}, which names no file or folder to make; give a new name")
    return place


def _write_table(
    data: Slice, place: Path, to: Format, tokenizer: Tokenizer | None, description: str, *, progress: bool
) -> None:
    if to == "jsonl":
        to_jsonl(data, place, tokenizer=tokenizer, progress=progress)
    elif to == "parquet":
        to_parquet(data, place, tokenizer=tokenizer, description=description, progress=progress)
    else:
        to_datasets(data, place, tokenizer=tokenizer, description=description, progress=progress)


def _tokenizer_of(
    buffer: GrowingBatchBuffer, provenance: dict[str, Any], options: TaskOptions, needed_by: str
) -> Tokenizer:
    """The tokenizer with which a buffer was made: the one beside the shards, or where there is none the task's."""
    tokenizer = buffer.kept_tokenizer(provenance["tokenizer_folder"])
    owner = f"that in {provenance['tokenizer_folder']!r}"
    if tokenizer is None:
        owner = f"that of task {provenance['task']!r}"
        try:
            tokenizer = load_task(provenance["task"], **options).tokenizer
        except ValueError as error:
            raise ValueError(f"{needed_by} the buffer's tokenizer: {error}; leave it out") from error
    if tokenizer.fingerprint != provenance["tokenizer_fingerprint"]:
        raise ValueError(
            f"{needed_by} the buffer's tokenizer {provenance['tokenizer_fingerprint'][:12]}, {owner} is "
            f"{tokenizer.fingerprint[:12]}; leave it out"
        )
    return tokenizer


def _task_of(provenance: dict[str, Any], options: TaskOptions) -> Task | None:
    """The task with which a buffer was made, where name and options say enough."""
    try:
        task = load_task(provenance["task"], **options)
    except ValueError:
        return None
    return task if task.fingerprint == provenance["task_fingerprint"] else None

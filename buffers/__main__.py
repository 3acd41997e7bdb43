"""Maintenance of a growing-batch buffer: what is in it, what is corrupt, what to grow again, export and import."""

from __future__ import annotations

import json
import logging
import shlex
import sys
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import tyro

from buffers.admin.command import BufferCommand, Command, as_ranges
from buffers.admin.compaction import compact
from buffers.admin.export import Format, export
from buffers.admin.import_command import Import
from buffers.admin.maintenance import (
    QUARANTINE,
    GrowStepInfo,
    count_shards,
    describe,
    existing,
    find_corrupt,
    open_buffer,
    quarantine,
    sweep,
)
from buffers.admin.rescoring import rescore
from buffers.admin.run_record import recorded_task_options
from buffers.filters import make_filter
from buffers.growing_batch import GrowingBatchBuffer
from buffers.interop.minari import MAX_GIB
from buffers.storage.container import SchemaError
from buffers.storage.object_store import object_store
from seq2seq_env.commands import arguments, command_frame
from seq2seq_env.scorers import has_kind, load_scorer
from seq2seq_env.tasks import TaskOptions, load_task

BLOCKS = " ▁▂▃▄▅▆▇█"

DRAWN_FROM = {
    "train": "train sources",
    "source-only": "source-only sentences",
    "both": "train sources and source-only sentences",
}
"""What a Grow step drew from, in words, by :data:`buffers.GrowFrom`."""


@dataclass(frozen=True)
class Info(BufferCommand):
    """Grow steps, shards, trajectories, tokens, rewards, size and what made them."""

    def run(self) -> int:
        """Print it; 0."""
        steps = describe(self.path)
        if self.json:
            print(json.dumps([asdict(step) for step in steps], indent=2))
        elif not steps:
            print(f"{self.path}: no shard yet; buffers.grow makes them")
        else:
            print("\n\n".join(_text(step) for step in steps))
        return 0


@dataclass(frozen=True)
class Verify(BufferCommand):
    """Read every shard whole, compare it with its checksum and with the others; exit with 1 if one cannot be used."""

    untrusted: bool = False
    """Read each file from elsewhere in a child process with limits of memory and time, so that it can do no harm."""

    def run(self) -> int:
        """Print what is corrupt, of another release, or does not go with the others; 1 if anything is."""
        shards = count_shards(self.path)
        corrupt = list(find_corrupt(self.path, untrusted=self.untrusted, progress=not self.json))
        if self.json:
            print(json.dumps([asdict(file) for file in corrupt], indent=2))
        else:
            for file in corrupt:
                print(file.problem)
            # A file of another release is not to be moved: repair would stop at it.
            is_repairable = object_store(self.path) is None and not any(file.is_other_schema for file in corrupt)
            if is_repairable and not all(file.is_misfit for file in corrupt):
                print(f"next: python -m buffers repair {shlex.quote(self.path)}{' --untrusted' * self.untrusted}")
            elif not corrupt:
                print(f"{self.path}: every shard is whole, {shards:,} in all")
        return 1 if corrupt else 0


@dataclass(frozen=True)
class Repair(BufferCommand):
    """Move corrupt files into quarantine, delete what killed writers left unfinished, and say what to grow again."""

    untrusted: bool = False
    """Read each file from elsewhere in a child process with limits of memory and time, so that it can do no harm."""

    def run(self) -> int:
        """Move the corrupt files, delete the unfinished; 1 if shards stay that do not go with the others, 0 otherwise.

        Raises:
            SchemaError: If another release wrote a file; then nothing is moved.
        """
        existing(self.path)
        found = list(find_corrupt(self.path, untrusted=self.untrusted, progress=not self.json))
        for file in found:
            if file.is_other_schema:
                raise SchemaError(file.problem)
        misfits = [file for file in found if file.is_misfit]
        corrupt = [file for file in found if not file.is_misfit]
        for file in corrupt:
            quarantine(self.path, file)
        swept = [str(partial.relative_to(existing(self.path))) for partial in sweep(self.path)]
        # With a shard that does not go with the others, the buffer cannot be opened, and nobody says what it lacks.
        steps = [] if misfits else describe(self.path)
        missing = {step.grow_step: step.missing_shards for step in steps if step.missing_shards}
        if self.json:
            moved, left = ([asdict(file) for file in files] for files in (corrupt, misfits))
            print(json.dumps({"quarantined": moved, "deleted": swept, "misfits": left, "missing": missing}, indent=2))
            return 1 if misfits else 0
        for file in corrupt:
            print(f"moved {file.file} to {existing(self.path) / QUARANTINE}: {file.problem}")
        for partial in swept:
            print(f"deleted {partial}: its writer was killed")
        for file in misfits:
            print(f"left {file.file} where it is: {file.problem}")
        for grow_step, shards in missing.items():
            print(f"Grow step {grow_step} lacks shards {as_ranges(shards)}; the same Grow makes them again")
        if not found and not swept and not missing:
            print(f"{self.path}: nothing to repair")
        return 1 if misfits else 0


@dataclass(frozen=True)
class Compact(BufferCommand):
    """Merge many small shards of a Grow step into few large files, which open faster; nothing else changes."""

    path: tyro.conf.Positional[str]
    """Folder of the buffer; nothing else may read it meanwhile."""
    trajectories_per_file: int = 250_000
    """Number of trajectories up to which a file is filled, at least 1."""

    def run(self) -> int:
        """Print what was merged; 0."""
        before = len(GrowingBatchBuffer(existing(self.path)).shards)
        finished = compact(self.path, trajectories_per_file=self.trajectories_per_file, progress=not self.json)
        after = len(GrowingBatchBuffer(self.path).shards)
        if self.json:
            record = {"files_before": before, "files_after": after, "merged": [file.name for file in finished]}
            print(json.dumps(record, indent=2))
        else:
            print(f"{self.path}: {before} files before, {after} now, {len(finished)} of them made by this call")
        return 0


@dataclass(frozen=True)
class Rescore(BufferCommand):
    """Add another scorer's rewards as a column beside the shards; run again to go on where it stopped."""

    scorer: str
    """Name or folder of the scorer, or "process:", "metricx:" or "ensemble:" and what it is made of."""
    task_options: TaskOptions = field(default_factory=dict)
    """Options of the task that grew the buffer, all of them, names and values in turn; none takes those that a run
    recorded beside it, in its config.json."""
    name: str | None = None
    """Name of the column, by which select(..., scorer=name) finds it; None takes the scorer's, or its folder's, which
    a scorer made on the command line has not."""
    grow_step: int | None = None
    """Number of the only Grow step to score, from 0; None takes all."""
    device: str = "cpu"
    """Device on which the scorer computes, "cpu" or "cuda"."""

    def run(self) -> int:
        """Print what was scored; 0."""
        if self.name is None and has_kind(self.scorer):
            raise ValueError(f"the scorer {self.scorer!r} has no name of its own; give the column one with --name")
        name = self.name or Path(self.scorer).name
        filled_by = open_buffer(self.path).shards_of(self.grow_step)[0].provenance.task
        task = load_task(filled_by, **(self.task_options or recorded_task_options(self.path, filled_by)))
        buffer = GrowingBatchBuffer(self.path, task=task)
        scorer = load_scorer(self.scorer, device=self.device, task=task)
        written = rescore(buffer, scorer, task, name, grow_step=self.grow_step, progress=not self.json)
        data = buffer.select(grow_step=self.grow_step, scorer=name)
        before = buffer.select(grow_step=self.grow_step).mean_reward()
        if self.json:
            record = {"name": name, "shards_written": written, "mean_reward": data.mean_reward(), "before": before}
            print(json.dumps(record, indent=2))
        else:
            print(f"{self.path}: {written} shards scored as {name!r}, reward {data.mean_reward():.3f} on average")
            print(f"the Grow step's own scorer: {before:.3f}")
            print(f"next: buffer.select(..., scorer={name!r})")
        return 0


@dataclass(frozen=True)
class Export(BufferCommand):
    """Write trajectories for another library; the target must not exist, and is written atomically."""

    to: Format
    """Format of the target."""
    out: str
    """File (parquet, jsonl; gzip where jsonl ends in .gz) or folder (datasets) to make, or id (minari: name-v0)."""
    grow_step: int | None = None
    """Number of the only Grow step to write; None takes all."""
    filter: Literal["threshold", "percentile", "interpolation", "best"] | None = None
    """Kind of filter whose trajectories are kept, with --value; None keeps all."""
    value: float | None = None
    """Value of the filter: threshold's tau in [0, 1), percentile's p in [0, 100), interpolation's gamma in [0, 1), or
    best's k, a whole number of at least 1."""
    scorer: str | None = None
    """Name of a column that rescore made, whose rewards are taken; None takes those of the Grow step."""
    texts: bool = False
    """Add the decoded source and target."""
    tokenizer: bool = False
    """Write the tokenizer too, into the target's folder or beside its file."""
    task_options: TaskOptions = field(default_factory=dict)
    """Options of the task that grew the buffer, whose tokenizer is taken where none lies beside the shards: names and
    values in turn."""
    max_gib: float = MAX_GIB
    """Size of a target of Minari, in GiB, above which nothing is written."""

    def run(self) -> int:
        """Write it; 0."""
        if (self.filter is None) != (self.value is None):
            raise ValueError("--filter and --value go together; give both or neither")
        chosen = None if self.filter is None or self.value is None else make_filter(self.filter, self.value)
        done = export(
            self.path,
            self.to,
            self.out,
            grow_step=self.grow_step,
            filter=chosen,
            scorer=self.scorer,
            texts=self.texts,
            tokenizer=self.tokenizer,
            max_gib=self.max_gib,
            task_options=self.task_options,
            progress=not self.json,
        )
        if self.json:
            print(json.dumps(asdict(done), indent=2))
            return 0
        print(f"{done.path}: {done.trajectories:,} trajectories, {done.tokens:,} tokens, {done.bytes / 2**20:.1f} MiB")
        for missing in done.not_held:
            print(f"not held by {done.format}: {missing}")
        if done.tokenizer is not None:
            print(f"tokenizer: {done.tokenizer}")
        print(f"next: {done.next}")
        return 0


Commands = (
    Annotated[Info, tyro.conf.subcommand("info")]
    | Annotated[Verify, tyro.conf.subcommand("verify")]
    | Annotated[Repair, tyro.conf.subcommand("repair")]
    | Annotated[Compact, tyro.conf.subcommand("compact")]
    | Annotated[Rescore, tyro.conf.subcommand("rescore")]
    | Annotated[Export, tyro.conf.subcommand("export")]
    | Annotated[Import, tyro.conf.subcommand("import")]
)


def _text(step: GrowStepInfo) -> str:
    origin = step.provenance
    highest = max(step.reward_histogram)
    bars = "".join(BLOCKS[-(-count * (len(BLOCKS) - 1) // highest)] for count in step.reward_histogram)
    grown = [f"{origin['candidates']} candidates"] * bool(origin["candidates"])
    grown += ["the original pair"] * origin["references"]
    drawn = DRAWN_FROM[origin["grow_from"]]
    heated = "an unknown temperature" if origin["temperature"] is None else f"temperature {origin['temperature']}"
    if origin["imported"]:
        at_most = f"at most {origin['candidates']} samples"
        last = f"{origin['sampler']}: {at_most} for each of {origin['num_sources']:,} {drawn} at {heated}"
    else:
        each = f"for each of {origin['num_sources']:,} {drawn}"
        last = f"{' and '.join(grown)} {each} at {heated}, seed {origin['seed']}"
    lines = [
        f"Grow step {step.grow_step}: {step.shards} shards, {step.trajectories:,} trajectories "
        f"({step.references:,} references), {step.tokens:,} tokens, {step.bytes / 2**20:.1f} MiB, "
        f"{step.bytes / max(1, step.tokens):.1f} bytes per token",
        f"  reward {step.mean_reward:.3f} on average, by tenths of [0, 1]: |{bars}|",
        f"  ended by themselves: {step.terminated_fraction:.1%}",
        f"  task {origin['task']} {origin['task_fingerprint'][:12]}, tokenizer {origin['tokenizer_fingerprint'][:12]}",
        f"  policy {origin['policy_fingerprint'][:12]} ({origin['sampler']}), "
        f"scorer {origin['scorer_fingerprint'][:12]}",
        f"  {last}",
    ]
    lines += [
        f"  rewards {name!r} of another scorer: {done} of {step.shards} files" for name, done in step.columns.items()
    ]
    if step.missing_shards:
        lines.append(f"  unfinished: shards {as_ranges(step.missing_shards)} are missing{_time_left(step)}")
    return "\n".join(lines)


def _time_left(step: GrowStepInfo) -> str:
    if step.seconds_per_shard is None:
        return ""
    left = timedelta(seconds=round(step.seconds_per_shard * len(step.missing_shards)))
    return f", {left} (h:mm:ss) more at the pace of those that are there"


def main() -> None:
    """Run the command; exit with 1 and one sentence where something is wrong."""
    with command_frame():
        logging.basicConfig(format="%(message)s")  # on standard error: what is printed may be JSON
        logging.getLogger("buffers").setLevel(logging.INFO)
        command: Command = tyro.cli(Commands, args=arguments(), prog="python -m buffers", description=__doc__)
        sys.exit(command.run())


if __name__ == "__main__":
    main()

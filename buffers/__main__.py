"""Look after a growing-batch buffer: what is in it, whether it is whole, what to grow again, and export of it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from buffers.export import Format, export
from buffers.filters import make_filter
from buffers.maintenance import ASIDE, GrowStepInfo, damaged, describe, set_aside

BLOCKS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Info:
    """Grow steps, shards, trajectories, tokens, rewards, size and what made them."""

    path: tyro.conf.Positional[Path]
    """Folder of the buffer."""
    json: bool = False
    """Print JSON instead of text."""

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
class Verify:
    """Read every shard whole and compare it with its checksum; exit with 1 if one is damaged."""

    path: tyro.conf.Positional[Path]
    """Folder of the buffer."""
    json: bool = False
    """Print JSON instead of text."""

    def run(self) -> int:
        """Print what is damaged; 1 if anything is."""
        found = list(damaged(self.path, progress=not self.json))
        if self.json:
            print(json.dumps([asdict(finding) for finding in found], indent=2))
        else:
            for finding in found:
                print(finding.problem)
            if found:
                print(f"next: python -m buffers repair {self.path}")
            else:
                print(f"{self.path}: every shard is whole")
        return 1 if found else 0


@dataclass(frozen=True)
class Repair:
    """Set damaged shards aside, and say what to grow again."""

    path: tyro.conf.Positional[Path]
    """Folder of the buffer."""
    json: bool = False
    """Print JSON instead of text."""

    def run(self) -> int:
        """Move the damaged files; 0."""
        found = list(damaged(self.path, progress=not self.json))
        for finding in found:
            set_aside(self.path, finding)
        steps = describe(self.path)
        missing = {step.grow_step: step.missing_shards for step in steps if step.missing_shards}
        if self.json:
            print(json.dumps({"set_aside": [asdict(finding) for finding in found], "missing": missing}, indent=2))
            return 0
        for finding in found:
            print(f"moved {finding.file} to {self.path / ASIDE}: {finding.problem}")
        for grow_step, shards in missing.items():
            print(f"Grow step {grow_step} lacks shards {', '.join(map(str, shards))}; the same Grow makes them again")
        if not found and not missing:
            print(f"{self.path}: nothing to repair")
        return 0


@dataclass(frozen=True)
class Export:
    """Write trajectories for another library; the target must not exist, and is there whole or not at all."""

    path: tyro.conf.Positional[Path]
    """Folder of the buffer."""
    to: Format
    """Format of the target."""
    out: str
    """File (parquet, jsonl; gzip where jsonl ends in .gz) or folder (datasets) to make, or id (minari: name-v0)."""
    grow_step: int | None = None
    """Only this Grow step; all without it."""
    filter: Literal["threshold", "percentile", "interpolation"] | None = None
    """Only what this filter keeps, with --value."""
    value: float | None = None
    """Of the filter."""
    texts: bool = False
    """Add the decoded source and target."""
    json: bool = False
    """Print JSON instead of text."""

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
            texts=self.texts,
            progress=not self.json,
        )
        if self.json:
            print(json.dumps(asdict(done), indent=2))
            return 0
        print(f"{done.path}: {done.trajectories:,} trajectories, {done.tokens:,} tokens, {done.bytes / 2**20:.1f} MiB")
        for missing in done.not_held:
            print(f"not held by {done.format}: {missing}")
        print(f"next: {done.next}")
        return 0


Command = (
    Annotated[Info, tyro.conf.subcommand("info")]
    | Annotated[Verify, tyro.conf.subcommand("verify")]
    | Annotated[Repair, tyro.conf.subcommand("repair")]
    | Annotated[Export, tyro.conf.subcommand("export")]
)


def _text(step: GrowStepInfo) -> str:
    made = step.provenance
    highest = max(step.reward_histogram)
    bars = "".join(BLOCKS[-(-count * (len(BLOCKS) - 1) // highest)] for count in step.reward_histogram)
    lines = [
        f"Grow step {step.grow_step}: {step.shards} shards, {step.trajectories:,} trajectories "
        f"({step.references:,} references), {step.tokens:,} tokens, {step.bytes / 2**20:.1f} MiB, "
        f"{step.bytes / max(1, step.tokens):.1f} bytes a token",
        f"  reward {step.mean_reward:.3f} on the mean, by tenths of [0, 1]: |{bars}|",
        f"  ended by themselves: {step.terminated_fraction:.1%}",
        f"  task {made['task']} {made['task_fingerprint'][:12]}, tokenizer {made['tokenizer_fingerprint'][:12]}",
        f"  policy {made['policy_fingerprint'][:12]} ({made['sampler']}), scorer {made['scorer_fingerprint'][:12]}",
        f"  {made['candidates']} candidates for each of {made['num_sources']:,} sources at temperature "
        f"{made['temperature']}, seed {made['seed']}",
    ]
    if step.missing_shards:
        lines.append(f"  unfinished: shards {', '.join(map(str, step.missing_shards))} are missing")
    return "\n".join(lines)


def main() -> None:
    """Run the command; exit with 1 and one sentence where something is wrong."""
    command: Info | Verify | Repair | Export = tyro.cli(Command, prog="python -m buffers", description=__doc__)
    try:
        sys.exit(command.run())
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()

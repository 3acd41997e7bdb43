"""One Grow step by itself: a policy's samples, scored, as shards of a buffer; by one machine or a cluster's workers.

Workers of a cluster run the same command with the same options, each with its own --shards: 0/64, 1/64 and so on. They
see one folder or object store and need not know of each other; the shards are the same bytes as one machine's. Run
again, it goes on.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import agents
from agents import ComputeType, Engine
from buffers import AsShare, GrowFrom, GrowingBatchBuffer, GrowReport, InThreads, Workers, grow
from experiments.command_line.parsing import parse
from experiments.command_line.refusals import usage_errors
from experiments.names import TaskName
from experiments.scorer_training.trust import check_counts, check_reward
from seq2seq_env.commands import arguments as process_arguments
from seq2seq_env.commands import command_frame
from seq2seq_env.ranges import above_zero, check_seed, zero_or_more
from seq2seq_env.scorers import load_scorer
from seq2seq_env.tasks import TaskOptions, load_task

if TYPE_CHECKING:
    from agents import Seq2SeqPolicy
    from seq2seq_env.tasks import Task

MOST_USED = ("policy", "checkpoint", "out", "task", "task_options", "scorer", "sources", "candidates", "shards", "seed",
             "device")  # fmt: skip
"""Options that the short help shows."""


@dataclass(frozen=True)
class Config:
    """Options of the Grow step."""

    policy: Path
    """Folder of a saved policy, or of a run, whose last policy is taken."""
    out: str
    """Folder of the buffer, which all workers see, or the URL of an object store: s3://bucket/buffer."""
    checkpoint: str | None = None
    """Name of another policy of a run: g0i0 is the supervised policy, g1i3 Improve step 3 of Grow step 1."""
    task: TaskName = "phrasebook-de-en"
    """Name of the task, which gives the sources."""
    task_options: TaskOptions = field(default_factory=dict)
    """Options of the task, names and values in turn: --task-options folder data source de target en."""
    scorer: str | None = None
    """Name, folder or specification of the scorer; None takes the task's own."""
    force_scorer: bool = False
    """Whether a scorer is taken that its own report calls near chance."""
    grow_step: int = 1
    """Number of the Grow step in the buffer, from 0."""
    grow_from: GrowFrom = "train"
    """Sources that are drawn from: of the "train" split, the "source-only" sentences, or "both"."""
    sources: int | None = None
    """Number of sources drawn; None takes all."""
    candidates: int = 4
    """Samples of each source, 0 or more."""
    references: bool = False
    """Whether the original pairs of the sources are stored, too."""
    temperature: float = 0.8
    """Sampling temperature, above 0."""
    seed: int = 0
    """Of the draw of sources and of the samples, at least 0."""
    sources_per_shard: int = 512
    """Sources of a shard, the unit of work that a kill can lose, at least 1."""
    shards: str | None = None
    """This worker's share, "K/N" for worker K of N, from 0: every shard whose number leaves the rest K when divided by
    N. None makes all."""
    threads: int | None = None
    """Shards that are made at a time, each on one thread, at least 1; None for as many as there are cores."""
    engine: Engine = "auto"
    """Engine that samples: "transformers", "static", "ctranslate2", "vllm", or "auto" for the faster one."""
    compute_type: ComputeType = "float32"
    """The engine's arithmetic."""
    device: str = "auto"
    """Where the networks compute: "cpu", "cuda", or "auto" for a GPU where there is one."""
    progress: bool = True
    """Show a progress bar on standard error."""

    def workers(self) -> Workers:
        """Who makes the shards.

        Raises:
            ValueError: If ``shards`` is no share.
        """
        if self.shards is None:
            return InThreads(self.threads)
        share = re.fullmatch(r"(\d+)/(\d+)", self.shards)
        if share is None:
            raise ValueError(f"shards is {self.shards!r}; give the worker's number and how many there are: 3/64")
        return AsShare(int(share[1]), int(share[2]), self.threads)

    def check(self) -> None:
        """Refuse what cannot work before anything is loaded.

        Raises:
            ValueError: If a number is out of range.
        """
        self.workers()
        above_zero(self, "temperature")
        check_seed(self.seed)
        zero_or_more(self, "grow_step", "candidates")
        above_zero(self, "sources_per_shard")


def grow_share(config: Config) -> GrowReport:
    """The Grow step, or this worker's share of it.

    Raises:
        ValueError: If an option cannot work, the policy is of another tokenizer than the task, or the scorer or the
            policy gives something impossible.
        OSError: If what an option names is not there, or a shard cannot be written.
    """
    device = agents.known_device(config.device)
    task = load_task(config.task, **config.task_options)
    name = config.scorer or task.default_scorer
    if name is None:
        raise ValueError(
            f"task {config.task!r} has no scorer of its own; make one with train_scorer.py and name it with --scorer"
        )
    if not config.force_scorer:
        check_reward(name)
        check_counts(name, task)
    policy = _policy_of(task, agents.policy_folder(config.policy, config.checkpoint), device)
    return grow(
        agents.make_sampler(policy, config.engine, config.compute_type),
        load_scorer(name, device=device, task=task),
        task,
        GrowingBatchBuffer(config.out, task=task),
        grow_step=config.grow_step,
        grow_from=config.grow_from,
        num_sources=config.sources,
        candidates=config.candidates,
        references=config.references,
        temperature=config.temperature,
        seed=config.seed,
        sources_per_shard=config.sources_per_shard,
        workers=config.workers(),
        progress=config.progress,
    )


def _policy_of(task: Task, folder: Path, device: str) -> Seq2SeqPolicy:
    policy = agents.Seq2SeqPolicy.load(folder, device)
    if policy.tokenizer.fingerprint != task.tokenizer.fingerprint:
        raise ValueError(
            f"the policy in {str(folder)!r} reads tokenizer {policy.tokenizer.fingerprint[:12]}, task {task.name!r} "
            f"has {task.tokenizer.fingerprint[:12]}; give the --task-options it was trained with"
        )
    return policy


def main(arguments: Sequence[str] | None = None, prog: str | None = None, most_used: Sequence[str] = ()) -> None:
    """Grow, and say what is there and what comes next."""
    with command_frame("stopped; the same command goes on after the finished shards"):
        given = process_arguments() if arguments is None else arguments
        config = parse(Config, given, prog=prog, description=__doc__, most_used=most_used)
        with usage_errors():
            config.check()
        report = grow_share(config)
        folder = shlex.quote(config.out)
        print(f"{config.out}: {report}")
        if report.shards_missing:
            print(f"next: {report.shards_missing:,} shards are left to other workers; rest buffer info {folder}")
        else:
            print(f"next: the Grow step is whole; rest buffer verify {folder}")


if __name__ == "__main__":
    main()

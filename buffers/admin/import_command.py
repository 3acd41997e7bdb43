"""The command ``python -m buffers import``: options, and what is said of what came."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from buffers.admin.command import Command
from buffers.admin.import_matching import Drop
from buffers.admin.importing import Imported, import_rollouts
from buffers.interop.rollout_formats import RolloutFormat
from seq2seq_env.scorers import load_scorer
from seq2seq_env.tasks import TaskOptions, load_task

UNKNOWN_IN_WORDS = {"cut": "whether targets were cut (taken to have ended)"}
"""What nobody recorded, where its name does not say it."""


@dataclass(frozen=True, kw_only=True)
class Import(Command):
    """Make a buffer of another trainer's rollouts: prompts, completions, rewards and log-probabilities that fit."""

    files: tyro.conf.Positional[tuple[Path, ...]]
    """Files of rollouts, or folders of them."""
    origin: Annotated[RolloutFormat, tyro.conf.arg(aliases=("--from",))]
    """Whose files they are: TRL's completions (Parquet), verifiers' results or traces, NeMo Gym's rollouts, or JSON
    Lines, of export or plain."""
    out: str
    """Folder of the buffer to make, which must not exist."""
    task: str = "phrasebook-de-en"
    """Name of the task whose sources the prompts are of."""
    task_options: TaskOptions = field(default_factory=dict)
    """Options of the task, names and values in turn."""
    prompt_template: str = "{source}"
    """What a prompt is made of: "Translate to English: {source}"."""
    reward: tuple[str, ...] = ()
    """Names of the rewards, whose sum is taken; none takes "reward", of TRL's the only column that can be one."""
    reward_range: tuple[float, float] | None = None
    """Rewards to map on 0 and on 1, linearly; None takes rewards as they are, in [0, 1]."""
    scorer: str | None = None
    """Name or folder of a scorer that rates the targets, in place of the files' rewards."""
    temperature: float | None = None
    """Temperature that was sampled at, above 0; None takes what the files say, and is unknown where they do not."""
    drop_log_probs: bool = False
    """Leave the log-probabilities out, as where they were taken before the temperature."""
    drop: tuple[Drop, ...] = ()
    """What to leave out and count rather than to refuse: rollouts of "foreign" prompts, with targets that are too
    "long", or "unscored"."""
    grow_step: int = 1
    """Number of the Grow step, from 0."""
    device: str = "cpu"
    """Device on which the scorer computes, "cpu" or "cuda"."""

    def run(self) -> int:
        """Import and print what came; 0."""
        task = load_task(self.task, **self.task_options)
        came = import_rollouts(
            self.files,
            self.origin,
            self.out,
            task,
            prompt_template=self.prompt_template,
            reward=self.reward,
            reward_range=self.reward_range,
            scorer=None if self.scorer is None else load_scorer(self.scorer, device=self.device, task=task),
            temperature=self.temperature,
            log_probs=not self.drop_log_probs,
            drop=self.drop,
            grow_step=self.grow_step,
            progress=not self.json,
        )
        if self.json:
            print(json.dumps({**asdict(came), "notes": list(_notes(came))}, indent=2))
            return 0
        print(f"{came.path}: {came.trajectories:,} trajectories of {came.sources:,} sources, {came.tokens:,} tokens")
        print(f"reward {came.mean_reward:.3f} on average")
        for note in _notes(came):
            print(note)
        print(f"next: GrowingBatchBuffer({came.path!r}).select(...), or python -m buffers info {came.path}")
        return 0


def _notes(came: Imported) -> Iterator[str]:
    """What is missing, and who can use what came."""
    for reason, count in came.dropped.items():
        if count:
            yield f"left out, {reason}: {count:,} of {came.rollouts:,} rollouts"
    yield f"unknown: {', '.join(UNKNOWN_IN_WORDS.get(name, name) for name in came.unknown)}"
    if came.other_tokens:
        yield (
            f"tokens of another tokenizer, or none beside log-probabilities: {came.other_tokens:,} targets, encoded "
            "from their text"
        )
    if came.other_texts:
        yield f"targets that the task's tokenizer writes otherwise than they were scored: {came.other_texts:,}"
    if not came.with_log_prob:
        yield (
            "log-probabilities: none; agents that need the behaviour policy's (log mu in docs/agents) refuse the "
            "buffer, all others train on it"
        )
    else:
        share = "all" if came.with_log_prob == came.trajectories else f"{came.with_log_prob:,}"
        yield (
            f"log-probabilities: {share} of {came.trajectories:,} trajectories; agents that need the behaviour "
            "policy's (log mu in docs/agents) train on "
            + ("them" if share == "all" else "none of the batches that lack any; all others do")
            + (", given behaviour_temperature" if came.temperature is None else "")
        )
        if came.temperature != 1.0:
            yield (
                "they are taken to be of the distribution that was sampled from; where a server gave those before the "
                "temperature, import with --drop-log-probs"
            )
    yield (
        f"sources with several samples: {came.compared_sources:,} of {came.sources:,}; filters and agents that compare "
        "candidates learn from these alone"
    )

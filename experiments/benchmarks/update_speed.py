"""Time of an update of each agent, as a ratio to filtered BC's, on the same batches.

Data are the task's pairs with rewards and log-probabilities of a policy with random weights; nothing is sampled, and no
value network is trained before. Each agent goes through them twice: what a frozen network says of a trajectory may be
kept from the first epoch for the second. Seconds are those of the CPU; agents take turns.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, fields, replace
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

import agents
from agents import PolicyConfig, TrainingConfig
from experiments.benchmarks.timings import TINY_POLICY, TINY_TASK, TaskBenchmark, parse_options, spread
from experiments.reports.tables import table
from experiments.runs.stages import original_data
from seq2seq_env.tasks import load_task

if TYPE_CHECKING:
    from agents import Seq2SeqPolicy
    from buffers import Slice

BASELINE = "filtered-bc"


@dataclass(frozen=True)
class Config(TaskBenchmark):
    """Options of the benchmark."""

    policy: PolicyConfig = field(default_factory=PolicyConfig)
    """Size of the policy network; its lengths are the task's."""
    agents: tuple[str, ...] = ("bvmpo", "oac", "gold")
    """Which agents are timed beside filtered-bc."""
    pairs: int = 600
    """Pairs of an epoch."""
    tokens_per_batch: int = 320
    """Tokens of a batch, padding counted."""
    repeats: int = 3
    """Timings of each agent, at least 1."""
    seed: int = 0
    """Seed of weights, batches and rewards."""


TINY = {"task_options": TINY_TASK, "policy": TINY_POLICY, "pairs": 8, "tokens_per_batch": 64, "repeats": 1}


def main() -> None:
    """Measure and print."""
    config = parse_options(Config, __doc__, TINY)
    if config.repeats < 1:
        raise SystemExit(f"error: repeats is {config.repeats}; give 1 or more")
    import torch

    task = load_task(config.task, **config.task_options)
    policy = agents.Seq2SeqPolicy.from_config(task.tokenizer, config.policy.for_task(task), config.seed)
    data = scored(policy, original_data(task).where(np.arange(task.size("train")) < config.pairs), config.seed)
    training = TrainingConfig(
        tokens_per_batch=config.tokens_per_batch, max_tokens=data.num_tokens, evaluate_every=data.num_tokens,
        progress=False, seed=config.seed,
    )  # fmt: skip
    names = (BASELINE, *config.agents)
    epochs: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for repeat in range(1 + config.repeats):
        for name in names:
            if repeat:
                epochs[name].append(two_epochs(name, policy, data, training))
            else:  # what is loaded at a first call is not counted
                two_epochs(name, policy, data, replace(training, max_tokens=1))
    print(f"{policy}; {len(data)} pairs, {data.num_tokens} target tokens an epoch; torch {torch.__version__}")
    rows = []
    for name in names:
        row = [name]
        for epoch in (0, 1):
            seconds, baseline = ([each[epoch] for each in epochs[one]] for one in (name, BASELINE))
            row += [spread(seconds), f"{median(seconds) / median(baseline):.2f}"]
        rows.append(row)
    print(table(("agent", "first epoch, CPU s", "ratio", "second epoch, CPU s", "ratio"), rows))


def scored(policy: Seq2SeqPolicy, data: Slice, seed: int) -> Slice:
    """The pairs with the policy's log-probabilities and rewards drawn at random, as if they were its samples."""
    from buffers import Slice

    trajectories = data.read()
    sources = np.split(trajectories.source_tokens, trajectories.source_offsets[1:-1])
    targets = np.split(trajectories.tokens, trajectories.offsets[1:-1])
    rows = [sources[place].tolist() for place in trajectories.source_positions]
    log_prob = np.concatenate(policy.log_probs(rows, [target.tolist() for target in targets]))
    reward = np.random.default_rng(seed).random(len(targets), dtype=np.float32)
    return Slice.from_trajectories(replace(trajectories, log_prob=log_prob, reward=reward), data.pad_id)


def two_epochs(name: str, policy: Seq2SeqPolicy, data: Slice, training: TrainingConfig) -> tuple[float, float]:
    """CPU seconds of an agent's two epochs from the policy."""
    known = {"value_tokens": 0, "behaviour_temperature": 1.0}
    own = {each.name for each in fields(agents.agent_class(name).Config)}
    agent = agents.make_agent(name, policy.clone(), **{key: value for key, value in known.items() if key in own})
    agent.prepare(data, training)
    seconds = []
    for _ in range(2):
        started = time.process_time()
        agent.improve(data, training)
        seconds.append(time.process_time() - started)
    return seconds[0], seconds[1]


if __name__ == "__main__":
    main()

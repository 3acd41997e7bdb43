"""Training in the processes of a launcher: target tokens per second, what each process holds, and the loss.

Run alone it trains in one process; under ``torchrun`` in as many as that starts, with whole networks in each (DDP) and
with a part in each (FSDP2). The batches are the same, so the losses should be, too. Seconds are of CPU time of the
busiest process, which is how long it takes on cores of its own, waiting for others left out; and of the clock.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import agents
from agents import PolicyConfig, TrainingConfig
from buffers import Slice
from experiments.benchmarks.timings import TINY_POLICY, TINY_TASK, TaskBenchmark, digits, parse_options
from experiments.reports.tables import table
from seq2seq_env.process_group import process_state
from seq2seq_env.tasks import load_task

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Config(TaskBenchmark):
    """Options of the benchmark."""

    policy: PolicyConfig = field(default_factory=PolicyConfig)
    """Size of the policy network; its lengths are the task's, and it has no dropout, which each process would draw for
    itself."""
    tokens: int = 50_000
    """Target tokens of each training."""
    tokens_per_batch: int = 2_048
    """Tokens of a batch, padding counted."""
    seed: int = 0
    """Seed of the weights."""


TINY = {"task_options": TINY_TASK, "policy": TINY_POLICY, "tokens": 300, "tokens_per_batch": 64}


def main() -> None:
    """Measure and print."""
    config = parse_options(Config, __doc__, TINY)
    import torch

    processes = process_state(cpu=True)
    torch.set_num_threads(1)
    task = load_task(config.task, **config.task_options)
    pairs, sizes = task.split("train"), replace(config.policy, dropout=0.0).for_task(task)
    data = Slice.from_pairs(
        pairs.sources, pairs.references, task.tokenizer, task.max_source_length, task.max_target_length
    )
    ways = ["one process"] if processes.num_processes == 1 else ["DDP", "FSDP2"]
    rows = []
    for way in ways:
        policy = agents.Seq2SeqPolicy.from_config(task.tokenizer, sizes, config.seed)
        weights = sum(parameter.numel() for parameter in policy.model.parameters())
        held = 0

        def log(metric: str, value: float, tokens: int, model: nn.Module = policy.model) -> None:
            nonlocal held
            held = sum(_local(parameter) for parameter in model.parameters())

        training = TrainingConfig(
            learning_rate=1e-3, tokens_per_batch=config.tokens_per_batch, max_tokens=config.tokens, warmup_tokens=0,
            evaluate_every=config.tokens, precision="fp32", progress=False, fsdp=way == "FSDP2",
        )  # fmt: skip
        started, cpu = time.perf_counter(), time.process_time()
        report = agents.BC(policy).improve(data, training, log=log)
        seconds, spent = time.perf_counter() - started, _everywhere(time.process_time() - cpu)
        rates = [digits(report.tokens / max(spent)), digits(report.tokens / seconds), f"{sum(spent):.1f}"]
        rows.append([way, str(len(spent)), *rates, f"{held / weights:.3f}", f"{report.history[-1].loss:.6f}"])
    if processes.is_main_process:
        print(f"{weights:,} parameters, {report.tokens:,} target tokens, {report.steps} steps")
        names = ["training", "processes", "tokens per CPU second, busiest", "tokens per second", "CPU seconds, all"]
        print(table([*names, "weights held", "mean loss"], rows))
    if processes.num_processes > 1:
        # Who leaves while the other still talks to it may be aborted by gloo's threads.
        processes.wait_for_everyone()
        processes.destroy_process_group()


def _local(parameter: nn.Parameter) -> int:
    """Numbers of a weight that this process has."""
    part = getattr(parameter, "to_local", lambda: parameter)()
    return int(part.numel())


def _everywhere(seconds: float) -> Sequence[float]:
    """Each process's."""
    from accelerate.utils import gather_object  # type: ignore[import-untyped]

    found: list[float] = gather_object([seconds])
    return found


if __name__ == "__main__":
    main()

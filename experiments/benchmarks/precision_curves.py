"""The loss curve of bf16 beside that of fp32: same weights, same batches, same dropout, on a task.

The table shows the training loss, nats per target token, at points of the training, as mean and standard deviation over
seeds; the difference of the two precisions of one seed; and the loss on the validation split at the end, in fp32 for
both. bf16 trains with the fp32 weights, as always here: matrix products are in bf16 (``torch.autocast``).
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from statistics import mean, stdev
from unittest.mock import patch

import agents
from agents import PolicyConfig, TrainingConfig, known_device
from agents.training.training_config import Precision
from buffers import Slice
from experiments.benchmarks.timings import TINY_POLICY, TINY_TASK, TaskBenchmark, parse_options
from experiments.reports.tables import table
from experiments.runs.stages import original_data
from seq2seq_env.tasks import Task, load_task


@dataclass(frozen=True)
class Config(TaskBenchmark):
    """Options of the comparison."""

    policy: PolicyConfig = field(default_factory=lambda: PolicyConfig(dropout=0.0))
    """Size of the policy network; its lengths are the task's."""
    tokens: int = 200_000
    """Target tokens of each training."""
    tokens_per_batch: int = 320
    """Tokens of a batch, padding counted."""
    points: int = 10
    """Points of the curve, from 1 to the target tokens."""
    seeds: int = 3
    """Trainings of each precision, at least 2, which differ in weights and batches."""
    device: str = "auto"
    """Device to train on: "cpu", "cuda", or "auto" for a GPU where there is one."""
    emulate: bool = False
    """Whether to train in bf16 where the device has no such instructions, too: the same rounding, slower."""


TINY = {
    "task_options": TINY_TASK, "policy": replace(TINY_POLICY, dropout=0.0), "tokens": 600, "points": 2, "seeds": 2,
    "emulate": True,
}  # fmt: skip


def curve(config: Config, task: Task, arithmetic: Precision, seed: int) -> list[float]:
    """The losses at the points of one training, and on the validation split."""
    import torch

    from agents.policy.embeddings import align_embeddings

    policy = agents.Seq2SeqPolicy.from_config(task.tokenizer, config.policy.for_task(task), seed)
    pairs = task.split("train")
    align_embeddings(policy, pairs.sources, pairs.references, seed=seed)
    agent = agents.BC(policy.to(known_device(config.device)))
    training = TrainingConfig(
        learning_rate=2e-3, schedule="linear", warmup_tokens=min(20_000, config.tokens // 10), max_tokens=config.tokens,
        tokens_per_batch=config.tokens_per_batch, evaluate_every=config.tokens // config.points, seed=seed,
        precision=arithmetic,
    )  # fmt: skip
    report = agent.improve(original_data(task), training)
    losses = [row.loss for row in report.history if row.loss is not None][: config.points]
    split, total = task.split("validation"), 0.0
    held_out = Slice.from_pairs(
        split.sources, split.references, task.tokenizer, task.max_source_length, task.max_target_length
    )
    with torch.inference_mode():
        for batch in held_out.batches(4 * config.tokens_per_batch, seed=0):
            total += float(agent.loss(batch.to(policy.device)).loss) * batch.num_target_tokens
    return [*losses, total / held_out.num_tokens]


def loss_table(fp32: list[list[float]], bf16: list[list[float]], names: list[str]) -> str:
    """Both precisions' losses at each point, and their difference within a seed.

    Args:
        fp32: Of each seed, the losses at all points.
        bf16: Likewise.
        names: Of the points.
    """
    rows = []
    for name, mine, other in zip(names, zip(*fp32, strict=True), zip(*bf16, strict=True), strict=True):
        difference = [after - before for before, after in zip(mine, other, strict=True)]
        cells = (f"{mean(mine):.4f} ± {stdev(mine):.4f}", f"{mean(other):.4f} ± {stdev(other):.4f}")
        rows.append([name, *cells, f"{mean(difference):+.4f} ± {stdev(difference):.4f}"])
    return table(("target tokens", "fp32", "bf16", "bf16 - fp32"), rows)


def main() -> None:
    """Train in both precisions and print."""
    config = parse_options(Config, __doc__, TINY)
    if config.seeds < 2 or not 1 <= config.points <= config.tokens:
        raise SystemExit(f"error: seeds is {config.seeds} and points {config.points}; give 2 or more, and 1 to tokens")
    import torch

    from agents.training import precision
    from seq2seq_env.models.low_precision import has_bf16

    task, device = load_task(config.task, **config.task_options), torch.device(known_device(config.device))
    emulated = not has_bf16(device)
    if emulated and not config.emulate:
        raise SystemExit(f"error: {device} has no bfloat16 instructions; --emulate trains in it all the same, slowly")
    fp32, bf16 = [], []
    with ExitStack() as stack:
        if emulated:
            stack.enter_context(patch.object(precision, "has_bf16", lambda device: True))
        for seed in range(config.seeds):
            fp32.append(curve(config, task, "fp32", seed))
            bf16.append(curve(config, task, "bf16", seed))
    print(f"{device}{', bf16 emulated' if emulated else ''}; torch {torch.__version__}; {config}\n")
    points = [f"{config.tokens * (point + 1) // config.points:,}" for point in range(config.points)]
    print(loss_table(fp32, bf16, [*points, "validation"]))


if __name__ == "__main__":
    main()

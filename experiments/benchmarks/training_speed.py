"""Target tokens per second in training: our loop beside ``Seq2SeqTrainer`` and JoeyNMT.

Both train the same Marian policy from the same weights on the same pairs of the phrasebook by cross-entropy, with
AdamW, gradients clipped at 1 and batches of about as many target tokens, which we count ourselves. Ours trains by its
defaults, as the scripts do. ``Seq2SeqTrainer`` runs with its defaults, and with what it offers for speed (grouping by
length, fused AdamW, bf16 where the machine has it). JoeyNMT trains a network of the same sizes by its own command, in
an environment of its own; its log gives the time. Timings are interleaved; the table shows medians, the smallest and
the largest. Beside each stands its share of the machine's peak, that of a product of two large matrices, measured in
turns with the others; arithmetic is ours of a token, whatever else a system computes.
"""

from __future__ import annotations

import copy
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import agents
from agents import PolicyConfig, TrainingConfig
from buffers import Slice
from experiments.benchmarks.joeynmt_baseline import joeynmt_epoch
from experiments.benchmarks.limits import matrix_peaks
from experiments.benchmarks.timings import (
    TINY_POLICY,
    TINY_TASK,
    TaskBenchmark,
    Timed,
    by_cpu,
    parse_options,
    rates,
    spread,
)
from experiments.reports.tables import table
from seq2seq_env.tasks import load_task

if TYPE_CHECKING:
    from torch import Tensor

    from agents import Seq2SeqPolicy


@dataclass(frozen=True)
class Config(TaskBenchmark):
    """Options of the benchmark."""

    policy: PolicyConfig = field(default_factory=PolicyConfig)
    """Size of the policy network; its lengths are the task's."""
    pairs: int = 2000
    """Pairs of each timing, seen once."""
    tokens_per_batch: int = 512
    """Tokens of a batch, padding counted; ``Seq2SeqTrainer`` gets as many pairs as have these on average."""
    repeats: int = 5
    """Timings of each system, at least 1."""
    cpu_time: bool = False
    """Whether seconds are those of the CPU and not of the clock: for one thread on a machine that other work shares."""
    matrix: int = 1_024
    """Rows and columns of the matrices of the peak."""
    joeynmt: Path | None = None
    """Python of an environment with JoeyNMT as another baseline, such as joey/bin/python after "uv venv joey; uv pip
    install --python joey/bin/python joeynmt"; None leaves it out."""
    seed: int = 0
    """Seed of the weights."""


TINY = {
    "task_options": TINY_TASK, "policy": TINY_POLICY, "pairs": 12, "tokens_per_batch": 64, "repeats": 1,
    "matrix": 64,
}  # fmt: skip


def by_trainer(policy: Seq2SeqPolicy, rows: list[dict[str, list[int]]], batch: int, fast: bool) -> None:
    """One epoch by ``Seq2SeqTrainer``, data prepared beforehand."""
    import torch
    import transformers

    from seq2seq_env.models.low_precision import has_bf16

    pad_id = policy.tokenizer.pad_id

    def collate(chosen: list[dict[str, list[int]]]) -> dict[str, Tensor]:
        source, target = (
            torch.nn.utils.rnn.pad_sequence(
                [torch.tensor(row[name]) for row in chosen], batch_first=True, padding_value=filler
            )
            for name, filler in (("input_ids", pad_id), ("labels", -100))
        )
        return {"input_ids": source, "attention_mask": (source != pad_id).long(), "labels": target}

    options: dict[str, Any] = {}
    if fast:
        bf16 = has_bf16(policy.device)
        options = {"train_sampling_strategy": "group_by_length", "optim": "adamw_torch_fused", "bf16": bf16}
    with TemporaryDirectory() as folder:
        arguments = transformers.Seq2SeqTrainingArguments(
            output_dir=folder, num_train_epochs=1, per_device_train_batch_size=batch, learning_rate=1e-4,
            report_to="none", save_strategy="no", disable_tqdm=True, use_cpu=policy.device.type == "cpu",
            logging_strategy="no", dataloader_pin_memory=policy.device.type == "cuda", **options,
        )  # fmt: skip
        dataset: Any = rows
        transformers.Seq2SeqTrainer(
            model=policy.model, args=arguments, train_dataset=dataset, data_collator=collate
        ).train()


def main() -> None:
    """Measure and print."""
    config = parse_options(Config, __doc__, TINY)
    if config.joeynmt is not None and not config.joeynmt.is_file():
        sys.exit(f"error: JoeyNMT needs the Python of an environment of its own; there is no {str(config.joeynmt)!r}")
    import torch
    import transformers

    from agents.training.precision import use_bf16
    from experiments.benchmarks.operations import OperationCount

    logging: Any = transformers.logging
    logging.set_verbosity_error()
    task = load_task(config.task, **config.task_options)
    split = task.split("train")
    sources, references = split.sources[: config.pairs], split.references[: config.pairs]
    policy = agents.Seq2SeqPolicy.from_config(task.tokenizer, config.policy.for_task(task), config.seed)
    data = Slice.from_pairs(sources, references, task.tokenizer, task.max_source_length, task.max_target_length)
    encoded = zip(task.tokenizer.encode(sources), task.tokenizer.encode(references), strict=True)
    rows = [{"input_ids": source, "labels": target} for source, target in encoded]
    batch = max(1, round(config.tokens_per_batch * len(rows) / data.num_tokens))
    # Its own default attention; ours loads policies with "eager", which is faster for short sequences on a CPU.
    default = copy.deepcopy(policy)
    default.model.set_attn_implementation("sdpa")
    training = TrainingConfig(
        learning_rate=1e-4, tokens_per_batch=config.tokens_per_batch, max_tokens=data.num_tokens,
        evaluate_every=data.num_tokens, progress=False,
    )  # fmt: skip
    timed: dict[str, Timed] = {
        "ours": lambda: agents.BC(policy.clone()).improve(data, training),
        "Seq2SeqTrainer, defaults": lambda: by_trainer(copy.deepcopy(default), rows, batch, fast=False),
        "Seq2SeqTrainer, fused, grouped, bf16 where there": lambda: by_trainer(policy.clone(), rows, batch, fast=True),
    }
    if config.joeynmt is not None:
        timed["JoeyNMT"] = joeynmt_epoch(
            config.joeynmt, config.policy, task.tokenizer.vocab_size, rows, config.tokens_per_batch
        )
    bf16 = use_bf16(training.precision, [policy.model], policy.device)
    [(peak, product)] = [each for each in matrix_peaks(config.matrix).items() if bf16 == each[0].endswith("bf16")]
    timed[peak] = product
    if config.cpu_time:
        timed = {name: by_cpu(run) for name, run in timed.items()}
    measured = rates(timed, data.num_tokens, config.repeats)
    print(
        f"{policy}; {len(rows)} pairs, {data.num_tokens} target tokens a timing, {torch.get_num_threads()} threads; "
        f"torch {torch.__version__}, transformers {transformers.__version__}"
    )
    print(f"ours: {'bf16' if bf16 else 'fp32'}, attention {training.attention}")
    # A rate is the epoch's tokens by the seconds, of the product as of the systems.
    most = 2 * config.matrix**3 * median(measured.pop(peak)) / data.num_tokens
    with OperationCount() as count:
        counted = agents.BC(policy.clone()).improve(data, replace(training, max_tokens=min(2_000, data.num_tokens)))
    flop = count.flop / counted.tokens
    print(f"{peak}: {most / 1e9:.1f} GFLOP/s; ours {flop / 1e6:.2f} MFLOP a target token")
    ours = median(measured["ours"])
    cells = (
        (name, spread(values), f"{ours / median(values):.2f}x", f"{flop * median(values) / most:.0%}")
        for name, values in measured.items()
    )
    print(table(("", "target tokens per second", "ours is", "of the peak"), cells))


if __name__ == "__main__":
    main()

"""How close to the machine: share of its own peaks that training, scoring, sampling and batching reach.

The peaks are measured in the same run, in turns with what is held against them: a product of two large matrices, and
the sum of two arrays that no cache holds. Arithmetic is that of the matrix products, counted while a stage runs; bytes
are those of all operators' inputs and outputs, which caches move, too, so that their share of the memory's speed may be
above 1. The last table says where a stage's time goes, by a profile of one more run.

Policies and scorers have random weights, but for the shipped scorer; a policy samples to the length limit then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import agents
from agents import PolicyConfig, TrainingConfig
from experiments.benchmarks.timings import Benchmark, parse_options, rates, spread
from experiments.reports.tables import table
from experiments.runs.stages import original_data
from seq2seq_env.scorers import LearnedScorer, PairEncoder, load_scorer
from seq2seq_env.tasks import Task, load_task

if TYPE_CHECKING:
    from agents import Seq2SeqPolicy
    from seq2seq_env.scorers import Scorer


@dataclass(frozen=True)
class Size:
    """A policy and a scorer of about as many parameters.

    Attributes:
        policy: Of the policy network; its lengths are the task's.
        scorer: Layers and width of the scorer; None is the task's own.
        tokens: Target tokens that a timing trains on, in batches of the main job.
        sources: That a timing scores 8 pairs each of, and samples 8 translations each of.
    """

    policy: PolicyConfig
    scorer: tuple[int, int] | None
    tokens: int
    sources: int


SizeName = Literal["main", "6m", "60m"]
StageName = Literal["batching", "training", "sampling", "scoring"]


@dataclass(frozen=True)
class Config(Benchmark):
    """Options of the benchmark."""

    threads: int = 1
    """Threads of the stages, whose shares are of the peaks of as many, 1 or 2."""
    stages: tuple[StageName, ...] = ("batching", "training", "sampling", "scoring")
    """Which stages are measured."""
    tokens_per_batch: int = 320
    """Tokens of a batch in training, padding counted."""
    matrix: int = 1_024
    """Rows and columns of the matrices of the peak."""
    array: int = 32_000_000
    """Numbers in each array of the peak of memory."""
    sizes: tuple[SizeName, ...] = ("main", "6m", "60m")
    """Which sizes are measured: the main job's, of 6 and of 60 million parameters."""
    repeats: int = 5
    """Timings of each, at least 1."""
    seed: int = 0
    """Seed of weights, batches and samples."""


SIZES: dict[SizeName, Size] = {
    "main": Size(PolicyConfig(), None, tokens=3_200, sources=16),
    "6m": Size(PolicyConfig(encoder_layers=3, decoder_layers=3, d_model=256, ffn_dim=1024), (7, 256), 1_600, 4),
    "60m": Size(
        PolicyConfig(encoder_layers=8, decoder_layers=8, d_model=512, ffn_dim=2048, num_heads=8), (8, 768), 320, 1
    ),
}
"""Parameters are counted with the phrasebook's 2,000 tokens."""

TINY = {"matrix": 64, "array": 10_000, "sizes": ("main",), "repeats": 1}


Stage = Callable[[], int]
"""One run, which gives the tokens that it trained on, read or wrote."""


def main() -> None:
    """Measure and print."""
    config = parse_options(Config, __doc__, TINY)
    import torch

    from experiments.benchmarks.operations import KINDS, OTHERS, OUTSIDE, OperationCount, time_shares

    torch.set_num_threads(config.threads)
    task = load_task("phrasebook-de-en", train_size=64 if config.tiny else 2_000)
    peaks = {
        f"{what}, {threads} thread{'s' if threads > 1 else ''}": _on(threads, run, config.threads)
        for what, run in (matrix_peaks(config.matrix) | {"stream": stream(config.array)}).items()
        for threads in (1, 2)
    }
    with TemporaryDirectory() as folder:
        stages = {"batching": batching(task, config)} if "batching" in config.stages else {}
        for chosen in config.sizes:
            size = replace(SIZES[chosen], tokens=64, sources=2) if config.tiny else SIZES[chosen]
            stages |= stages_of(size, task, config, Path(folder) / chosen)
        measured = rates({**peaks, **stages}, 1, config.repeats)
        work = {"matrix": 2 * config.matrix**3, "stream": 3 * 4 * config.array}
        print(f"torch {torch.__version__}, {torch.get_num_threads()} threads in the stages")
        peak = {name: [rate * work[name.split(",")[0].split()[0]] / 1e9 for rate in measured[name]] for name in peaks}
        print(table(("peak", "GFLOP/s or GB/s"), [[name, spread(values)] for name, values in peak.items()]))
        threads = "1 thread" if config.threads == 1 else "2 threads"
        most_flop, most_bytes = (median(peak[f"{what}, {threads}"]) for what in ("matrix product fp32", "stream"))
        rows, shares = [], []
        for name, run in stages.items():
            with OperationCount() as count:
                tokens = run()
            each = median(measured[name])
            flop, touched = count.flop * each / 1e9, count.touched * each / 1e9
            rows.append([
                name, f"{count.flop / tokens / 1e6:.2f}", spread([rate * tokens for rate in measured[name]]),
                f"{flop:.1f}", f"{flop / most_flop:.0%}", f"{touched:.1f}", f"{touched / most_bytes:.0%}",
            ])  # fmt: skip
            part = time_shares(run)
            shares.append([name, *(f"{part[kind]:.0%}" for kind in (*KINDS, OTHERS, OUTSIDE))])
    print()
    header = ("stage", "MFLOP a token", "tokens per second", "GFLOP/s", "of the peak", "GB/s", "of the stream")
    print(table(header, rows))
    print()
    print(table(("time of", *KINDS, OTHERS, OUTSIDE), shares))


def matrix_peaks(size: int) -> dict[str, Callable[[], object]]:
    """A product of two matrices in fp32, and in bf16 where the machine computes in it."""
    import torch

    from seq2seq_env.models.low_precision import has_bf16

    kinds = {"fp32": torch.float32} | ({"bf16": torch.bfloat16} if has_bf16(torch.device("cpu")) else {})
    factors = {name: torch.randn(size, size).to(dtype) for name, dtype in kinds.items()}
    return {f"matrix product {name}": partial(torch.mm, factor, factor) for name, factor in factors.items()}


def stream(numbers: int) -> Callable[[], object]:
    """The sum of two arrays into a third."""
    import torch

    one, other, total = (torch.ones(numbers) for _ in range(3))
    return lambda: torch.add(one, other, out=total)


def _on(threads: int, run: Callable[[], object], before: int) -> Callable[[], object]:
    """The run on other threads than those of before."""
    import torch

    def on_threads() -> None:
        torch.set_num_threads(threads)
        try:
            run()
        finally:
            torch.set_num_threads(before)

    return on_threads


def batching(task: Task, config: Config) -> Stage:
    """One epoch of batches."""
    data = original_data(task)
    return lambda: sum(batch.num_target_tokens for batch in data.batches(config.tokens_per_batch, seed=config.seed))


def stages_of(size: Size, task: Task, config: Config, folder: Path) -> dict[str, Stage]:
    """Training, sampling and scoring at a size, those that are asked for, by name."""
    makers: dict[str, Callable[[Size, Task, Config], tuple[str, Stage]]] = {
        "training": training, "sampling": sampling, "scoring": partial(scoring, folder=folder),
    }  # fmt: skip
    return dict(make(size, task, config) for stage, make in makers.items() if stage in config.stages)


def training(size: Size, task: Task, config: Config) -> tuple[str, Stage]:
    """BC on the task's pairs, from the same weights each time."""
    policy, data = policy_of(size, task, config), original_data(task)
    budget = TrainingConfig(
        learning_rate=1e-4, tokens_per_batch=config.tokens_per_batch, max_tokens=size.tokens,
        evaluate_every=size.tokens, progress=False, seed=config.seed,
    )  # fmt: skip
    return named("training", policy.model), lambda: agents.BC(policy.clone()).improve(data, budget).tokens


def sampling(size: Size, task: Task, config: Config) -> tuple[str, Stage]:
    """Eight samples of each source."""
    policy = policy_of(size, task, config)
    sources = policy.encode(task.split("train").sources[: size.sources])
    return named("sampling", policy.model), lambda: len(policy.sample(sources, 8, 0.8, config.seed).tokens)


def scoring(size: Size, task: Task, config: Config, folder: Path) -> tuple[str, Stage]:
    """Eight translations of each source."""
    scorer, network = scorer_of(size, task, folder)
    texts = task.split("train")
    rows = [(row, row + other) for row in range(size.sources) for other in range(8)]
    sources, translations = [texts.sources[row] for row, _ in rows], [texts.references[row] for _, row in rows]
    read = sum(len(tokens) for side in (sources, translations) for tokens in task.tokenizer.encode(side))

    def score() -> int:
        scorer.score(sources, translations)
        return read

    return named("scoring", network), score


def named(stage: str, network: Any) -> str:
    """A stage and its network's size."""
    return f"{stage}, {network.num_parameters() / 1e6:.1f} million"


def policy_of(size: Size, task: Task, config: Config) -> Seq2SeqPolicy:
    """A policy with random weights."""
    return agents.Seq2SeqPolicy.from_config(task.tokenizer, size.policy.for_task(task), config.seed)


def scorer_of(size: Size, task: Task, folder: Path) -> tuple[Scorer, Any]:
    """A scorer and its network."""
    import transformers

    if size.scorer is None:
        assert task.default_scorer is not None
        shipped = load_scorer(task.default_scorer)
        assert isinstance(shipped, LearnedScorer)
        model = transformers.AutoModelForSequenceClassification.from_pretrained(shipped.folder)
        return shipped, model
    layers, width = size.scorer
    sizes: dict[str, Any] = {
        "vocab_size": task.tokenizer.vocab_size, "hidden_size": width, "num_hidden_layers": layers,
        "num_attention_heads": width // 64, "intermediate_size": 4 * width, "max_position_embeddings": 128,
        "num_labels": 1, "pad_token_id": task.tokenizer.pad_id,
    }  # fmt: skip
    network = transformers.BertForSequenceClassification(transformers.BertConfig(**sizes))
    LearnedScorer.save(folder, network, PairEncoder.from_tokenizer(task.tokenizer, max_length=128))
    return LearnedScorer(folder), network


if __name__ == "__main__":
    main()

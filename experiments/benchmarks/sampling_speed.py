"""Translations per second: our engines and whole Grow steps beside ``generate`` and CTranslate2 by itself.

All sample the same sources from one saved policy, with the same candidates of each, temperature and length limit, in
float32 but for the row that says otherwise. ``generate`` and CTranslate2 run in batches by length, of the size that a
trial of each finds fastest; CTranslate2 takes its libraries from the environment (``CT2_USE_MKL=1``, say). Ours give
the log-probability of every token too, the baselines do not. A Grow step samples, scores by the task's scorer and
writes its shards; its policy and its sources are the task's, so it is left out where other text is sampled. Timings are
interleaved; the table shows medians, the smallest and the largest. Beside the ratios stands the share of the machine's
own peak, a product of two large matrices measured in the same run, that the matrix products of PyTorch's runs in
float32 reach; nothing else counts them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import agents
from agents import PolicyConfig
from buffers import GrowingBatchBuffer, grow
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
from seq2seq_env.scorers import load_scorer
from seq2seq_env.tasks import Task, load_task

if TYPE_CHECKING:
    from agents import ComputeType, Engine, Seq2SeqPolicy


@dataclass(frozen=True)
class Config(TaskBenchmark):
    """Options of the benchmark."""

    policy: Path | None = None
    """Folder of a saved policy; None takes an untrained one of --size."""
    size: PolicyConfig = field(default_factory=PolicyConfig)
    """Size of the untrained policy; its lengths are the task's."""
    text: Path | None = None
    """File of sources, a line each; None takes the task's train split."""
    sources: int = 1024
    """Sources of each timing."""
    candidates: int = 8
    """Samples of each source."""
    temperature: float = 0.8
    """Sampling temperature, above 0."""
    generate_batches: tuple[int, ...] = (16, 32, 64, 128)
    """Sources that ``generate`` gets at once; all are tried, the fastest is measured."""
    ctranslate2_batches: tuple[int, ...] = (16, 32, 64, 128)
    """Sources that CTranslate2 gets at once; all are tried, the fastest is measured."""
    sources_per_shard: int = 512
    """Sources of a shard of the Grow step, whose default it is; each shard is one thread's."""
    repeats: int = 5
    """Timings of each engine, at least 1."""
    cpu_time: bool = False
    """Whether seconds are of CPU time of all threads: for one thread on a machine that others keep busy."""
    matrix: int = 1_024
    """Rows and columns of the matrices of the peak."""
    seed: int = 0
    """Seed of the samples, and of an untrained policy."""


TINY = {
    "task_options": TINY_TASK, "size": TINY_POLICY, "sources": 4, "candidates": 2,
    "generate_batches": (2, 4), "ctranslate2_batches": (4,), "repeats": 1,
    "matrix": 64,
}  # fmt: skip


Baseline = Callable[["Seq2SeqPolicy", list[str], Config, int], Timed]
"""Prepares a run in batches of a size."""


def by_generate(policy: Seq2SeqPolicy, sources: list[str], config: Config, batch: int) -> Timed:
    """Hugging Face ``generate`` with ``num_return_sequences``."""
    import torch

    from seq2seq_env.models.padding import pad

    encoded = sorted(policy.tokenizer.encode(sources), key=len)
    model: Any = policy.model

    def run() -> None:
        torch.manual_seed(config.seed)
        for start in range(0, len(encoded), batch):
            source, mask = pad(encoded[start : start + batch], policy.tokenizer.pad_id, policy.device)
            with torch.inference_mode():
                model.generate(
                    input_ids=source,
                    attention_mask=mask.long(),
                    do_sample=True,
                    temperature=config.temperature,
                    top_k=0,
                    num_return_sequences=config.candidates,
                    max_new_tokens=policy.max_target_length,
                )

    return run


def by_ctranslate2(policy: Seq2SeqPolicy, sources: list[str], config: Config, batch: int) -> Timed:
    """CTranslate2 as its documentation has it: a translator with a worker for each core."""
    import ctranslate2
    import torch

    from agents.sampling.ctranslate2_conversion import convert, token_names

    files = convert(policy.model, policy.allowed_tokens(), config.temperature, "float32")
    translator = ctranslate2.Translator(
        "model", device=policy.device.type, inter_threads=torch.get_num_threads(), intra_threads=1, files=files,
        compute_type="float32",
    )  # fmt: skip
    names = token_names(policy.model)
    rows = [[names[token] for token in row] for row in policy.tokenizer.encode(sources)]
    return lambda: translator.translate_batch(
        rows, max_batch_size=batch, beam_size=1, sampling_topk=0, num_hypotheses=config.candidates,
        max_decoding_length=policy.max_target_length, min_decoding_length=0,
    )  # fmt: skip


def whole_grow(policy: Seq2SeqPolicy, task: Task, config: Config) -> Timed:
    """A Grow step of as many sources into a buffer of its own."""
    assert task.default_scorer is not None
    scorer = load_scorer(task.default_scorer)

    def run() -> None:
        with TemporaryDirectory() as folder:
            grow(
                policy, scorer, task, GrowingBatchBuffer(folder), grow_step=1, num_sources=config.sources,
                candidates=config.candidates, references=False, temperature=config.temperature, seed=config.seed,
                sources_per_shard=config.sources_per_shard, progress=False,
            )  # fmt: skip

    return run


def main() -> None:
    """Measure and print."""
    config = parse_options(Config, __doc__, TINY)
    import ctranslate2
    import torch
    import transformers

    from agents.sampling.ctranslate2_conversion import obstacle
    from experiments.benchmarks.operations import OperationCount

    task = load_task(config.task, **config.task_options)
    if config.policy is None:
        policy = agents.Seq2SeqPolicy.from_config(task.tokenizer, config.size.for_task(task), config.seed)
    else:
        policy = agents.Seq2SeqPolicy.load(config.policy)
    lines = task.split("train").sources if config.text is None else _lines(config.text)
    sources = [line for line in lines if len(policy.tokenizer.encode([line])[0]) <= policy.max_source_length]
    sources = sources[: config.sources]

    def ours(sampler: Any) -> Timed:
        return lambda: sampler.sample(sampler.encode(sources), config.candidates, config.temperature, config.seed)

    def seconds(run: Timed) -> Timed:
        return by_cpu(run) if config.cpu_time else run

    def fastest(baseline: Baseline, batches: tuple[int, ...]) -> Timed:
        trials = {str(batch): seconds(baseline(policy, sources, config, batch)) for batch in batches}
        tried = rates(trials, len(sources) * config.candidates, repeats=1)
        best = max(tried, key=lambda batch: tried[batch][0])
        print(f"{baseline.__name__} in batches of {best} sources, of {', '.join(trials)}")
        return trials[best]

    timed = {
        "generate": fastest(by_generate, config.generate_batches),
        "ours, engine transformers": ours(policy),
    }
    for engine, arithmetic in arithmetics(policy):
        sampler = agents.make_sampler(policy, engine, arithmetic)
        print(f"{sampler.engine}: {agents.sampler_kl(sampler, policy, sources, config.temperature, config.seed)}")
        timed[f"ours, engine {engine}, {arithmetic}"] = ours(sampler)
    if obstacle(policy.model) is None:
        timed["ours, engine ctranslate2"] = ours(agents.CTranslate2Sampler(policy))
        timed["CTranslate2 by itself"] = fastest(by_ctranslate2, config.ctranslate2_batches)
    if config.text is None:
        timed["a Grow step of ours"] = whole_grow(policy, task, config)
    factor = torch.randn(config.matrix, config.matrix)
    peak = {"peak": lambda: torch.mm(factor, factor)}
    measured = rates(
        {name: seconds(run) for name, run in (peak | timed).items()}, len(sources) * config.candidates, config.repeats
    )
    peak_flops = median(measured.pop("peak")) / (len(sources) * config.candidates) * 2 * config.matrix**3
    print(
        f"{policy}, {policy.model.config.vocab_size} tokens; {len(sources)} sources, {config.candidates} samples of "
        f"each, {torch.get_num_threads()} threads; torch {torch.__version__}, transformers {transformers.__version__}, "
        f"ctranslate2 {ctranslate2.__version__}"
    )
    rows = []
    for name, values in measured.items():
        ratios = [
            f"{median(values) / median(measured[baseline]):.2f}x" if baseline in measured else ""
            for baseline in ("generate", "CTranslate2 by itself")
        ]
        share = ""
        if name in ("generate", "ours, engine transformers"):
            with OperationCount() as count:
                timed[name]()
            flops = count.flop * median(values) / (len(sources) * config.candidates)
            share = f"{flops / peak_flops:.0%}"
        rows.append([name, spread(values), *ratios, share])
    print(f"{'CPU seconds' if config.cpu_time else 'seconds'}; matrix peak {peak_flops / 1e9:.0f} GFLOP/s")
    print(table(("", "translations per second", "/ generate", "/ CTranslate2", "of the matrix peak"), rows))


def arithmetics(policy: Seq2SeqPolicy) -> list[tuple[Engine, ComputeType]]:
    """Engines in arithmetic other than float32 that this machine has for the policy."""
    from agents.policy.marian_decoder import has_plain_decoder
    from agents.sampling.ctranslate2_conversion import obstacle
    from seq2seq_env.models.low_precision import has

    low: tuple[Literal["int8", "bfloat16"], ...] = ("int8", "bfloat16")
    usable: list[tuple[Engine, ComputeType]] = []
    if has_plain_decoder(policy.model):
        usable += [("transformers", each) for each in low if has(each, policy.device)]
    if obstacle(policy.model) is None:
        usable.append(("ctranslate2", "int8"))
    return usable


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text("utf-8").split("\n") if line.strip()]


if __name__ == "__main__":
    main()

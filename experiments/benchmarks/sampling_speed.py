"""Translations a second: our engines and whole Grow steps beside ``generate`` and CTranslate2 by itself.

All sample the same sources from one saved policy, with the same candidates of each, temperature and length limit, in
float32; ``generate`` in batches by length of the size that is fastest for it, CTranslate2 likewise. Ours give the
log-probability of every token too, the peers do not. A Grow step samples, scores by the task's scorer and writes its
shards; its policy and its sources are the task's, so it is left out where other text is sampled. Readings are
interleaved; the table shows medians, the smallest and the largest reading.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import ctranslate2
import torch
import transformers
import tyro
from tqdm import tqdm

from agents import CTranslate2Sampler, Seq2SeqPolicy
from agents.conversion import convert, obstacle, token_names
from buffers import GrowingBatchBuffer, grow
from seq2seq_env.scorers import load_scorer
from seq2seq_env.tasks import load_task


@dataclass(frozen=True)
class Config:
    """Options of the benchmark."""

    policy: Path
    """Folder of a saved policy."""
    text: Path | None = None
    """File of sources, a line each; None takes the task's train split."""
    task: str = "phrasebook-de-en"
    """Task of the sources and of the Grow step."""
    sources: int = 1024
    """Sources of a reading."""
    candidates: int = 8
    """Samples of each source."""
    temperature: float = 0.8
    """Sampling temperature, above 0."""
    generate_batch: int = 32
    """Sources that ``generate`` gets at once."""
    ctranslate2_batch: int = 32
    """Sources that CTranslate2 gets at once."""
    repeats: int = 5
    """Readings of each."""
    seed: int = 0
    """Of the samples."""


Reading = Callable[[], object]


def by_generate(policy: Seq2SeqPolicy, sources: list[str], config: Config) -> Reading:
    """Hugging Face ``generate`` with ``num_return_sequences``."""
    encoded = sorted(policy.tokenizer.encode(sources), key=len)
    model: Any = policy.model

    def read() -> None:
        torch.manual_seed(config.seed)
        for start in range(0, len(encoded), config.generate_batch):
            rows = encoded[start : start + config.generate_batch]
            width = len(rows[-1])
            source = torch.tensor([row + [policy.tokenizer.pad_id] * (width - len(row)) for row in rows])
            with torch.inference_mode():
                model.generate(
                    input_ids=source.to(policy.device),
                    attention_mask=(source != policy.tokenizer.pad_id).long().to(policy.device),
                    do_sample=True,
                    temperature=config.temperature,
                    top_k=0,
                    num_return_sequences=config.candidates,
                    max_new_tokens=policy.max_target_length,
                )

    return read


def by_ctranslate2(policy: Seq2SeqPolicy, sources: list[str], config: Config) -> Reading:
    """CTranslate2 as its documentation has it: a translator with a worker for each core."""
    files = convert(policy.model, policy.support(), config.temperature, policy.tokenizer.unk_id, "float32")
    translator = ctranslate2.Translator(
        "model", device=policy.device.type, inter_threads=torch.get_num_threads(), intra_threads=1, files=files,
        compute_type="float32",
    )  # fmt: skip
    names = token_names(policy.model)
    rows = [[names[token] for token in row] for row in policy.tokenizer.encode(sources)]
    return lambda: translator.translate_batch(
        rows, max_batch_size=config.ctranslate2_batch, beam_size=1, sampling_topk=0, num_hypotheses=config.candidates,
        max_decoding_length=policy.max_target_length, min_decoding_length=0,
    )  # fmt: skip


def whole_grow(policy: Seq2SeqPolicy, config: Config) -> Reading:
    """A Grow step of as many sources into a buffer of its own."""
    task = load_task(config.task)
    assert task.default_scorer is not None
    scorer = load_scorer(task.default_scorer)

    def read() -> None:
        with TemporaryDirectory() as folder:
            grow(
                policy, scorer, task, GrowingBatchBuffer(folder), grow_step=1, num_sources=config.sources,
                candidates=config.candidates, references=False, temperature=config.temperature, seed=config.seed,
                sources_per_shard=128, progress=False,
            )  # fmt: skip

    return read


def main() -> None:
    """Measure and print."""
    config = tyro.cli(Config, description=__doc__)
    policy = Seq2SeqPolicy.load(config.policy)
    lines = load_task(config.task).split("train").sources if config.text is None else _lines(config.text)
    sources = [line for line in lines if len(policy.tokenizer.encode([line])[0]) <= policy.max_source_length]
    sources = sources[: config.sources]

    def ours(sampler: Any) -> Reading:
        return lambda: sampler.sample(sources, config.candidates, config.temperature, config.seed)

    readings: dict[str, Reading] = {
        "generate": by_generate(policy, sources, config),
        "ours, engine transformers": ours(policy),
    }
    if obstacle(policy.model) is None:
        readings["ours, engine ctranslate2"] = ours(CTranslate2Sampler(policy))
        readings["CTranslate2 by itself"] = by_ctranslate2(policy, sources, config)
    if config.text is None:
        readings["a Grow step of ours"] = whole_grow(policy, config)
    rates: dict[str, list[float]] = {name: [] for name in readings}
    with tqdm(total=(1 + config.repeats) * len(readings), unit="reading", leave=False) as bar:
        for repeat in range(1 + config.repeats):
            for name, read in readings.items():
                bar.set_description(name)
                started = time.perf_counter()
                read()
                if repeat:  # what is loaded at a first call is not counted
                    rates[name].append(len(sources) * config.candidates / (time.perf_counter() - started))
                bar.update()
    print(
        f"{policy}, {policy.model.config.vocab_size} tokens; {len(sources)} sources, {config.candidates} samples of "
        f"each, {torch.get_num_threads()} threads; torch {torch.__version__}, transformers {transformers.__version__}, "
        f"ctranslate2 {ctranslate2.__version__}"
    )
    print("\n| | translations a second | / generate | / CTranslate2 |\n| --- | --- | --- | --- |")
    for name, found in rates.items():
        ratios = [
            f"{median(found) / median(rates[peer]):.2f}x" if peer in rates else ""
            for peer in ("generate", "CTranslate2 by itself")
        ]
        print(f"| {name} | {median(found):.0f} ({min(found):.0f} to {max(found):.0f}) | {' | '.join(ratios)} |")


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text("utf-8").splitlines() if line.strip()]


if __name__ == "__main__":
    main()

"""Scorer of a task with an oracle: pre-trained on synthetic corruptions, then trained on a budget of oracle ratings.

It reads source and hypothesis only. The oracle stands for the human raters whose ratings train a real
quality-estimation model; it rates at most ``ratings`` hypotheses, half of them samples of weak policies and half
corrupted translations.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from agents import PolicyConfig, Seq2SeqPolicy, TrainingConfig, make_agent
from agents.policy.embeddings import align_embeddings, cross_lingual_embeddings
from buffers import Slice
from experiments.scorer_training.corruptions import CORRUPTIONS
from experiments.scorer_training.oracle_config import OracleConfig
from experiments.scorer_training.scorer_network import Example, ScorerNetwork, corrupt, mask, plausible_tokens, train
from experiments.scorer_training.scorer_report import ScorerReport, agreement, paraphrases, unit_tests
from seq2seq_env.scorers import checked_scores
from seq2seq_env.scorers.models.learned import LearnedScorer
from seq2seq_env.scorers.models.pairs import PairEncoder
from seq2seq_env.tasks import Split, Task, TaskOptions, load_task

HELD_OUT_SIZES: dict[str, int] = {"validation_size": 500, "test_size": 1_000}
"""Of the default task, what the scorer is measured on; its training split makes the unseen policy."""

POLICY_SIZES: dict[str, Any] = {}
"""Of the weak policies and the unseen one: the defaults."""


def pretrained(config: OracleConfig, task: Task, seed: int) -> ScorerNetwork:
    """A network that tells corrupted translations from right ones; no oracle is asked.

    Where the task knows other right wordings than a reference, each pass over the pairs shows another.
    """
    pairs = task.split("train")
    sources, targets = (
        [row[:-1] for row in task.tokenizer.encode(texts)] for texts in (pairs.sources, pairs.references)
    )
    network = ScorerNetwork(task.tokenizer, config.network)
    network.start_from(
        cross_lingual_embeddings(
            sources, targets, vocab_size=task.tokenizer.vocab_size, width=config.network.width, seed=seed
        )
    )
    random, mask_id = Random(seed), task.tokenizer.unk_id
    masking = [
        [mask(random, source, target, mask_id) for source, target in zip(sources, targets, strict=True)]
        for _ in range(config.masking_epochs)
    ]
    train(
        network, masking, learning_rate=config.learning_rate, batch_size=config.batch_size, seed=seed,
        name="guessing masked tokens",
    )  # fmt: skip
    epochs = []
    for _ in range(config.corruption_epochs):
        worded = [row[:-1] for row in task.tokenizer.encode(_reworded(random, task, pairs))]
        plausible = plausible_tokens(network, worded, mask_id, random)
        rows = zip(sources, worded, plausible, strict=True)
        epochs.append([corrupt(random, source, target, random.choice(worded), wrong) for source, target, wrong in rows])
    train(
        network, epochs, learning_rate=config.learning_rate, batch_size=config.batch_size, seed=seed,
        name="finding corruptions",
    )  # fmt: skip
    return network


def _reworded(random: Random, task: Task, pairs: Split) -> list[str]:
    """References, each right one in any of its right wordings."""
    texts = []
    for source, reference in zip(pairs.sources, pairs.references, strict=True):
        wordings = task.wordings(source)
        texts.append(random.choice(wordings) if reference in wordings else reference)
    return texts


def weak_policies(config: OracleConfig, task: Task, seeds: Sequence[int], tokens: int) -> list[Seq2SeqPolicy]:
    """Policies at four stages of supervised training, from babble to the best that its data gives.

    Every second one has few pairs.
    """
    pairs = task.split("train")
    sizes, lengths = PolicyConfig(**POLICY_SIZES).for_task(task), (task.max_source_length, task.max_target_length)
    stages = []
    for number, seed in enumerate(seeds):
        most = config.few_pairs if number % 2 else len(pairs)
        sources, references = pairs.sources[:most], pairs.references[:most]
        data = Slice.from_pairs(sources, references, task.tokenizer, *lengths)
        policy = Seq2SeqPolicy.from_config(task.tokenizer, sizes, seed)
        align_embeddings(policy, sources, references, seed=seed)
        agent = make_agent("bc", policy)
        for stage, share in enumerate((0.2, 0.2, 0.25, 0.35)):
            training = TrainingConfig(
                max_tokens=int(share * tokens), tokens_per_batch=512, learning_rate=2e-3, warmup_tokens=20_000,
                seed=seed * 10 + stage,
            )  # fmt: skip
            agent.improve(data, training)
            stages.append(policy.clone())
    return stages


def hypotheses(
    config: OracleConfig, task: Task, split: str, count: int, policies: Sequence[Seq2SeqPolicy], *,
    samples: int, temperatures: Sequence[float], seed: int,
) -> tuple[list[str], list[str]]:  # fmt: skip
    """Sources and hypotheses, ``rated_per_source`` of each: about ``samples`` of policies, right wordings, corruptions.

    The reference stands for the right wordings where the task knows no others. There are ``count`` of them, or fewer
    where the split has too few sources.
    """
    random = Random(seed)
    pairs = task.split(split)
    rows = random.sample(range(len(pairs)), min(len(pairs), count // config.rated_per_source))
    texts: dict[int, list[str]] = {row: [] for row in rows}
    for number, policy in enumerate(policies):
        mine = [row for row in rows for _ in range(samples) if random.random() < 1 / len(policies)]
        sources = policy.encode([pairs.sources[row] for row in mine])
        drawn = policy.sample(sources, 1, random.choice(temperatures), seed + number)
        for row, text in zip(mine, drawn.texts, strict=True):
            texts[row].append(text)
    for row in rows:
        wordings = task.wordings(pairs.sources[row]) or [pairs.references[row]]
        if len(texts[row]) < config.rated_per_source:
            texts[row].append(pairs.references[row])
            others = [wording for wording in wordings if wording != pairs.references[row]]
            texts[row] += random.sample(others, min(len(others), config.wordings - 1))
        while len(texts[row]) < config.rated_per_source:
            corruption = random.choice(list(CORRUPTIONS.values()))
            right = random.choice(wordings)
            corrupted = corruption(random, pairs.sources[row], right, random.choice(pairs.references))
            if corrupted is not None:
                texts[row].append(corrupted)
    chosen = [(pairs.sources[row], text) for row in rows for text in texts[row][: config.rated_per_source]]
    return [source for source, _ in chosen], [text for _, text in chosen]


def rated(task: Task, sources: list[str], texts: list[str]) -> list[Example]:
    """Ask the oracle; the only place where training does."""
    assert task.oracle is not None
    qualities = task.oracle(sources, texts)
    encode = task.tokenizer.encode
    return [
        Example(source[:-1], text[:-1], float(quality))
        for source, text, quality in zip(encode(sources), encode(texts), qualities, strict=True)
    ]


def report(config: OracleConfig, scorer: LearnedScorer, task: Task, unseen: Seq2SeqPolicy, seed: int) -> ScorerReport:
    """Held-out agreement and unit tests."""
    assert task.oracle is not None
    count = len(task.split("validation")) * config.rated_per_source
    agreements = {}
    for name, samples in (
        ("held-out sources: samples, references, corruptions", 4),
        ("held-out sources: samples of an unseen policy alone", config.rated_per_source),
    ):
        sources, texts = hypotheses(config, task, "validation", count, [unseen],
                                    samples=samples, temperatures=(0.8,), seed=seed + 7)  # fmt: skip
        agreements[name] = agreement(sources, task.oracle(sources, texts), checked_scores(scorer, sources, texts))
    right = paraphrases(scorer, task, "test", seed)
    return ScorerReport(agreements, unit_tests(scorer, task.split("test"), task.oracle, seed), right)


def make(config: OracleConfig, name: str, options: TaskOptions, folder: Path, seed: int) -> ScorerReport:
    """Pre-train, rate, train on the ratings, save, measure.

    Args:
        config: Budgets.
        name: Of a task that takes ``train_size`` and ``regime``, and has an oracle.
        options: The task's own.
        folder: Of the checkpoint.
        seed: Of weights, corruptions and samples.
    """
    torch.manual_seed(seed)
    task = load_task(name, **{**options, "regime": config.regime, "train_size": config.pairs})
    network = pretrained(config, task, seed)
    policies = weak_policies(config, task, range(1, 1 + config.policies), config.policy_tokens)
    sources, texts = hypotheses(config, task, "train", config.ratings, policies,
                                samples=4, temperatures=(0.6, 0.8, 1.0), seed=seed)  # fmt: skip
    examples = rated(task, sources, texts)
    mean = np.mean([example.score for example in examples])
    print(f"{len(examples)} ratings of {len(set(sources))} sources; mean quality {mean:.3f}")
    train(
        network, [examples] * config.rating_epochs, learning_rate=config.learning_rate / 3,
        batch_size=config.batch_size, seed=seed + 1, name="learning ratings",
    )  # fmt: skip
    pairs = PairEncoder.from_tokenizer(task.tokenizer, max_length=config.network.max_tokens)
    LearnedScorer.save(folder, network.model, pairs, activation="sigmoid", dtype="float16")
    held_out = load_task(name, **options, **HELD_OUT_SIZES)
    unseen = weak_policies(config, held_out, [99], 2 * config.policy_tokens)[-1]
    return report(config, LearnedScorer(folder), held_out, unseen, seed)

"""Predictor-estimator of one's own pairs: two translation models, labelled hypotheses, a small network.

No source is judged by a scorer that learned from it: see ``seq2seq_env.scorers.wrappers.cross_fit``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import NamedTuple

import torch
from torch import Tensor

from agents import PolicyConfig, Seq2SeqPolicy, known_device
from experiments.scorer_training.corruptions import CORRUPTIONS
from experiments.scorer_training.estimator_config import EstimatorConfig, QualityName
from experiments.scorer_training.head_training import train_head
from experiments.scorer_training.ratings import Rating, read_ratings
from experiments.scorer_training.reference_quality import ReferenceQuality
from experiments.scorer_training.scorer_report import ScorerReport, agreement, unit_tests
from experiments.scorer_training.translation_models import Pairs, Recipe, TranslationModel, train_models
from seq2seq_env.progress import progress_bar
from seq2seq_env.scorers import CrossFittedScorer, Scorer, checked_scores
from seq2seq_env.scorers.description import check_free, write_description
from seq2seq_env.scorers.folds import fold_of
from seq2seq_env.scorers.predictor_estimator.estimator import BACKWARD, FORWARD, EstimatorScorer
from seq2seq_env.scorers.predictor_estimator.estimator_head import Features, features
from seq2seq_env.scorers.predictor_estimator.predictor import Predictor
from seq2seq_env.scorers.predictor_estimator.pseudo_references import PseudoReferences
from seq2seq_env.tasks import Split, Task
from seq2seq_env.tasks.corpora.cleaning import bare
from seq2seq_env.tokenization.tokenizer import Tokenizer

READ_AT_ONCE = 2_048
"""Tokens of one forward pass of a predictor."""

SOURCES_AT_ONCE = 64
"""Whose hypotheses are sorted by length for it."""

TEMPERATURES = (0.8, 1.0)
"""Of the samples that are labelled, half of them each; of those that the report judges, the first."""

SAMPLES = 8
"""Of each source that the report judges."""

HELD_OUT = 500
"""Pairs, of those whose sources are labelled, on which the translation models' loss is measured."""

LEAST_SOURCES = 20
"""With labels, of which a tenth says when the estimator is at its best."""


class Labelled(NamedTuple):
    """M hypotheses of one source."""

    source: str
    hypotheses: list[str]
    labels: Tensor
    """float32 [M], quality in [0, 1]."""


class _Part(NamedTuple):
    """What one scorer learns from."""

    pairs: Split
    """For its translation models."""
    labelled: Split
    """Whose sources' hypotheses are labelled by the references, where there are no ratings."""
    rated: list[Rating] | None


def make(config: EstimatorConfig, task: Task, folder: Path, seed: int) -> ScorerReport:
    """Train, save and measure the scorer of a task.

    Args:
        config: Budgets.
        task: Its training split is learned from; its validation split is measured on.
        folder: Of the checkpoint, which ``load_scorer`` reads.
        seed: Of weights and samples.

    Raises:
        ValueError: If there are too few pairs, or the ratings cannot be used.
        OSError: If the ratings cannot be read, or the folder has a scorer.json already.
    """
    check_free(folder)
    if type(task.tokenizer) is not Tokenizer:
        raise ValueError(
            "the task reads with a pretrained model's tokenizer; leave out its option tokenizer here, the scorer's "
            "translation models have one of their own and its scores go by text"
        )
    config = replace(config, device=known_device(config.device))
    if config.predictor == EstimatorConfig().predictor:
        config = config.fitted(len(set(task.split("train").sources)))
    rated = None if config.ratings is None else read_ratings(config.ratings)
    numbers = [None] if config.folds == 1 else list(range(config.folds * config.repeats))
    folders = [folder if number is None else folder / str(number) for number in numbers]
    parts = [_part(config, task, rated, number, seed) for number in numbers]
    models = [
        model
        for part, own in zip(parts, folders, strict=True)
        for model in _translation_models(config, task, part, own)
    ]
    train_models(Recipe(task.tokenizer, seed, config.device), models, config.processes)
    for part, own in zip(parts, folders, strict=True):
        print(f"estimator in {own}")
        _make_estimator(config, part, own, seed)
    scorers = [EstimatorScorer(own, device=config.device) for own in folders]
    report = _report(task, CrossFittedScorer(scorers, config.folds), scorers[: config.folds], config.label, seed)
    if config.folds == 1:
        print("trained on all training sources: reward a policy on other ones, or with --estimator.folds 2")
    else:
        names = [own.name for own in folders]
        write_description(folder, {"kind": "cross-fitted", "scorers": names, "folds": config.folds})
    return report


def _translation_models(config: EstimatorConfig, task: Task, part: _Part, folder: Path) -> list[TranslationModel]:
    """Those of one scorer, there and back; what is labelled is held out of both."""
    pairs, held_out = part.pairs, part.labelled
    # Rated sources need have no references here; a few pairs would stop a training by luck.
    few = HELD_OUT if len(held_out) >= LEAST_SOURCES else 0
    held = held_out.sources[:few], held_out.references[:few]

    def model(name: str, network: PolicyConfig, texts: Pairs, held_texts: Pairs) -> TranslationModel:
        training = config.budget(sum(len(row) for row in task.tokenizer.encode_targets(texts[1])))
        return TranslationModel(*texts, folder / name, network.for_task(task), training, held_texts)

    return [
        model(FORWARD, config.predictor, (pairs.sources, pairs.references), held),
        model(BACKWARD, config.backward, (pairs.references, pairs.sources), held[::-1]),
    ]


def _part(config: EstimatorConfig, task: Task, rated: list[Rating] | None, number: int | None, seed: int) -> _Part:
    """The data of a scorer that judges the sources of one fold and learns from the others.

    Args:
        config: Budgets.
        task: Its training split is learned from.
        rated: Ratings, if there are any.
        number: Of the scorer, repeat after repeat; None for one that learns from all.
        seed: Says whose hypotheses are labelled.

    Raises:
        ValueError: If there is too little.
    """
    repeat, fold = divmod(number or 0, config.folds)

    def learned_from(source: str) -> bool:
        return number is None or fold_of(source, config.folds, repeat) != fold

    pairs = _chosen(task.split("train"), learned_from)
    if rated is None:
        # A source's other spellings go where it goes, else its translation would be learned all the same.
        sources = list(dict.fromkeys(map(bare, sorted(set(pairs.sources)))))
        reserved = set(Random(seed).sample(sources, config.labelled_of(len(sources))))
    else:
        rated = [rating for rating in rated if learned_from(rating.source)]
        reserved = {bare(rating.source) for rating in rated}
    rest = _chosen(pairs, lambda source: bare(source) not in reserved)
    if len(rest) <= config.predictor.d_model or len(reserved) < LEAST_SOURCES:
        raise ValueError(
            f"{len(rest):,} pairs to train translation models of width {config.predictor.d_model} on and "
            f"{len(reserved):,} sources with labels are too few; give more pairs, or fewer folds (--estimator.folds)"
        )
    return _Part(rest, _chosen(pairs, lambda source: bare(source) in reserved), rated)


def _make_estimator(config: EstimatorConfig, part: _Part, folder: Path, seed: int) -> None:
    """What judges the features of the folder's translation models, saved beside them."""
    if part.rated is None:
        labelled = _self_made(config, part.labelled, Seq2SeqPolicy.load(folder / FORWARD, config.device), seed)
    else:
        labelled = grouped([(each.source, each.hypothesis) for each in part.rated], [each.score for each in part.rated])
    models = Predictor(folder / FORWARD, config.device), Predictor(folder / BACKWARD, config.device)
    read = read_features(models, labelled)
    EstimatorScorer.save(folder, train_head(config.head, read, [each.labels for each in labelled], seed))


def _report(
    task: Task, scorer: Scorer, parts: Sequence[EstimatorScorer], label: QualityName, seed: int
) -> ScorerReport:
    """Agreement with the labels' measure on the validation split, and unit tests there.

    A source's samples are those of a translation model that none of the scorers judging it holds, where there is one:
    of the next one of ``parts``, which are those of the first repeat.
    """
    split = task.split("validation")
    quality = ReferenceQuality(split.sources, split.references, label)
    samples: list[tuple[str, str]] = []
    for fold, part in enumerate([*parts[1:], parts[0]]):
        sources = [source for source in split.sources if fold_of(source, len(parts)) == fold]
        if sources:
            policy = Seq2SeqPolicy.load(part.folder / FORWARD, part.device)
            texts = policy.sample(policy.encode(sources), SAMPLES, TEMPERATURES[0], seed + 7).texts
            samples += zip([source for source in sources for _ in range(SAMPLES)], texts, strict=True)
    sources, texts = (list(side) for side in zip(*samples, strict=True))
    scores = checked_scores(scorer, sources, texts)
    name = f"held-out sources: {SAMPLES} samples of a translation model, against {label}"
    return ScorerReport(
        {name: agreement(sources, quality(sources, texts), scores)}, unit_tests(scorer, split, quality, seed)
    )


def _chosen(pairs: Split, wanted: Callable[[str], bool]) -> Split:
    rows = [row for row, source in enumerate(pairs.sources) if wanted(source)]
    return Split(pairs.name, [pairs.sources[row] for row in rows], [pairs.references[row] for row in rows])


def _self_made(config: EstimatorConfig, pairs: Split, policy: Seq2SeqPolicy, seed: int) -> list[Labelled]:
    """Samples of the policy for each source, and corrupted ones, labelled against the references.

    These are not among them: their quality is 1 by definition, which no other right translation gets.
    """
    random = Random(seed)
    sources = list(dict.fromkeys(pairs.sources))
    texts: list[tuple[str, str]] = []
    for number, temperature in enumerate(TEMPERATURES):
        count = config.samples_per_source * (number + 1) // len(TEMPERATURES)
        count -= config.samples_per_source * number // len(TEMPERATURES)
        if count:
            drawn = policy.sample(policy.encode(sources), count, temperature, seed + number).texts
            texts += zip([source for source in sources for _ in range(count)], drawn, strict=True)
    drawn_of: dict[str, list[str]] = {}
    for source, text in texts:
        drawn_of.setdefault(source, []).append(text)
    for source, own in drawn_of.items():
        for _ in range(config.corrupted_per_source):
            corruption = random.choice(list(CORRUPTIONS.values()))
            other = random.choice(pairs.references)
            corrupted = corruption(random, source, random.choice(own) or other, other)
            if corrupted is not None:
                texts.append((source, corrupted))
    distinct = list(dict.fromkeys(texts))
    quality = ReferenceQuality(pairs.sources, pairs.references, config.label)
    return grouped(distinct, quality([source for source, _ in distinct], [text for _, text in distinct]).tolist())


def read_features(models: tuple[Predictor, Predictor], labelled: Sequence[Labelled]) -> list[list[Features]]:
    """What both models say of the hypotheses of each source; of many sources at once, so that lengths go together."""
    by_source: list[list[Features]] = []
    own = PseudoReferences(*models)
    with progress_bar(total=len(labelled), desc="reading hypotheses", unit="source") as bar:
        for start in range(0, len(labelled), SOURCES_AT_ONCE):
            part = labelled[start : start + SOURCES_AT_ONCE]
            sources = [each.source for each in part for _ in each.hypotheses]
            pairs = iter(
                features(*models, own, sources, [text for each in part for text in each.hypotheses], READ_AT_ONCE)
            )
            by_source += [list(islice(pairs, len(each.hypotheses))) for each in part]
            bar.update(len(part))
    return by_source


def grouped(pairs: Sequence[tuple[str, str]], labels: Sequence[float]) -> list[Labelled]:
    """The hypotheses of each source together, from pairs of source and hypothesis with labels."""
    rows: dict[str, list[int]] = {}
    for row, (source, _) in enumerate(pairs):
        rows.setdefault(source, []).append(row)
    return [
        Labelled(source, [pairs[row][1] for row in chosen], torch.tensor([labels[row] for row in chosen]))
        for source, chosen in rows.items()
    ]

"""Making a predictor-estimator of one's own pairs: two translation models, labelled hypotheses, a small network.

No source is judged by a scorer that learned from it: see ``seq2seq_env.scorers.cross_fit``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid
from tqdm import tqdm

from agents import PolicyConfig, Seq2SeqPolicy, TrainingConfig, make_agent
from agents.embeddings import align_embeddings
from buffers import Slice
from experiments.chrf_quality import ChrfQuality
from experiments.corruptions import CORRUPTIONS
from experiments.ratings import Rating, read_ratings
from experiments.run_folder import write_json
from experiments.scorer_report import ScorerReport, agreement, unit_tests
from seq2seq_env.scorers import checked_scores, load_scorer
from seq2seq_env.scorers.cross_fit import fold_of
from seq2seq_env.scorers.description import check_free, write_description
from seq2seq_env.scorers.estimator import BACKWARD, FORWARD, EstimatorScorer
from seq2seq_env.scorers.estimator_head import EstimatorHead, Features, features
from seq2seq_env.scorers.predictor import Predictor
from seq2seq_env.scorers.pseudo_references import PseudoReferences
from seq2seq_env.tasks import Split, Task, Tokenizer

READ_AT_ONCE = 2_048
"""Tokens of one forward pass of a predictor."""

SOURCES_AT_ONCE = 64
"""Whose hypotheses are sorted by length for it."""

TEMPERATURES = (0.8, 1.0)
"""Of the samples that are labelled, half of them each; of those that the report judges, the first."""

SAMPLES = 8
"""Of each source that the report judges."""

CROSS_ENTROPY = 0.3
"""Weight of the scores' cross-entropy beside the loss of their order, which is what a filter asks for."""

MADE = "made.json"
"""Of a translation model's folder: what determines it. It is written last."""

LEAST_SOURCES = 20
"""With labels, of which a tenth says when the estimator is at its best."""


@dataclass(frozen=True)
class EstimatorConfig:
    """How the scorer of a task without an oracle is made."""

    folds: int = 2
    """Scorers, each trained without the sources that it will judge; 1 trains one on all pairs of the training split,
    whose sources no policy should then be rewarded on."""
    ratings: Path | None = None
    """Table of rated hypotheses to learn from: source, hypothesis and score, or one of WMT's layouts. None labels
    hypotheses by chrF against the references of held-out sources."""
    labelled_sources: int = 3_000
    """Without ratings, sources of each scorer whose hypotheses are labelled, half of its sources at most; its
    translation models never see them."""
    samples_per_source: int = 8
    """Samples of a translation model for each labelled source."""
    damaged_per_source: int = 2
    """Damaged samples beside them."""
    predictor: PolicyConfig = field(default_factory=lambda: PolicyConfig(d_model=256, ffn_dim=1024, dropout=0.2))
    """Size of both translation models, whose lengths are the task's."""
    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            learning_rate=1.5e-3, schedule="linear", tokens_per_batch=2_048, max_tokens=2_500_000, warmup_tokens=50_000
        )
    )
    """Training of each of them."""
    width: int = 32
    """Width of the estimator."""
    dropout: float = 0.1
    """Share of the estimator's inputs dropped in training."""
    epochs: int = 12
    """Passes over the labelled hypotheses at most; the best on a tenth of their sources is kept."""
    sources_per_batch: int = 32
    """Sources of an update, all hypotheses of each."""
    learning_rate: float = 1e-3
    """Of the estimator."""

    def __post_init__(self) -> None:
        for name in ("folds", "labelled_sources", "samples_per_source", "width", "epochs", "sources_per_batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give 1 or more")
        if self.damaged_per_source < 0 or not 0 <= self.dropout < 1 or not 0 < self.learning_rate < float("inf"):
            raise ValueError(
                f"damaged_per_source {self.damaged_per_source}, dropout {self.dropout} or learning_rate "
                f"{self.learning_rate} is out of range; give 0 or more, 0 to below 1, and above 0"
            )


@dataclass(frozen=True)
class Labelled:
    """Hypotheses of one source.

    Attributes:
        source: The source.
        hypotheses: M texts.
        labels: float32 [M], quality in [0, 1].
    """

    source: str
    hypotheses: list[str]
    labels: Tensor


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
    rated = None if config.ratings is None else read_ratings(config.ratings)
    parts = [folder] if config.folds == 1 else [folder / str(fold) for fold in range(config.folds)]
    for fold, part in enumerate(parts):
        print(f"scorer {fold + 1} of {config.folds}")
        _make_part(config, task, rated, None if config.folds == 1 else fold, part, seed)
    if config.folds == 1:
        print("trained on all training sources: reward a policy on other ones, or with --estimator.folds 2")
    else:
        write_description(folder, {"kind": "cross-fitted", "scorers": [part.name for part in parts]})
    return _report(config, task, folder, parts, seed)


def _make_part(
    config: EstimatorConfig, task: Task, rated: list[Rating] | None, fold: int | None, folder: Path, seed: int
) -> None:
    """The scorer that judges the sources of ``fold`` and learns from the others; from all where it is None."""
    pairs = _chosen(task.split("train"), lambda source: fold is None or fold_of(source, config.folds) != fold)
    if rated is None:
        sources = sorted(set(pairs.sources))
        reserved = set(Random(seed).sample(sources, min(config.labelled_sources, len(sources) // 2)))
    else:
        rated = [rating for rating in rated if fold is None or fold_of(rating.source, config.folds) != fold]
        reserved = {rating.source for rating in rated}
    rest = _chosen(pairs, lambda source: source not in reserved)
    if len(rest) <= config.predictor.d_model or len(reserved) < LEAST_SOURCES:
        raise ValueError(
            f"{len(rest):,} pairs to train translation models of width {config.predictor.d_model} on and "
            f"{len(reserved):,} sources with labels are too few; give more pairs, or fewer folds (--estimator.folds)"
        )
    forward = _translator(config, task, rest.sources, rest.references, folder / FORWARD, seed)
    _translator(config, task, rest.references, rest.sources, folder / BACKWARD, seed)
    if rated is None:
        labelled = _self_made(config, _chosen(pairs, lambda source: source in reserved), forward, seed)
    else:
        labelled = _grouped([(each.source, each.hypothesis) for each in rated], [each.score for each in rated])
    models = Predictor(folder / FORWARD), Predictor(folder / BACKWARD)
    read = _read(models, labelled)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        head = EstimatorHead(config.width, config.dropout)
        head.standardise([pair for pairs in read for pair in pairs])
        fit(head, read, [each.labels for each in labelled], config, seed)
    EstimatorScorer.save(folder, head)


def _report(config: EstimatorConfig, task: Task, folder: Path, parts: Sequence[Path], seed: int) -> ScorerReport:
    """Agreement with chrF on the validation split, and unit tests there.

    A source's samples are those of a translation model that the scorer judging it does not hold, where there is one.
    """
    scorer, split = load_scorer(folder), task.split("validation")
    quality = ChrfQuality(split.sources, split.references)
    samples: list[tuple[str, str]] = []
    for fold, part in enumerate([*parts[1:], parts[0]]):
        sources = [source for source in split.sources if fold_of(source, len(parts)) == fold]
        if sources:
            texts = Seq2SeqPolicy.load(part / FORWARD).sample(sources, SAMPLES, TEMPERATURES[0], seed + 7).texts
            samples += zip([source for source in sources for _ in range(SAMPLES)], texts, strict=True)
    sources, texts = (list(side) for side in zip(*samples, strict=True))
    scores = checked_scores(scorer, sources, texts)
    name = f"held-out sources: {SAMPLES} samples of a translation model, against chrF"
    return ScorerReport(
        {name: agreement(sources, quality(sources, texts), scores)}, unit_tests(scorer, split, quality, seed)
    )


def _chosen(pairs: Split, wanted: Callable[[str], bool]) -> Split:
    rows = [row for row, source in enumerate(pairs.sources) if wanted(source)]
    return Split(pairs.name, [pairs.sources[row] for row in rows], [pairs.references[row] for row in rows])


def _translator(
    config: EstimatorConfig, task: Task, sources: list[str], targets: list[str], folder: Path, seed: int
) -> Seq2SeqPolicy:
    """A translation model of the pairs, saved; one that was made of the same before is read again."""
    budget = {name: value for name, value in asdict(config.training).items() if name not in ("progress", "workers")}
    pairs = hashlib.sha256(json.dumps([task.tokenizer.fingerprint, sources, targets]).encode()).hexdigest()
    made_of = {"pairs": pairs, "network": asdict(config.predictor), "training": budget, "seed": seed}
    if (folder / MADE).is_file() and json.loads((folder / MADE).read_text("utf-8")) == made_of:
        print(f"{folder.name} translation model: as made before")
        return Seq2SeqPolicy.load(folder)
    lengths = {"max_source_length": task.max_source_length, "max_target_length": task.max_target_length}
    policy = Seq2SeqPolicy.from_config(task.tokenizer, replace(config.predictor, **lengths), seed)
    align_embeddings(policy, sources, targets, seed=seed)
    print(f"{folder.name} translation model: {len(sources):,} pairs")
    data = Slice.from_pairs(sources, targets, task.tokenizer, task.max_source_length, task.max_target_length)
    make_agent("bc", policy).improve(data, replace(config.training, seed=seed))
    policy.save(folder)
    write_json(folder / MADE, made_of)
    return policy


def _self_made(config: EstimatorConfig, pairs: Split, policy: Seq2SeqPolicy, seed: int) -> list[Labelled]:
    """Samples of the policy for each source, and damaged ones, labelled by chrF.

    The references are not among them: their chrF is 1 by definition, which no other right translation gets.
    """
    random = Random(seed)
    sources = list(dict.fromkeys(pairs.sources))
    texts: list[tuple[str, str]] = []
    for number, temperature in enumerate(TEMPERATURES):
        count = config.samples_per_source * (number + 1) // len(TEMPERATURES)
        count -= config.samples_per_source * number // len(TEMPERATURES)
        if count:
            drawn = policy.sample(sources, count, temperature, seed + number).texts
            texts += zip([source for source in sources for _ in range(count)], drawn, strict=True)
    drawn_of: dict[str, list[str]] = {}
    for source, text in texts:
        drawn_of.setdefault(source, []).append(text)
    for source, own in drawn_of.items():
        for _ in range(config.damaged_per_source):
            damage = random.choice(list(CORRUPTIONS.values()))
            other = random.choice(pairs.references)
            damaged = damage(random, source, random.choice(own) or other, other)
            if damaged is not None:
                texts.append((source, damaged))
    distinct = list(dict.fromkeys(texts))
    quality = ChrfQuality(pairs.sources, pairs.references)
    return _grouped(distinct, quality([source for source, _ in distinct], [text for _, text in distinct]).tolist())


def _read(models: tuple[Predictor, Predictor], labelled: Sequence[Labelled]) -> list[list[Features]]:
    """What both models say of the hypotheses of each source; of many sources at once, so that lengths go together."""
    found: list[list[Features]] = []
    own = PseudoReferences(models[0])
    with tqdm(total=len(labelled), desc="reading hypotheses", unit="source") as bar:
        for start in range(0, len(labelled), SOURCES_AT_ONCE):
            part = labelled[start : start + SOURCES_AT_ONCE]
            sources = [each.source for each in part for _ in each.hypotheses]
            pairs = iter(
                features(*models, own, sources, [text for each in part for text in each.hypotheses], READ_AT_ONCE)
            )
            found += [list(islice(pairs, len(each.hypotheses))) for each in part]
            bar.update(len(part))
    return found


def _grouped(pairs: Sequence[tuple[str, str]], labels: Sequence[float]) -> list[Labelled]:
    rows: dict[str, list[int]] = {}
    for row, (source, _) in enumerate(pairs):
        rows.setdefault(source, []).append(row)
    return [
        Labelled(source, [pairs[row][1] for row in chosen], torch.tensor([labels[row] for row in chosen]))
        for source, chosen in rows.items()
    ]


def fit(
    head: EstimatorHead, read: Sequence[list[Features]], labels: Sequence[Tensor], config: EstimatorConfig, seed: int
) -> None:
    """Train on all hypotheses of a source together; keep the epoch that orders a tenth of the sources best."""
    random = Random(seed)
    order = list(range(len(read)))
    random.shuffle(order)
    held_out, train = order[: len(order) // 10], order[len(order) // 10 :]
    updates = config.epochs * -(-len(train) // config.sources_per_batch)
    optimiser = torch.optim.AdamW(head.parameters(), lr=config.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.01, updates)
    best, kept = -1.0, head.state_dict()
    with tqdm(total=updates, desc="fitting the estimator", unit="update") as bar:
        for _ in range(config.epochs):
            head.train()
            for batch in _batches(train, config.sources_per_batch, random):
                optimiser.zero_grad()
                loss = estimator_loss(
                    head([pair for row in batch for pair in read[row]]), [labels[row] for row in batch]
                )
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
                bar.update()
            head.eval()
            with torch.inference_mode():
                accuracy = np.mean([_ordered(head(read[row]), labels[row]) for row in held_out])
            if accuracy > best:
                best, kept = float(accuracy), {name: values.clone() for name, values in head.state_dict().items()}
            bar.set_postfix(accuracy=f"{accuracy:.3f}", best=f"{best:.3f}")
    head.load_state_dict(kept)
    head.eval()


def estimator_loss(logits: Tensor, labels: Sequence[Tensor]) -> Tensor:
    """Logistic loss of each two hypotheses of a source, and :data:`CROSS_ENTROPY` of the scores.

    Args:
        logits: float32 [N], the hypotheses of one source after the other.
        labels: Of each source, float32 [M].

    Returns:
        float32 [], the weighted sum of both means.
    """
    terms = [
        -logsigmoid(scores[:, None] - scores[None])[quality[:, None] > quality[None]]
        for scores, quality in zip(logits.split_with_sizes([len(each) for each in labels]), labels, strict=True)
    ]
    order = torch.cat(terms)
    return order.sum() / max(1, len(order)) + CROSS_ENTROPY * binary_cross_entropy_with_logits(
        logits, torch.cat(list(labels))
    )


def _ordered(logits: Tensor, labels: Tensor) -> float:
    """Share of a source's pairs of hypotheses in the right order; a tie counts half."""
    better = labels[:, None] > labels[None]
    right = (logits[:, None] > logits[None]) + 0.5 * (logits[:, None] == logits[None])
    return float(right[better].float().mean()) if better.any() else 1.0


def _batches(rows: Sequence[int], size: int, random: Random) -> Iterator[list[int]]:
    order = list(rows)
    random.shuffle(order)
    for start in range(0, len(order), size):
        yield order[start : start + size]

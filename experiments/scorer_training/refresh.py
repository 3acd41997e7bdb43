"""Refresh of a scorer: training it further on new ratings, into a folder of its own.

What is trained is a learned scorer's whole network, or the head of a predictor-estimator, whose translation models stay
as they are. Of a cross-fitted scorer each part learns from the ratings of the sources that it does not judge.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

from agents import known_device
from experiments.scorer_training.estimator_config import EstimatorConfig, HeadConfig
from experiments.scorer_training.estimator_training import Labelled, grouped, read_features
from experiments.scorer_training.head_training import batches, estimator_loss
from experiments.scorer_training.ratings import Rating, read_ratings
from experiments.scorer_training.reference_quality import ReferenceQuality
from experiments.scorer_training.scorer_report import ScorerReport, UnitTest, unit_tests
from seq2seq_env.progress import progress_bar
from seq2seq_env.scorers import CrossFittedScorer, EstimatorScorer, LearnedScorer, Scorer, load_scorer
from seq2seq_env.scorers.description import check_free, write_description
from seq2seq_env.scorers.folds import fold_of
from seq2seq_env.scorers.models.pairs import PairEncoder
from seq2seq_env.scorers.predictor_estimator.estimator import BACKWARD, FORWARD, RECORD
from seq2seq_env.scorers.predictor_estimator.predictor import Predictor
from seq2seq_env.tasks import Split, Task

HEAD_RATE, NETWORK_RATE = 0.3, 0.03
"""Shares of the learning rate of a head trained anew that a head trained further has, and a learned scorer's network:
both are to keep what they know."""

HELD_OUT = 5
"""One rated source in so many says when the training is at its best."""

LEAST_SOURCES = 10
"""With ratings, for each part of a scorer."""

Logits = Callable[[Sequence[int]], Tensor]
"""Of the hypotheses of sources, by the sources' numbers, one after the other."""


@dataclass(frozen=True)
class Refreshed:
    """What a training on ratings came to.

    Attributes:
        sources: Rated ones that it saw or held out.
        hypotheses: Rated ones of these.
        loss_before: On the held-out sources, of the scorer as it was.
        loss_after: Of what was kept.
        epoch: After which it was kept; 0 is the scorer as it was.
    """

    sources: int
    hypotheses: int
    loss_before: float
    loss_after: float
    epoch: int


def refresh(
    scorer: Scorer, ratings: Sequence[Rating], config: HeadConfig, folder: Path, seed: int, device: str = "cpu"
) -> list[Refreshed]:
    """Train a copy of a scorer further on ratings, and save it.

    Args:
        scorer: One that a training made: a learned one, a predictor-estimator, or a cross-fitted one of these.
        ratings: On [0, 1].
        config: Passes, sources of an update, and the learning rate of a head trained anew.
        folder: Of the new scorer, which ``load_scorer`` reads.
        seed: Of batches, and of the sources held out.
        device: Where translation models read.

    Returns:
        Of each part; one that is no better after any pass stays as it was.

    Raises:
        ValueError: If the scorer is of another kind, or there are too few ratings.
        FileExistsError: If the folder has a scorer, be it the one that is trained further, or another model.
    """
    _check_no_scorer(folder)
    if not isinstance(scorer, CrossFittedScorer):
        return [_part(scorer, ratings, config, folder, seed, device)]
    results = []
    names = [str(number) for number in range(len(scorer.parts))]
    for number, part in enumerate(scorer.parts):
        repeat, fold = divmod(number, scorer.folds)
        own = [each for each in ratings if fold_of(each.source, scorer.folds, repeat) != fold]
        results.append(_part(part, own, config, folder / names[number], seed, device))
    write_description(folder, {"kind": "cross-fitted", "scorers": names, "folds": scorer.folds})
    return results


def check_trainable(scorer: Scorer) -> None:
    """Refuse a scorer that no ratings can train further.

    Raises:
        ValueError: If it is none that a training made.
    """
    parts = scorer.parts if isinstance(scorer, CrossFittedScorer) else [scorer]
    for part in parts:
        learned = isinstance(part, LearnedScorer) and part.activation == "sigmoid"
        if not learned and not isinstance(part, EstimatorScorer):
            raise ValueError(
                f"a {type(part).__name__} cannot be trained further; refresh what it is made of, or make a scorer anew"
            )


def make(
    name: str, config: EstimatorConfig, task: Task, folder: Path, seed: int
) -> tuple[ScorerReport, list[dict[str, Any]]]:
    """Refresh a scorer by its name, and see by unit tests on the task's validation pairs that it forgot nothing.

    Args:
        name: As ``load_scorer`` takes it.
        config: Its ratings, head and device.
        task: Whose translations it judges.
        folder: Of the new scorer.
        seed: Of batches, and of what is held out.

    Raises:
        ValueError: If another option of the estimator is set, the scorer cannot be trained further, or the ratings
            cannot be used.
        OSError: If the ratings or the scorer cannot be read, or the folder has a scorer.
    """
    head = replace(config.head, width=HeadConfig().width, dropout=HeadConfig().dropout)
    if config.ratings is None or config != EstimatorConfig(ratings=config.ratings, head=head, device=config.device):
        raise ValueError(
            "--refresh takes --estimator.ratings, and of the others --estimator.device and the epochs, "
            "sources-per-batch and learning-rate of --estimator.head alone"
        )
    device = known_device(config.device)
    results = refresh(
        load_scorer(name, device=device, task=task), read_ratings(config.ratings), config.head, folder, seed, device
    )
    for part in results:
        print(
            f"{part.hypotheses:,} ratings of {part.sources:,} sources: loss on held-out ones {part.loss_before:.4f} "
            f"before, {part.loss_after:.4f} after, kept from pass {part.epoch} of {config.head.epochs}"
        )
    tests = validation_tests(load_scorer(folder, device=device), task, seed)
    return ScorerReport({}, tests), [asdict(part) for part in results]


def validation_tests(scorer: Scorer, task: Task, seed: int, cases: int | None = None) -> dict[str, UnitTest]:
    """Unit tests on validation pairs: what a scorer that was trained further may have forgotten.

    Args:
        scorer: The one.
        task: Whose translations it judges.
        seed: Of the corruptions.
        cases: Pairs that are corrupted at most, spread evenly over the split; None takes all.
    """
    split = task.split("validation")
    quality = task.oracle or ReferenceQuality(split.sources, split.references)
    if cases is not None and cases < len(split):
        rows = [row * len(split) // cases for row in range(cases)]
        split = Split(split.name, [split.sources[row] for row in rows], [split.references[row] for row in rows])
    return unit_tests(scorer, split, quality, seed)


def _check_no_scorer(folder: Path) -> None:
    check_free(folder)
    for name in ("config.json", RECORD):
        if (folder / name).exists():
            raise FileExistsError(f"{str(folder)!r} has a model or a scorer already, {name}; name another folder")


def _part(
    scorer: Scorer, ratings: Sequence[Rating], config: HeadConfig, folder: Path, seed: int, device: str
) -> Refreshed:
    labelled = grouped([(each.source, each.hypothesis) for each in ratings], [each.score for each in ratings])
    if len(labelled) < LEAST_SOURCES:
        raise ValueError(
            f"a scorer, or a part of it, has ratings of {len(labelled)} sources; give {LEAST_SOURCES} or more to each"
        )
    labels = [each.labels for each in labelled]
    if isinstance(scorer, EstimatorScorer):
        models = Predictor(scorer.folder / FORWARD, device), Predictor(scorer.folder / BACKWARD, device)
        read, head = read_features(models, labelled), scorer.load_head()

        def head_logits(rows: Sequence[int]) -> Tensor:
            logits: Tensor = head([pair for row in rows for pair in read[row]])
            return logits

        result = _train(head, head_logits, labels, config, config.learning_rate * HEAD_RATE, seed)
        for side in (FORWARD, BACKWARD):
            shutil.copytree(scorer.folder / side, folder / side, dirs_exist_ok=True)
        EstimatorScorer.save(folder, head)
        return result
    check_trainable(scorer)
    assert isinstance(scorer, LearnedScorer)
    model, pairs, network_logits = _network_logits(scorer, labelled)
    result = _train(model, network_logits, labels, config, config.learning_rate * NETWORK_RATE, seed)
    LearnedScorer.save(folder, model, pairs)
    return result


def _network_logits(scorer: LearnedScorer, labelled: Sequence[Labelled]) -> tuple[PreTrainedModel, PairEncoder, Logits]:
    """A learned scorer's network, what encodes its pairs, and its logits, of padded batches."""
    model, pairs, reads_segments = scorer.trainable()
    encoded = [pairs.encode([each.source] * len(each.hypotheses), each.hypotheses) for each in labelled]

    def logits(rows: Sequence[int]) -> Tensor:
        batch = [pair for row in rows for pair in encoded[row]]
        tokens, segments, mask = (
            pad_sequence([torch.tensor(values) for values in column], batch_first=True).to(scorer.device)
            for column in zip(*((pair.tokens, pair.segments, [1] * len(pair.tokens)) for pair in batch), strict=True)
        )
        inputs = {"token_type_ids": segments} if reads_segments else {}
        outputs: Tensor = model(input_ids=tokens, attention_mask=mask, **inputs).logits
        return outputs.squeeze(-1).cpu()

    return model, pairs, logits


def _train(
    module: nn.Module, logits: Logits, labels: Sequence[Tensor], config: HeadConfig, rate: float, seed: int
) -> Refreshed:
    """Train on all hypotheses of a source together; keep what has the least loss on the held-out sources."""
    random = Random(seed)
    order = random.sample(range(len(labels)), len(labels))
    held_out, train = order[: len(order) // HELD_OUT], order[len(order) // HELD_OUT :]
    updates = config.epochs * -(-len(train) // config.sources_per_batch)
    optimiser = torch.optim.AdamW(module.parameters(), lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.01, updates)

    def loss_of(rows: Sequence[int]) -> Tensor:
        return estimator_loss(logits(rows), [labels[row] for row in rows])

    def held_out_loss() -> float:
        module.eval()
        with torch.inference_mode():
            return float(loss_of(held_out))

    before = best = held_out_loss()
    epoch, kept = 0, {name: values.clone() for name, values in module.state_dict().items()}
    with torch.random.fork_rng(devices=[]), progress_bar(total=updates, desc="learning ratings", unit="update") as bar:
        torch.manual_seed(seed)
        for number in range(1, config.epochs + 1):
            module.train()
            for rows in batches(train, config.sources_per_batch, random):
                optimiser.zero_grad()
                loss_of(rows).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
                bar.update()
            if (loss := held_out_loss()) < best:
                best, epoch = loss, number
                kept = {name: values.clone() for name, values in module.state_dict().items()}
    module.load_state_dict(kept)
    module.eval()
    return Refreshed(len(labels), sum(map(len, labels)), before, best, epoch)

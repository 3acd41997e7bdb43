"""Training of the estimator's head: a small network that is to order the hypotheses of a source by their labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from random import Random

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from experiments.scorer_training.estimator_config import HeadConfig
from experiments.scorer_training.scorer_report import agreement
from seq2seq_env.progress import progress_bar
from seq2seq_env.scorers.predictor_estimator.estimator_head import EstimatorHead, Features

CROSS_ENTROPY = 0.3
"""Weight of the scores' cross-entropy beside the loss of their order, which is what a filter asks for."""


def train_head(
    config: HeadConfig, read: Sequence[list[Features]], labels: Sequence[Tensor], seed: int
) -> EstimatorHead:
    """A network trained on all hypotheses of a source together, as it was when it ordered a tenth of the sources best.

    Where there is nothing to order, as each source has one hypothesis, say, it is as when its loss on them was least.

    Args:
        config: Its size and training.
        read: Of each source, the features of its M hypotheses.
        labels: Of each source, their qualities in [0, 1], float32 [M].
        seed: Of weights, batches and the sources held out.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = EstimatorHead(config.width, config.dropout)
        head.standardise([pair for pairs in read for pair in pairs])
        _train(head, read, labels, config, seed)
    return head


def _train(
    head: EstimatorHead, read: Sequence[list[Features]], labels: Sequence[Tensor], config: HeadConfig, seed: int
) -> None:
    """Train on all hypotheses of a source together; keep the epoch that is best on a tenth of the sources."""
    random = Random(seed)
    order = list(range(len(read)))
    random.shuffle(order)
    held_out, train = order[: len(order) // 10], order[len(order) // 10 :]
    updates = config.epochs * -(-len(train) // config.sources_per_batch)
    optimiser = torch.optim.AdamW(head.parameters(), lr=config.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.01, updates)
    best, kept = -math.inf, head.state_dict()
    with progress_bar(total=updates, desc="training the estimator", unit="update") as bar:
        for _ in range(config.epochs):
            head.train()
            for batch in batches(train, config.sources_per_batch, random):
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
                merit = _merit(head, [read[row] for row in held_out], [labels[row] for row in held_out])
            if merit > best:
                best, kept = merit, {name: values.clone() for name, values in head.state_dict().items()}
            bar.set_postfix(held_out=f"{merit:.3f}", best=f"{best:.3f}")
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
    order = torch.cat(terms)  # empty where no two hypotheses of any source differ
    return order.sum() / max(1, len(order)) + CROSS_ENTROPY * binary_cross_entropy_with_logits(
        logits, torch.cat(list(labels))
    )


def _merit(head: EstimatorHead, read: Sequence[list[Features]], labels: Sequence[Tensor]) -> float:
    """Within-source pairwise accuracy; less the loss where no two hypotheses of a source differ, which has no order."""
    sources = [str(number) for number, each in enumerate(labels) for _ in each]
    logits = torch.cat([head(pairs) for pairs in read])
    pairwise = agreement(sources, torch.cat(list(labels)).numpy(), logits.numpy()).pairwise
    return -float(estimator_loss(logits, labels)) if pairwise is None else pairwise


def batches(rows: Sequence[int], size: int, random: Random) -> Iterator[list[int]]:
    """Rows in a random order, ``size`` at a time."""
    order = list(rows)
    random.shuffle(order)
    for start in range(0, len(order), size):
        yield order[start : start + size]

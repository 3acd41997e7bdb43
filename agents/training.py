"""The one optimisation loop: train on a slice while the validation reward rises, and keep the best weights."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from accelerate import Accelerator  # type: ignore[import-untyped]
from accelerate.state import AcceleratorState  # type: ignore[import-untyped]
from torch import Tensor, nn
from tqdm import tqdm

from agents.history import Evaluate, History, ImproveReport, Log
from agents.precision import supported_precision
from agents.training_config import TrainingConfig
from buffers import Slice, TokenBatch


class Learner(Protocol):
    """What :func:`fit` trains: an agent, or a value network on its own."""

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """What is trained, kept the best of and restored; all on one device."""

    def batches(self, data: Slice, tokens_per_batch: int, seed: int) -> Iterator[TokenBatch]:
        """One epoch of the data."""

    def loss(self, batch: TokenBatch, progress: float) -> NamedTuple:
        """Scalars, the first named ``loss`` and with gradient; ``progress`` is the share of the budget spent."""


def fit(
    learner: Learner, data: Slice, config: TrainingConfig, evaluate: Evaluate | None = None, log: Log | None = None
) -> ImproveReport:
    """Train a learner's networks in place.

    With ``evaluate`` the best weights are kept, those before the first step included; of equal ones the earlier.
    Without it the last weights are kept. The global random generators are left as they were.

    Args:
        learner: Gives the batches, the loss and the networks.
        data: What to train on, epoch after epoch, each in another order.
        config: Budgets.
        evaluate: Called before the first step, every ``config.evaluate_every`` target tokens and at the end.
        log: Called with the numbers of every row of the history.

    Raises:
        ValueError: If the slice is empty, or ``evaluate`` gives NaN.
        FloatingPointError: If a loss or a gradient is not finite; the best weights so far (without ``evaluate``, those
            before the first step) are back in place.
    """
    if not len(data):
        raise ValueError(
            "there is nothing to train on: the slice is empty; lower the filter's threshold or skip this step"
        )
    device = _device(learner)
    with (
        torch.random.fork_rng([device] if device.type == "cuda" else []),
        tqdm(total=config.max_tokens, unit="tok", unit_scale=True, disable=not config.progress) as bar,
    ):
        torch.manual_seed(config.seed)
        run = _Run(learner, config, evaluate, log, bar)
        try:
            run.record()
            for place, batch in _epochs(learner, data, config):
                run.step(batch.to(device), place)
                if run.is_due and not run.record():
                    break
                if run.tokens >= config.max_tokens:
                    break
            if run.tokens > run.history.rows[-1].tokens:
                run.record()
        finally:
            run.finish()
    return run.history.report(run.tokens, run.steps, stopped_early=run.tokens < config.max_tokens)


def _device(learner: Learner) -> torch.device:
    return next(parameter.device for network in learner.networks.values() for parameter in network.parameters())


def _epochs(learner: Learner, data: Slice, config: TrainingConfig) -> Iterator[tuple[str, TokenBatch]]:
    for epoch in itertools.count():
        seed = int(np.random.SeedSequence((config.seed, epoch)).generate_state(1, np.uint64)[0])
        for number, batch in enumerate(learner.batches(data, config.tokens_per_batch, seed)):
            yield f"batch {number} of epoch {epoch}", batch


@dataclass
class _Run:
    """The state of one :func:`fit`."""

    learner: Learner
    config: TrainingConfig
    evaluate: Evaluate | None
    log: Log | None
    bar: tqdm[Any]
    tokens: int = 0
    steps: int = 0

    def __post_init__(self) -> None:
        device = _device(self.learner)
        # The precision is a global of accelerate; each training brings its own.
        AcceleratorState._reset_state(reset_partial_state=True)
        self.accelerator = Accelerator(
            cpu=device.type == "cpu", mixed_precision=supported_precision(self.config.precision, device)
        )
        self.parameters = [
            [p for p in network.parameters() if p.requires_grad] for network in self.learner.networks.values()
        ]
        parameters = list(itertools.chain.from_iterable(self.parameters))
        # Biases and layer norms have no scale to decay.
        groups = [
            {"params": [p for p in parameters if p.dim() > 1], "weight_decay": self.config.weight_decay},
            {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=device.type in ("cpu", "cuda"))
        self.learning_rate = 0.0
        self.sums: dict[str, float] = {}
        self.sums_steps = 0
        evaluate = None if self.evaluate is None else partial(self._evaluate, self.evaluate)
        self.history = History(self.learner.networks, evaluate, self.log)
        self._train_mode(True)

    @property
    def is_due(self) -> bool:
        """Whether it is time for a row of the history."""
        return self.tokens - self.history.rows[-1].tokens >= self.config.evaluate_every

    def step(self, batch: TokenBatch, place: str) -> None:
        """One step of the optimiser."""
        count = batch.num_target_tokens
        self.learning_rate = self.config.learning_rate_at(self.tokens + count)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate
        with self.accelerator.autocast():
            progress = min(1.0, self.tokens / self.config.max_tokens)
            values: dict[str, Tensor] = self.learner.loss(batch, progress)._asdict()
        self._check_finite("loss", values["loss"], batch, place)
        self.accelerator.backward(values["loss"])
        # Each network by itself: the value network's errors must not shrink the policy's step.
        for parameters in self.parameters:
            norm = self.accelerator.clip_grad_norm_(parameters, self.config.max_grad_norm)
            self._check_finite("gradient's norm", norm, batch, place)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.tokens += count
        self.steps += 1
        self.sums_steps += 1
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value.detach())
        shown = {"loss": float(values["loss"].detach())} | (
            {} if self.evaluate is None else {"best": self.history.best_evaluation}
        )
        self.bar.set_postfix(shown, refresh=False)
        self.bar.update(count)

    def record(self) -> bool:
        """Add a row to the history, keep the weights if they are the best; False when it is time to stop."""
        means = {name: value / self.sums_steps for name, value in self.sums.items()}
        self.sums, self.sums_steps = {}, 0
        self.history.record(self.tokens, means.pop("loss", None), means, self.learning_rate)
        return not self.history.is_stale(self.config.patience)

    def finish(self) -> None:
        """Put the best weights back, and leave the networks as they are used."""
        self.history.finish()
        self._train_mode(False)
        self.optimizer.zero_grad()

    def _evaluate(self, evaluate: Evaluate) -> float:
        self._train_mode(False)
        try:
            return evaluate()
        finally:
            self._train_mode(True)

    def _check_finite(self, what: str, value: Tensor, batch: TokenBatch, place: str) -> None:
        if bool(torch.isfinite(value)):
            return
        self.history.restore()
        raise FloatingPointError(
            f"the {what} is {float(value.detach())} at step {self.steps + 1}, {place} ({len(batch)} targets of up to "
            f"{batch.target.shape[1]} tokens); the weights after {self.history.kept_tokens} tokens "
            "are back in place, lower the learning rate"
        )

    def _train_mode(self, training: bool) -> None:
        for network in self.learner.networks.values():
            network.train(training)

"""The one optimisation loop: train on a slice while the validation reward rises, and keep the best weights."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import torch
from accelerate.utils import broadcast_object_list, reduce  # type: ignore[import-untyped]
from torch import nn
from torch.utils.data import DataLoader

from agents.training.backends import TrainingBackends
from agents.training.history import Evaluate, History, ImproveReport, Log
from agents.training.learner import Learner
from agents.training.precision import use_bf16
from agents.training.sharding import ShardedNetworks
from agents.training.tensor_parts import whole_tensor
from agents.training.training_config import TrainingConfig
from agents.training.training_state import Position, TrainingState
from buffers import Slice, TokenBatch
from seq2seq_env.process_group import process_state
from seq2seq_env.progress import progress_bar


def fit(
    learner: Learner,
    data: Slice,
    config: TrainingConfig,
    evaluate: Evaluate | None = None,
    log: Log | None = None,
    resume: Path | None = None,
) -> ImproveReport:
    """Train a learner's networks in place.

    Under ``torchrun`` each process computes the gradient of its share of every batch's rows, and all make the same
    step; a loss that is a mean over target tokens has then the gradient that one process gets. What a loss compares
    within a batch (V-MPO's upper half of advantages) it compares within a process's share. The first process evaluates,
    for all, and where that fails all fail. With ``config.fsdp`` each process holds a part of the networks, and all of
    them are whole again at the end; after an error that the other processes know nothing of, they have no weights.

    With ``evaluate`` the best weights are kept, those before the first step included with ``config.evaluate_first``; of
    equal ones the earlier. Without it the last weights are kept. The global random generators are left as they were.

    Args:
        learner: Gives the batches, the loss and the networks.
        data: What to train on, epoch after epoch, each in another order.
        config: Budgets.
        evaluate: Called before the first step with ``config.evaluate_first``, every ``config.evaluate_every`` target
            tokens and at the end.
        log: Called with the numbers of every row of the history, and of every ``config.log_every``-th step.
        resume: File of a :class:`agents.training.training_state.TrainingState`; see :meth:`agents.Agent.improve`.

    Raises:
        ValueError: If the slice is empty, ``evaluate`` gives NaN, or a network or the machine lacks what the
            configuration asks for, or the file of the state is corrupt or of another training.
        FloatingPointError: If a loss or a gradient is not finite; the best weights so far (without ``evaluate``, those
            before the first step) are back in place.
    """
    if not len(data):
        raise ValueError(
            "there is nothing to train on: the slice is empty; lower the filter's threshold or skip this step"
        )
    device = _device(learner)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices), _Run(learner, data, config, evaluate, log, resume) as run:
        run.begin()
        batches = _epochs(learner, data, config, run.position.epoch, run.position.batches)
        while not run.is_finished:
            following = next(batches, None)
            if following is None:
                break
            epoch, number, batch = following
            run.step(batch.to(device), epoch, number)
            if run.is_due:
                run.record()
        # Before the last row, which may be stale where it was no evaluation that ended the training.
        stopped_early = run.position.tokens < config.max_tokens and run.history.is_stale(config.patience)
        if run.position.tokens > run.history.rows[-1].tokens:
            run.record()
    return run.history.report(run.position.tokens, run.position.steps, stopped_early)


def own_share(batch: TokenBatch) -> tuple[TokenBatch, float]:
    """What of a batch this process computes the loss of, and the weight of that in the loss of the whole."""
    processes = process_state()
    if processes.num_processes == 1:
        return batch, 1.0
    part = batch.share(processes.process_index, processes.num_processes)
    # Where a batch has fewer rows than there are processes, some repeat its first row and count for nothing.
    return (part, part.num_target_tokens / batch.num_target_tokens) if len(part) else (batch.share(0, len(batch)), 0.0)


def _device(learner: Learner) -> torch.device:
    return next(parameter.device for network in learner.networks.values() for parameter in network.parameters())


def _attempt(evaluate: Evaluate) -> tuple[float, Exception | None]:
    try:
        return evaluate(), None
    except Exception as error:
        return 0.0, error


def _described(error: Exception | None) -> tuple[type[Exception] | None, str]:
    """What other processes raise: what callers go on after is of one kind in all, and any error travels."""
    if error is None:
        return None, ""
    for kind in (FloatingPointError, ValueError):
        if isinstance(error, kind):
            return kind, str(error)
    return RuntimeError, f"the first process could not evaluate ({type(error).__name__}: {error}); see what it says"


def _epochs(
    learner: Learner, data: Slice, config: TrainingConfig, first: int, skipped: int
) -> Iterator[tuple[int, int, TokenBatch]]:
    """Number of the epoch, of the batch in it, and the batch; from epoch ``first`` on, some of its batches skipped.

    An epoch without a batch is the end.
    """
    for epoch in itertools.count(first):
        seed = int(np.random.SeedSequence((config.seed, epoch)).generate_state(1, np.uint64)[0])
        batches = learner.batches(data, config.tokens_per_batch, seed)
        ahead = DataLoader(
            batches,
            batch_size=None,
            num_workers=config.workers,
            pin_memory=_device(learner).type == "cuda",
            generator=torch.Generator(),  # else it would draw from the one that dropout draws from
        )
        number = -1
        for number, batch in enumerate(ahead):
            if epoch > first or number >= skipped:
                yield epoch, number, batch
        if number < 0:
            return


@dataclass
class _Run:
    """The state of one :func:`fit`."""

    learner: Learner
    data: Slice
    config: TrainingConfig
    evaluate: Evaluate | None
    log: Log | None
    resume: Path | None

    def __post_init__(self) -> None:
        device, config = _device(self.learner), self.config
        self.processes = process_state()
        self.agreed = False  # whether the error that ends the training is raised in all processes, at one point
        self.bf16 = use_bf16(config.precision, self.learner.networks.values(), device)
        shown = config.progress and self.processes.is_main_process
        self.bar = progress_bar(total=config.max_tokens, unit="tok", desc="train", unit_scale=True, shown=shown)
        torch.manual_seed(config.seed + (self.processes.process_index << 32))  # dropout of each process's own
        self.sharded: ShardedNetworks | None = None
        if config.fsdp:
            self.sharded = ShardedNetworks(self.learner, device, self.processes.num_processes, bf16=self.bf16)
        self.parameters = [
            [p for p in network.parameters() if p.requires_grad] for network in self.learner.networks.values()
        ]
        rates = self.learner.learning_rates
        alike: dict[float, list[nn.Parameter]] = {}
        for name, parameters in zip(self.learner.networks, self.parameters, strict=True):
            alike.setdefault(rates.get(name, 1.0), []).extend(parameters)
        # Biases and layer norms have no scale to decay.
        groups = [
            {"params": [p for p in parameters if (p.dim() > 1) == decays], "weight_decay": decay, "rate": rate}
            for rate, parameters in alike.items()
            for decays, decay in ((True, self.config.weight_decay), (False, 0.0))
        ]
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)
        self.position = Position()
        self.sums: dict[str, float] = {}
        self.sums_steps = 0
        self.backends = TrainingBackends(self.learner.networks, config.attention, config.compile)
        evaluate = None if self.evaluate is None else partial(self._evaluate, self.evaluate)
        self.history = History(self.learner.networks, evaluate, self.log)
        self.state: TrainingState | None = None
        if self.resume is not None:
            changing = {**self.learner.networks, **self.learner.companions}
            self.state = TrainingState(self.resume, self.learner.identity, changing, self.optimizer, config, self.data)
        self._train_mode(True)

    def begin(self) -> None:
        """Go on where a state was kept, or make the first row of the history."""
        position = None if self.state is None else self.state.load(self.history)
        if position is None:
            self.record()
        else:
            self.position = position
            self.bar.initial = self.bar.n = self.bar.last_print_n = position.tokens  # which the rate leaves out

    @property
    def is_finished(self) -> bool:
        """Whether the budget is spent, or the evaluation has stopped rising."""
        return self.position.tokens >= self.config.max_tokens or self.history.is_stale(self.config.patience)

    @property
    def is_due(self) -> bool:
        """Whether it is time for a row of the history."""
        return self.position.tokens - self.history.rows[-1].tokens >= self.config.evaluate_every

    def step(self, batch: TokenBatch, epoch: int, number: int) -> None:
        """One step of the optimiser."""
        count, position, place = batch.num_target_tokens, self.position, f"batch {number} of epoch {epoch}"
        learning_rate = self.config.learning_rate_at(position.tokens + count)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate * group["rate"]
        values = self._backward(batch, place)
        # Each network by itself: the value network's errors must not shrink the policy's step.
        for parameters in self.parameters:
            norm = whole_tensor(nn.utils.clip_grad_norm_(parameters, self.config.max_grad_norm))
            self._check_finite("gradient's norm", float(norm), batch, place)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.learner.after_step()
        self.position = Position(position.tokens + count, position.steps + 1, epoch, number + 1, learning_rate)
        self._log_step(values)
        self.sums_steps += 1
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        best = self.history.best_evaluation
        shown = {"loss": values["loss"]} | ({} if best is None else {"best": best})
        self.bar.set_postfix(shown, refresh=False)
        self.bar.update(count)

    def _backward(self, batch: TokenBatch, place: str) -> dict[str, float]:
        """Add the gradient of the batch's loss, and give the loss's values, both over all processes."""
        ranks = self.processes.num_processes
        batch, weight = own_share(batch)
        loss = self.learner.loss if self.sharded is None else self.sharded.loss
        with torch.autocast(batch.source.device.type, torch.bfloat16, enabled=self.bf16):
            values = loss(batch, min(1.0, self.position.tokens / self.config.schedule_end))._asdict()
        # One transfer from the device for all values: each by itself would wait for the GPU.
        means = torch.stack([value.detach().float() for value in values.values()])
        if ranks > 1:
            means = reduce(means * weight, "sum")
        averages = dict(zip(values, means.tolist(), strict=True))
        self._check_finite("loss", averages["loss"], batch, place)
        # FSDP averages over processes what is summed here.
        torch.autograd.backward(values["loss"] * weight * (1 if self.sharded is None else ranks))
        if ranks > 1 and self.sharded is None:
            self._sum_gradients()
        return averages

    def _sum_gradients(self) -> None:
        parameters = list(itertools.chain.from_iterable(self.parameters))
        # One reduction for all of them; a parameter that this process's share left out still takes part, with zeros.
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters])
        parts = reduce(flat, "sum").split([p.numel() for p in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter)

    def _log_step(self, values: dict[str, float]) -> None:
        if self.log is None or not self.config.log_every or self.position.steps % self.config.log_every:
            return
        for name, value in values.items():
            self.log(f"step_{name}", value, self.position.tokens)

    def record(self) -> None:
        """Add a row to the history, keep the weights if they are the best, and the state."""
        means = {name: value / self.sums_steps for name, value in self.sums.items()}
        self.sums, self.sums_steps = {}, 0
        evaluates = self.position.steps > 0 or self.config.evaluate_first
        self.history.record(
            self.position.tokens, means.pop("loss", None), means, self.position.learning_rate, evaluates=evaluates
        )
        if self.state is not None:
            self.state.save(self.position, self.history)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Put the best weights back, and leave the networks as they are used."""
        self.bar.close()
        # To make parts whole takes all processes, and an error of this one is not known to the others.
        if self.sharded is not None and kind is not None and not self.agreed:
            self.sharded.abandon()
            return
        self.history.finish()
        self._train_mode(False)
        self.optimizer.zero_grad()
        if self.sharded is not None:
            self.sharded.finish()

    def _evaluate(self, evaluate: Evaluate) -> float:
        first = self.processes.is_main_process
        value, failure = 0.0, None
        self._train_mode(False)
        try:
            with nullcontext() if self.sharded is None else self.sharded.whole(here=first):
                if first:
                    value, failure = _attempt(evaluate)
        finally:
            self._train_mode(True)
        # The others wait here: they must hear of a failure, too.
        value, kind, said = broadcast_object_list([value, *_described(failure)])
        if kind is not None:
            self.agreed = True
            raise kind(said) if failure is None else failure
        return float(value)

    def _check_finite(self, what: str, value: float, batch: TokenBatch, place: str) -> None:
        if math.isfinite(value):
            return
        if self.sharded is not None:
            self.sharded.reshard()
        self.history.restore()
        self.agreed = True
        raise FloatingPointError(
            f"the {what} is {value} at step {self.position.steps + 1}, {place} ({len(batch)} targets of up to "
            f"{batch.target.shape[1]} tokens); the weights after {self.history.kept_tokens} tokens "
            "are back in place, lower the learning rate"
        )

    def _train_mode(self, training: bool) -> None:
        self.backends.switch(training)
        for network in self.learner.networks.values():
            network.train(training)

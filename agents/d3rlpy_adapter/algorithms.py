"""d3rlpy's discrete algorithms behind the interface of every agent.

d3rlpy knows transitions, not sequences: each target token is a state of its own, and source and prefix are read anew
for each, which costs about as many times more as a target has tokens. What is learned becomes an
:mod:`agents.policy.action_values` model, so that it is sampled, saved and compared like every other policy.
"""

from __future__ import annotations

import logging
import math
import random
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
import torch
from accelerate import PartialState  # type: ignore[import-untyped]

from agents.agent import Agent, AgentConfig
from agents.policy.action_values import ActionHead, with_action_head
from agents.training.history import Evaluate, History, ImproveReport, Log
from agents.training.source_noise import check_no_noise
from agents.training.training_config import TrainingConfig
from buffers import Slice, d3rlpy_module, to_d3rlpy
from seq2seq_env.constraint import Constraint
from seq2seq_env.progress import on_terminal
from seq2seq_env.ranges import above_zero, zero_or_more

START_ON = 256
"""Transitions that the scale of Q is measured on."""


@dataclass(frozen=True)
class D3rlpyBCConfig(AgentConfig):
    """Options of d3rlpy's DiscreteBC."""

    beta: float = 0.0
    """Weight of the mean squared log-probability over the vocabulary, d3rlpy's regulariser; d3rlpy's default of 0.5 is
    for a handful of actions."""

    def __post_init__(self) -> None:
        zero_or_more(self, "beta")


@dataclass(frozen=True)
class D3rlpyCQLConfig(AgentConfig):
    """Options of d3rlpy's DiscreteCQL."""

    alpha: float = 1.0
    """Weight of the conservative loss ``log sum_a exp Q(s,a) - Q(s,a_t)``, a cross-entropy (arXiv 2006.04779)."""
    q_temperature: float = 1.0
    """Temperature of the policy ``softmax(Q / q_temperature)``; at 1 the distribution of the conservative loss."""
    target_update_interval: int = 100
    """Steps of the optimiser between two copies to the target network."""

    def __post_init__(self) -> None:
        above_zero(self, "alpha", "q_temperature", "target_update_interval")


@dataclass(frozen=True)
class D3rlpyBCQConfig(AgentConfig):
    """Options of d3rlpy's DiscreteBCQ."""

    action_flexibility: float = 0.3
    """Share of the imitator's likeliest token below which others are ruled out (arXiv 1910.01708)."""
    beta: float = 0.0
    """Weight of the imitator's mean squared log-probability, as in DiscreteBC."""
    q_temperature: float = 0.1
    """Temperature of the policy ``softmax(Q / q_temperature)`` over what is left, in units of reward; greedy it is
    d3rlpy's."""
    target_update_interval: int = 100
    """Steps of the optimiser between two copies to the target network."""

    def __post_init__(self) -> None:
        above_zero(self, "q_temperature", "target_update_interval")
        zero_or_more(self, "beta")
        if not 0 < self.action_flexibility < 1:
            raise ValueError(f"action_flexibility is {self.action_flexibility}; give a share between 0 and 1")


class D3rlpyAgent(Agent):
    """An algorithm of d3rlpy that starts from the policy's weights and trains on the slice as a d3rlpy data set.

    A batch has ``tokens_per_batch`` transitions, and a transition counts as a target token of the budget. Precision,
    attention, optimiser and compilation of the training configuration are not d3rlpy's; it computes in float32. Where
    no evaluation is better than that of the policy it began with, that policy is back in place, its last layer as it
    was; after an error, too, the best weights so far are.
    """

    extra: ClassVar[str | None] = "d3rlpy"

    @abstractmethod
    def algorithm(self, library: Any, shared: dict[str, Any]) -> Any:
        """d3rlpy's configuration of the algorithm.

        Args:
            library: The module.
            shared: Batch size, learning rate, optimiser and encoder.
        """

    def start(self, modules: Any, dataset: Any) -> None:
        """Change where d3rlpy's last layers start from; without it they start as the policy's."""

    def heads(self, modules: Any) -> tuple[Any, dict[str, Any]]:
        """The trained encoder, and d3rlpy's last layers by their name in :class:`ActionHead`."""
        encoder, scores = modules.q_funcs[0].children()  # d3rlpy keeps both under private names
        return encoder, {"scores": scores}

    def train(
        self, data: Slice, config: TrainingConfig, evaluate: Evaluate | None, log: Log | None, resume: Path | None
    ) -> ImproveReport:
        """See :meth:`Agent.train`; d3rlpy's algorithms begin anew, and keep nothing in ``resume``.

        Raises:
            ValueError: If a reward is missing, the slice is empty, there are several processes, or there is to be noise
                on the sources.
            FloatingPointError: If a loss is not finite.
        """
        check_no_noise(self.name, config)
        if not len(data):
            raise ValueError("there is nothing to train on: the slice is empty; lower the filter's threshold")
        if PartialState().num_processes > 1 or config.fsdp:
            raise ValueError(f"d3rlpy trains in one process; run {self.name!r} without a launcher and without fsdp")
        library, options = d3rlpy_module(), asdict(self.config)
        batch = config.tokens_per_batch
        rows = max(1, round(config.max_tokens / config.evaluate_every))
        steps = max(1, round(config.max_tokens / batch / rows))  # of a row
        began_with = self.policy.model
        if self.policy.constraint != Constraint():
            raise ValueError(
                f"agent {self.name!r} trains d3rlpy's networks on all tokens and cannot keep to a constraint; give it "
                "policy.constrained(None)"
            )
        history = History(self.networks, evaluate, log)
        history.record(0, None, {}, 0.0, evaluates=config.evaluate_first)

        def restore() -> None:
            if history.kept_tokens:
                history.restore()
            else:
                self.policy.model = began_with

        self.policy.model = with_action_head(
            began_with, options.get("q_temperature", 1.0), options.get("action_flexibility")
        )
        history.networks = self.networks
        try:
            with seeded(library, config.seed), TemporaryDirectory() as folder:
                self.policy.save(folder)
                longest = int(data.source_lengths.max())
                dataset = to_d3rlpy(
                    data,
                    max_source_length=longest,
                    max_target_length=self.policy.max_target_length,
                    vocab_size=self.policy.model.config.vocab_size,
                )
                algorithm = self._build(library, config, folder, dataset, longest)
                for row, logged in algorithm.fitter(
                    dataset,
                    n_steps=rows * steps,
                    n_steps_per_epoch=steps,
                    logger_adapter=library.logging.NoopAdapterFactory(),
                    show_progress=config.progress and on_terminal(),
                ):
                    metrics = {name: float(value) for name, value in logged.items() if not name.startswith("time_")}
                    if not math.isfinite(metrics["loss"]):
                        raise FloatingPointError(f"d3rlpy's loss is {metrics['loss']} in row {row} of the history")
                    self._take(algorithm)
                    tokens = row * steps * batch
                    history.record(tokens, metrics.pop("loss"), metrics, config.learning_rate_at(tokens))
                    if history.is_stale(config.patience):
                        break
        except BaseException as error:
            restore()
            if not isinstance(error, FloatingPointError):
                raise
            raise FloatingPointError(
                f"{error}; the weights after {history.kept_tokens} tokens are back in place, lower the learning rate"
            ) from error
        if evaluate is not None:
            restore()
        done = len(history.rows) - 1
        return history.report(done * steps * batch, done * steps, stopped_early=done < rows)

    def _build(self, library: Any, config: TrainingConfig, folder: str, dataset: Any, longest: int) -> Any:
        from agents.d3rlpy_adapter.encoder import TokenScheduleFactory, TranslationEncoderFactory

        optimizer = library.optimizers.AdamWFactory(
            betas=(0.9, 0.98),
            weight_decay=config.weight_decay,
            clip_grad_norm=config.max_grad_norm,
            lr_scheduler_factory=TokenScheduleFactory(asdict(config)),
        )
        shared = {
            "batch_size": config.tokens_per_batch,
            "learning_rate": config.learning_rate,
            "optim_factory": optimizer,
            "encoder_factory": TranslationEncoderFactory(folder, longest, [*self.policy.start]),
        }
        algorithm = self.algorithm(library, shared).create(device=str(self.policy.device))
        algorithm.build_with_dataset(dataset)
        _, layers = self.heads(algorithm.impl.modules)
        for name, layer in layers.items():
            layer.load_state_dict(getattr(self._head, name).state_dict())
        self.start(algorithm.impl.modules, dataset)
        if hasattr(algorithm.impl.modules, "targ_q_funcs"):
            algorithm.impl.modules.targ_q_funcs.load_state_dict(algorithm.impl.modules.q_funcs.state_dict())
        return algorithm

    def _take(self, algorithm: Any) -> None:
        """The policy becomes what d3rlpy has learned so far."""
        encoder, layers = self.heads(algorithm.impl.modules)
        model: Any = self.policy.model
        model.model.load_state_dict(encoder.body.state_dict())
        for name, layer in layers.items():
            getattr(self._head, name).load_state_dict(layer.state_dict())

    @property
    def _head(self) -> ActionHead:
        model: Any = self.policy.model
        head: ActionHead = model.lm_head
        return head


class D3rlpyBC(D3rlpyAgent):
    """d3rlpy's DiscreteBC: ``L = -mean log pi(a|s) + beta mean (log pi)^2``."""

    name: ClassVar[str] = "d3rlpy-bc"
    filters: ClassVar[bool] = True
    Config: ClassVar[type[AgentConfig]] = D3rlpyBCConfig
    config: D3rlpyBCConfig

    def algorithm(self, library: Any, shared: dict[str, Any]) -> Any:
        """See :meth:`D3rlpyAgent.algorithm`."""
        return library.algos.DiscreteBCConfig(beta=self.config.beta, **shared)

    def heads(self, modules: Any) -> tuple[Any, dict[str, Any]]:
        """See :meth:`D3rlpyAgent.heads`."""
        encoder, scores = modules.imitator.children()
        return encoder, {"scores": scores}


class D3rlpyCQL(D3rlpyAgent):
    """d3rlpy's DiscreteCQL: double Q-learning with a conservative loss.

    ``L = huber(r + Q'(s', argmax_b Q(s', b)) - Q(s, a)) + alpha (log sum_b exp Q(s, b) - Q(s, a))``, Kumar et al.
    2020, arXiv 2006.04779. Q starts as the policy's log-probabilities, but for a constant: the conservative loss leaves
    it free.
    """

    name: ClassVar[str] = "d3rlpy-cql"
    filters: ClassVar[bool] = False
    Config: ClassVar[type[AgentConfig]] = D3rlpyCQLConfig
    config: D3rlpyCQLConfig

    def algorithm(self, library: Any, shared: dict[str, Any]) -> Any:
        """See :meth:`D3rlpyAgent.algorithm`."""
        interval = self.config.target_update_interval
        return library.algos.DiscreteCQLConfig(
            gamma=1.0, alpha=self.config.alpha, target_update_interval=interval, **shared
        )

    def start(self, modules: Any, dataset: Any) -> None:
        """Logits may lie anywhere, rewards in [0, 1]: subtract the mean of ``log sum exp`` over a batch."""
        batch = dataset.sample_transition_batch(START_ON)
        _, layers = self.heads(modules)
        bias = layers["scores"].bias
        with torch.no_grad():
            q = modules.q_funcs[0](torch.from_numpy(batch.observations).float().to(bias.device)).q_value
            bias -= q.logsumexp(-1).mean()


class D3rlpyBCQ(D3rlpyAgent):
    """d3rlpy's DiscreteBCQ: double Q-learning among the tokens that an imitator finds likely.

    ``L = huber(r + Q'(s', pi(s')) - Q(s, a)) - mean log G(a|s)``, the greedy policy
    ``pi(s) = argmax_a Q(s, a) where G(a|s) / max G > action_flexibility``. Fujimoto et al. 2019, arXiv 1910.01708. Both
    heads stand on one encoder; the imitator starts as the policy, Q at 0.
    """

    name: ClassVar[str] = "d3rlpy-bcq"
    filters: ClassVar[bool] = False
    Config: ClassVar[type[AgentConfig]] = D3rlpyBCQConfig
    config: D3rlpyBCQConfig

    def algorithm(self, library: Any, shared: dict[str, Any]) -> Any:
        """See :meth:`D3rlpyAgent.algorithm`."""
        options = self.config
        return library.algos.DiscreteBCQConfig(
            gamma=1.0,
            action_flexibility=options.action_flexibility,
            beta=options.beta,
            target_update_interval=options.target_update_interval,
            **shared,
        )

    def heads(self, modules: Any) -> tuple[Any, dict[str, Any]]:
        """See :meth:`D3rlpyAgent.heads`."""
        encoder, layers = super().heads(modules)
        _, imitator = modules.imitator.children()
        return encoder, layers | {"imitator": imitator}


@contextmanager
def seeded(library: Any, seed: int) -> Iterator[None]:
    """d3rlpy's global random generators seeded and its log quiet, and all as it was afterwards."""
    python, legacy, exact = random.getstate(), np.random.get_state(), torch.backends.cudnn.deterministic  # noqa: NPY002
    structlog = library.logging.logger.structlog  # what it logs by
    logs = structlog.get_config()
    structlog.configure(**logs | {"wrapper_class": structlog.make_filtering_bound_logger(logging.ERROR)})
    with torch.random.fork_rng():
        library.seed(seed % 2**32)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)  # noqa: NPY002
            torch.backends.cudnn.deterministic = exact
            structlog.configure(**logs)

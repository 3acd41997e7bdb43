"""Agents: a policy, a loss, and the ways to use them.

Shape letters: B batch, T target length, V vocabulary.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from agents.acting import next_tokens
from agents.agent_names import AGENTS
from agents.policy.seq2seq_policy import Seq2SeqPolicy
from agents.training.history import Evaluate, ImproveReport, Log
from agents.training.loop import fit
from agents.training.source_noise import NoisySources, check_no_noise
from agents.training.training_config import TrainingConfig
from buffers import Batches, Slice, TokenBatch
from seq2seq_env.atomic_files import read_json, write_json
from seq2seq_env.extras import check_extra
from seq2seq_env.suggestions import check_name, suggestion

FILE_NAME = "agent.json"


@dataclass(frozen=True)
class AgentConfig:
    """An agent's options; each agent derives its own, one commented line a field.

    Raises:
        ValueError: If a value is out of range.
    """

    @property
    def has_ratio(self) -> bool:
        """Whether the loss has the ratio ``pi / mu``, of which ``log mu`` is stored with the data."""
        return False


class Agent(ABC):
    """A policy that learns from trajectories: stored ones, or its own latest.

    A subclass is an algorithm, most of them a :class:`LossAgent`.

    Attributes:
        name: What :func:`make_agent` knows it by.
        filters: Whether the algorithm asks for ``R(x, y) > tau``. Algorithm 1 trains it on
            ``D_g.select(filter) if agent.filters else D_g``.
        needs_copies: Whether equal targets of a source count as often as they were sampled, because the algorithm's
            weights correct for how often that is.
        least: Candidates of a source that the algorithm needs, because it compares them; sources with fewer teach it
            nothing.
        online: Whether the algorithm learns from samples of the policy as it is, which
            :class:`agents.on_policy.OnPolicy` draws between updates, and not from a stored batch.
        parts: Attributes that are saved beside the policy, each with ``save(folder)`` and ``load(folder, device)``;
            ``"prior"`` is the policy as it was when the agent was made, for agents whose loss refers to it.
        adapts: Whether it can train low-rank adapters in place of the policy's own weights.
        extra: What must be installed beside the core, a key of :data:`seq2seq_env.extras.EXTRAS`; None: nothing.
        Config: The agent's options.

    Args:
        policy: Trained in place; ``policy.clone()`` keeps the one before.
        config: An instance of ``Config``; None takes the defaults.

    Raises:
        TypeError: If ``config`` is another agent's.
    """

    name: ClassVar[str]
    filters: ClassVar[bool]
    needs_copies: ClassVar[bool] = False
    least: ClassVar[int] = 1
    online: ClassVar[bool] = False
    parts: ClassVar[tuple[str, ...]] = ()
    adapts: ClassVar[bool] = False
    extra: ClassVar[str | None] = None
    Config: ClassVar[type[AgentConfig]] = AgentConfig

    def __init__(self, policy: Seq2SeqPolicy, config: AgentConfig | None = None) -> None:
        config = self.Config() if config is None else config
        if not isinstance(config, self.Config):
            raise TypeError(f"agent {self.name!r} got a {type(config).__name__}; give a {self.Config.__name__}")
        self.policy = policy
        self.config = config
        if "prior" in self.parts:
            self.prior = policy.clone()

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """What an Improve step trains, keeps the best of and restores; the policy is ``"policy"``."""
        return {"policy": self.policy.model}

    def prepare(self, grown: Slice, training: TrainingConfig) -> None:  # noqa: B027  # nothing is a good default
        """Learn from all that was grown what the Improve steps on slices of it need; most agents need nothing.

        Args:
            grown: D_g, scored, before any filter.
            training: Batch size, precision, seed and progress bar of the Improve steps; each agent has its own budget.

        Raises:
            ValueError: If the data lacks what the algorithm needs.
        """

    def usable(self, data: Slice) -> Slice:
        """What of the data the loss is of; most agents use all.

        Args:
            data: Of an Improve step.

        Raises:
            ValueError: If that is nothing of data which is something.
        """
        return data

    @contextmanager
    def improving(self, data: Slice, training: TrainingConfig) -> Iterator[None]:
        """Around an Improve step: what comes before its first batch and after its last; most agents do nothing.

        Args:
            data: Of the Improve step.
            training: Of the Improve step.

        Raises:
            ValueError: If the data lacks what the algorithm needs.
        """
        yield

    def improve(
        self,
        data: Slice,
        config: TrainingConfig,
        evaluate: Callable[[Seq2SeqPolicy], float] | None = None,
        log: Callable[[str, float, int], None] | None = None,
        resume: Path | None = None,
    ) -> ImproveReport:
        """One Improve step: train on ``data`` while ``evaluate`` rises, and keep the best weights.

        Args:
            data: Already filtered where the agent filters.
            config: Budgets, learning rate, patience.
            evaluate: Gives the policy's mean reward on the validation sources; None trains to the budget.
            log: Called with (metric, value, target tokens so far).
            resume: File that keeps the training's state at every evaluation and that it goes on from where it is there;
                whoever has saved the result deletes it. None keeps none.

        Raises:
            ValueError: If the slice is empty, or lacks what the algorithm needs, or the file is corrupt or of another
                training.
            FloatingPointError: If the loss stops being finite; the best weights so far are back in place.
        """
        with self.improving(data, config):
            return self.train(data, config, None if evaluate is None else partial(evaluate, self.policy), log, resume)

    @abstractmethod
    def train(
        self, data: Slice, config: TrainingConfig, evaluate: Evaluate | None, log: Log | None, resume: Path | None
    ) -> ImproveReport:
        """What :meth:`improve` does between the two halves of :meth:`improving`."""

    def translate(self, sources: Sequence[str], num_beams: int = 1) -> list[str]:
        """The policy's likeliest translations; see :meth:`Seq2SeqPolicy.translate`."""
        return self.policy.translate(sources, num_beams)

    def act(
        self,
        observation: Mapping[str, NDArray[np.int64]],
        *,
        action_mask: NDArray[np.integer[Any] | np.bool_] | None = None,
        temperature: float | None = None,
        rng: np.random.Generator | None = None,
    ) -> Any:
        """The next token for an observation of ``Seq2SeqTranslate-v0``, or for each of a vector environment's.

        Args:
            observation: With ``source`` [S], ``source_length`` [1], ``prefix`` [T] and ``prefix_length`` [1]; all with
                an axis [N] before these of N episodes.
            action_mask: Of the environment's info, [V] or [N,V]: what may be written here, where that is less than
                what the policy writes anyway.
            temperature: None takes the likeliest token; above 0 draws one.
            rng: What it is drawn with, one number per token; needed with a temperature, useless without.

        Returns:
            An int, or int64 [N].

        Raises:
            ValueError: If only one of ``temperature`` and ``rng`` is given, or the mask leaves no token.
        """
        return next_tokens(self.policy, observation, action_mask, temperature, rng)

    def save(self, folder: str | Path) -> None:
        """Write the policy's folder, which :meth:`Seq2SeqPolicy.load` reads too, with ``agent.json`` and the parts."""
        self.policy.save(folder)
        for part in self.parts:
            getattr(self, part).save(Path(folder) / part)
        write_json(Path(folder) / FILE_NAME, {"agent": self.name, "options": asdict(self.config)})

    def restore(self, folder: str | Path) -> None:
        """Go on from what :meth:`save` wrote: its policy and parts replace this agent's.

        Raises:
            FileNotFoundError: If the folder lacks one of them.
        """
        device = self.policy.device
        self.policy = Seq2SeqPolicy.load(folder, device)
        for part in self.parts:
            setattr(self, part, type(getattr(self, part)).load(Path(folder) / part, device))

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "cpu") -> Self:
        """Read what :meth:`save` wrote. ``Agent.load`` takes any agent, ``BC.load`` only a BC.

        Raises:
            FileNotFoundError: If the folder holds no agent.
            ValueError: If it holds another agent.
        """
        path = Path(folder) / FILE_NAME
        if not path.is_file():
            raise FileNotFoundError(f"no {FILE_NAME} in {str(folder)!r}; name a folder that an agent was saved to")
        record = read_json(path)
        agent = make_agent(record["agent"], Seq2SeqPolicy.load(folder, device), **record["options"])
        if not isinstance(agent, cls):
            raise ValueError(f"{str(folder)!r} holds agent {agent.name!r}, not a {cls.__name__}; use Agent.load")
        agent.restore(folder)
        return agent


class LossAgent(Agent):
    """An algorithm that is a loss of a batch, trained by the one optimisation loop, :func:`agents.training.loop.fit`.

    A subclass's class docstring is the equation, its :meth:`loss` the same in code, its ``Config`` the equation's
    symbols.

    Attributes:
        shards: Whether a loss passes through the networks as often whatever a process's share of a batch holds, without
            which processes that hold parts of them would wait for each other for ever.
    """

    adapts: ClassVar[bool] = True
    shards: ClassVar[bool] = True

    @abstractmethod
    def loss(self, batch: TokenBatch, progress: float = 0.0) -> NamedTuple:
        """The loss of one batch, with gradient, and what is worth watching beside it.

        Args:
            batch: On the policy's device.
            progress: Share of the Improve step's budget that is spent, for what is annealed.

        Returns:
            A named tuple of scalars whose first field is ``loss``; the other fields' names are the metrics' names.
        """

    @property
    def identity(self) -> Mapping[str, object]:
        """Name and options."""
        return {"learner": self.name, **{f"{self.name}.{name}": value for name, value in asdict(self.config).items()}}

    @property
    def learning_rates(self) -> Mapping[str, float]:
        """The learning rate of networks that have one of their own, over the configuration's; most agents have one."""
        return {}

    @property
    def companions(self) -> Mapping[str, nn.Module]:
        """What :meth:`after_step` changes, a target network, say; none in most agents."""
        return {}

    def batches(self, data: Slice, tokens_per_batch: int, seed: int) -> Batches:
        """One epoch of an Improve step's data, as :meth:`loss` wants it."""
        return data.batches(tokens_per_batch, seed=seed)

    def after_step(self) -> None:
        """What follows a step of the optimiser, the update of a target network, say; most agents do nothing."""

    def train(
        self, data: Slice, config: TrainingConfig, evaluate: Evaluate | None, log: Log | None, resume: Path | None
    ) -> ImproveReport:
        """See :meth:`Agent.train`.

        Raises:
            ValueError: If networks are to be parted among processes, or sources get noise, and the loss forbids it.
        """
        if config.fsdp and not self.shards:
            raise ValueError(
                f"agent {self.name!r} passes through its network as often as a process's share of a batch asks, where "
                "fsdp needs as many passes in each; choose another agent, or leave fsdp out"
            )
        if self.config.has_ratio:  # whose mu read the sources as they are
            check_no_noise(self.name, config)
        learner = NoisySources(self, config, self.policy.tokenizer) if config.has_source_noise else self
        return fit(learner, data, config, evaluate, log, resume)


def make_agent(name: str, policy: Seq2SeqPolicy, **options: Any) -> Agent:
    """An agent by name.

    Args:
        name: A key of :data:`AGENTS`.
        policy: Trained in place.
        **options: Fields of the agent's ``Config``.

    Raises:
        ValueError: If there is no such agent or no such option, listing the good ones.
        ImportError: If the agent's extra is not installed.
    """
    return agent_class(name)(policy, check_options(name, options))


def check_options(name: str, options: Mapping[str, Any]) -> AgentConfig:
    """The ``Config`` of an agent with some of its fields given.

    Raises:
        ValueError: If there is no such agent or no such option, listing the good ones, or a value is out of range.
        TypeError: If a value is no number where one is wanted.
        ImportError: If the agent's extra is not installed.
    """
    kind = agent_class(name)
    if kind.extra is not None:
        check_extra(kind.extra, f"agent {name!r}")
    known = [field.name for field in fields(kind.Config)]
    for option in options:
        if option not in known:
            raise ValueError(
                f"agent {name!r} has no option {option!r}; it takes {', '.join(known) or 'none'}"
                f"{suggestion(option, known)}"
            )
    return kind.Config(**options)


def agent_class(name: str) -> type[Agent]:
    """The class of a name in :data:`AGENTS`.

    Raises:
        ValueError: If there is no such agent, listing the good names.
    """
    check_name("agent", name, sorted(AGENTS))
    module, _, attribute = AGENTS[name].partition(":")
    kind: type[Agent] = getattr(importlib.import_module(module), attribute)
    return kind

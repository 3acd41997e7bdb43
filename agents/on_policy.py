"""On-policy training: samples of the policy as it is, one scorer call for them, epochs of updates, and again."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agents.agent import Agent
from agents.online_agent import OnlineAgent
from agents.policy.seq2seq_policy import Seq2SeqPolicy
from agents.rollout_config import RolloutConfig
from agents.training.history import Evaluate, ImproveReport, Log
from agents.training.loop import fit
from agents.training.source_noise import check_no_noise
from agents.training.training_config import TrainingConfig
from buffers import Batches, Slice, TokenBatch, Trajectories
from seq2seq_env.scorers import Scorer, checked_scores

Watch = Callable[[str], AbstractContextManager[None]]
"""Times the work of a ``with`` block, by its kind."""


class OnPolicy:
    """An online agent and what it learns from, as the training loop takes them: an epoch is a batch of samples.

    It is a :class:`agents.training.learner.Learner`. Sources are drawn without replacement, pass after pass; each
    batch's samples are drawn from a copy of the policy as it then is, scored in one call, and gone through ``epochs``
    times, an option of the agent's. A killed training goes on to the same weights: its state holds that copy, from
    which the batch under way is drawn again.

    Args:
        agent: With ``online``; trained in place.
        sources: Texts to draw from.
        scorer: Rates the samples.
        config: How samples are drawn.
        watch: Times "sampling", "scoring" and "batching", which is what else is done for a batch of samples.

    Raises:
        ValueError: If the agent learns from stored trajectories, there is no scorer, or fewer sources than a batch has.
    """

    def __init__(
        self,
        agent: Agent,
        sources: Sequence[str],
        scorer: Scorer | None,
        config: RolloutConfig,
        watch: Watch = lambda kind: nullcontext(),
    ) -> None:
        if not isinstance(agent, OnlineAgent):
            raise ValueError(f"agent {agent.name!r} learns from stored trajectories; use its improve")
        if scorer is None:
            raise ValueError(
                f"agent {agent.name!r} has its samples scored as they are drawn, and there is no scorer; give one, or "
                "train on stored trajectories that have rewards"
            )
        if config.sources > len(sources):
            raise ValueError(f"a batch has {config.sources} sources, and there are {len(sources)} to draw from")
        self.agent, self.scorer, self.config, self._watch = agent, scorer, config, watch
        self._texts = list(sources)
        self._behaviour = _Behaviour(agent.policy)
        self._first: Slice | None = None
        self._asked: Iterable[TokenBatch] = ()  # first epoch over the samples that a killed training was at

    @property
    def identity(self) -> Mapping[str, object]:
        """The agent's, and how samples are drawn."""
        rollouts = {f"rollouts.{name}": value for name, value in asdict(self.config).items()}
        return {**self.agent.identity, **rollouts}

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The agent's."""
        return self.agent.networks

    @property
    def learning_rates(self) -> Mapping[str, float]:
        """The agent's."""
        return self.agent.learning_rates

    @property
    def companions(self) -> Mapping[str, nn.Module]:
        """The agent's, and the policy that the batch under way was drawn from."""
        return {**self.agent.companions, "behaviour": self._behaviour}

    @property
    def samples(self) -> int:
        """Samples drawn so far that were trained on."""
        return int(self._behaviour.batches) * self.config.sources * self.config.candidates

    def improve(
        self,
        config: TrainingConfig,
        evaluate: Evaluate | None = None,
        log: Log | None = None,
        resume: Path | None = None,
    ) -> ImproveReport:
        """Train until target tokens or samples are spent, or the evaluation stops rising, and keep the best weights.

        Args:
            config: Budgets and learning rate; its seed orders the updates.
            evaluate: See :func:`agents.training.loop.fit`, as for ``log`` and ``resume``.
            log: Called with (metric, value, target tokens so far).
            resume: File that keeps the training's state.

        Raises:
            ValueError: As for :meth:`Agent.improve`, or if there is to be noise on the sources.
            FloatingPointError: If the loss stops being finite; the best weights so far are back in place.
        """
        check_no_noise(self.agent.name, config)
        self._first = first = self._rollouts(0)
        # In another process, samples would be drawn from a policy that no longer is.
        config = replace(config, workers=0)
        with self.agent.improving(first, config):
            return fit(self, first, config, evaluate, log, resume)

    def batches(self, data: Slice, tokens_per_batch: int, seed: int) -> Batches:
        """Updates on one batch of samples, drawn when they are first asked for; none when the samples are spent.

        Args:
            data: Not looked at: the first batch of samples, by which a training's state knows its training.
            tokens_per_batch: Token budget of an update.
            seed: Of the order of the updates; a new one asks for new samples.
        """
        return Batches(lambda worker, workers: self._updates(tokens_per_batch, seed))

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> NamedTuple:
        """The agent's; behind a kill, its prior is first asked again what it was asked before."""
        self.agent.ask_prior(self._asked)
        self._asked = ()
        return self.agent.loss(batch, progress)

    def after_step(self) -> None:
        """What the agent does after a step."""
        self.agent.after_step()

    def rollout(self, number: int) -> Slice:
        """Batch ``number`` of samples, from 0, drawn from the policy as it is now, with rewards.

        Raises:
            ValueError: If the scorer gives something that is no reward, or a source is empty or too long.
        """
        self._behaviour.renew(self.agent.policy)
        return self._rollouts(number)

    def _updates(self, tokens_per_batch: int, seed: int) -> Iterator[TokenBatch]:
        behaviour, size = self._behaviour, self.config.sources * self.config.candidates
        goes_on = behaviour.has_drawn(seed)  # a killed training, within the batch
        if not goes_on:
            if self.config.max_samples is not None and self.samples + size > self.config.max_samples:
                return
            behaviour.draw(self.agent.policy, seed)
        with self._watch("batching"):
            number = int(behaviour.batches) - 1
            data = self._first if number == 0 and self._first is not None else self._rollouts(number)
        for epoch in range(self.agent.config.epochs):
            order = int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0])
            updates = self.agent.batches(data, tokens_per_batch, order)
            if epoch == 0:
                self._asked = updates if goes_on else ()
            yield from updates

    def _rollouts(self, number: int) -> Slice:
        """Batch ``number``, drawn from the copy of the policy."""
        config = self.config
        rows = _rows(number, config.sources, len(self._texts), config.seed)
        encoded = self.agent.policy.encode([self._texts[row] for row in rows])
        seed = int(np.random.SeedSequence((config.seed, number)).generate_state(1, np.uint64)[0])
        with self._watch("sampling"):
            samples = self._behaviour.policy.sample(encoded, config.candidates, config.temperature, seed)
        asked = [self._texts[row] for row in rows for _ in range(config.candidates)]
        with self._watch("scoring"):
            reward = checked_scores(self.scorer, asked, samples.texts)
        return Slice.from_trajectories(
            Trajectories(
                source_index=rows[samples.source_index],
                offsets=samples.offsets,
                tokens=samples.tokens,
                log_prob=samples.log_prob,
                terminated=samples.terminated,
                reward=reward,
                is_reference=np.zeros(len(samples), dtype=np.bool_),
                source_rows=rows,
                source_offsets=np.cumsum([0, *map(len, encoded)], dtype=np.int64),
                source_tokens=np.array([token for row in encoded for token in row], dtype=np.int32),
            ),
            self.agent.policy.tokenizer.pad_id,
            config.temperature,
        )


class _Behaviour(nn.Module):
    """The policy that a batch of samples was drawn from, and which batch it was: kept with a training's state."""

    def __init__(self, policy: Seq2SeqPolicy) -> None:
        super().__init__()
        # The network alone is copied: with adapters, too, its names are the trained one's.
        self.network = copy.deepcopy(policy.model)
        self.network.requires_grad_(False)
        self.policy = type(policy)(self.network, policy.tokenizer, policy.max_target_length, policy.constraint)
        self.batches: Tensor
        self.drawn_by: Tensor
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))
        self.register_buffer("drawn_by", torch.full((), -1, dtype=torch.int64))

    def renew(self, policy: Seq2SeqPolicy) -> None:
        """Copy the weights as they are."""
        self.network.load_state_dict(policy.model.state_dict())

    def draw(self, policy: Seq2SeqPolicy, seed: int) -> None:
        """The policy for the next batch."""
        self.renew(policy)
        self.batches += 1
        self.drawn_by.fill_(_signed(seed))

    def has_drawn(self, seed: int) -> bool:
        """Whether the batch of that seed is the one under way."""
        return int(self.drawn_by) == _signed(seed)


def _signed(seed: int) -> int:
    """63 bits of a seed of 64."""
    return seed >> 1


def _rows(number: int, count: int, available: int, seed: int) -> NDArray[np.int64]:
    """Sources of batch ``number``, rising: of each pass over all of them in another order, the next ``count``."""
    passes, place = divmod(number, available // count)
    order = np.random.default_rng(np.random.SeedSequence((seed, passes), spawn_key=(0,))).permutation(available)
    return np.sort(order[place * count : (place + 1) * count]).astype(np.int64)

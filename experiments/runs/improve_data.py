"""Data of an Improve step: what of a Grow step's trajectories passes the filter, and what else narrows them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from agents import TrainingConfig
from buffers import Filter, Slice, at_most, candidate_utilities
from seq2seq_env.ranges import above_zero
from seq2seq_env.tokenization.tokenizer import Tokenizer

if TYPE_CHECKING:
    from agents import Agent

FilterBy = Literal["reward", "utility"]


@dataclass(frozen=True)
class DataConfig:
    """Options of an Improve step's data.

    Raises:
        ValueError: If a value is out of range.
    """

    samples_only: bool = False
    """Whether an Improve step trains on the samples alone, without the original data."""
    most_kept: int | None = None
    """Trajectories of a source that are trained on of those that the filter keeps, drawn at random, at least 1; None
    for all."""
    filter_by: FilterBy = "reward"
    """What the filter compares: "reward" is the scorer's, "utility" the mean chrF of a candidate with the others of its
    source, by which minimum Bayes risk decoding chooses and which needs no scorer."""
    last_on_pairs: bool = False
    """Whether the last Improve step of each Grow step trains on the original data alone, unfiltered, to its last
    weights."""
    rewrite: bool = False
    """Whether samples that the first filter of a Grow step refuses are written anew from their first bad token on, and
    join its data. A value network, trained on the data, says which token that is."""
    rewrite_value_tokens: int = 300_000
    """Target tokens of that value network's training, at least 1."""

    def __post_init__(self) -> None:
        above_zero(self, "rewrite_value_tokens")
        if self.most_kept is not None and self.most_kept < 1:
            raise ValueError(f"most_kept is {self.most_kept}; give at least 1, or None for all")
        if self.filter_by not in get_args(FilterBy):
            raise ValueError(f"there is no filter_by {self.filter_by!r}; choose one of {', '.join(get_args(FilterBy))}")
        if self.rewrite and self.filter_by != "reward":
            raise ValueError("rewrite goes by the reward, and filter_by is 'utility'; leave out one of the two")

    def check(self, agent: type[Agent], arms: Collection[str], improve_steps: int, *, restart: bool) -> None:
        """Refuse what does not go with a run's other options.

        Args:
            agent: That trains on the data.
            arms: Controls of the run.
            improve_steps: To each Grow step.
            restart: Whether each starts from the supervised policy.

        Raises:
            ValueError: Naming both options.
        """
        if self.samples_only and (without := {"filtered", "samples"} & {*arms}):
            raise ValueError(
                f"arm {min(without)!r} makes no sense where ReST trains on samples alone; leave it out of --arms, or "
                "leave out --data.samples-only"
            )
        if self.rewrite and (without := {"one-grow", "random"} & {*arms}):
            raise ValueError(
                f"arm {min(without)!r} goes by a Grow step's samples, and has none of the rewrites of --data.rewrite; "
                "leave one of them out"
            )
        if "random" in arms and not agent.filters:
            raise ValueError(
                f"arm 'random' draws as many samples as a filter keeps, and agent {agent.name!r} asks for no filter; "
                "leave it out of --arms"
            )
        if not self.rewrite and self.rewrite_value_tokens != DataConfig.rewrite_value_tokens:
            raise ValueError(
                f"--data.rewrite-value-tokens {self.rewrite_value_tokens} goes with --data.rewrite; give that, too"
            )
        if (self.rewrite or self.filter_by == "utility") and not agent.filters:
            option = "--data.rewrite" if self.rewrite else "--data.filter-by"
            raise ValueError(f"agent {agent.name!r} asks for no filter; leave out {option}, or choose another")
        if not self.last_on_pairs:
            return
        if improve_steps < 2:
            raise ValueError(
                "--data.last-on-pairs takes the last Improve step for the original data, and there is one; give "
                "--improve-steps 2 or more, or --data.no-last-on-pairs"
            )
        if agent.least > 1:
            raise ValueError(
                f"agent {agent.name!r} compares candidates, and the original data of --data.last-on-pairs have one of "
                "each source; give --data.no-last-on-pairs, or choose another agent"
            )
        if restart:
            raise ValueError(
                "--restart forgets what the step before --data.last-on-pairs learned; leave out one of them"
            )

    def select(self, data: Slice, kept: Filter | None, tokenizer: Tokenizer) -> Slice:
        """What of ``data`` passes.

        Args:
            data: Scored, all of a Grow step or of the original data.
            kept: The filter; None for an agent that takes all data and weighs it itself.
            tokenizer: Of the targets.

        Returns:
            A view, which may be empty.
        """
        if self.samples_only:
            data = data.where(~data.is_reference)
        if kept is not None and self.filter_by == "utility":
            data = data.where(kept(data.source_index, candidate_utilities(data, tokenizer)))
        elif kept is not None:
            data = data.select(kept)
        return data

    def limit(self, data: Slice, seed: int) -> Slice:
        """What ``most_kept`` leaves of what passed, a view; ``seed`` draws it."""
        if self.most_kept is None:
            return data
        return data.where(at_most(data.source_index, self.most_kept, np.random.default_rng(seed)))


def on_pairs(training: TrainingConfig) -> TrainingConfig:
    """The same training on sources as they are, to its last weights."""
    # Samples had taught the policy what the scorer likes; where the pairs unlearn some of that, the best weights by the
    # reward would be those before.
    return replace(
        training, source_drop=0.0, source_blank=0.0, source_shuffle=0, evaluate_first=False,
        evaluate_every=training.max_tokens,
    )  # fmt: skip


def as_spent(training: TrainingConfig, facts: Mapping[str, Any]) -> TrainingConfig:
    """A control's training, for the tokens that ReST's step took, and as many looks at the validation reward.

    Args:
        training: Of ReST's step.
        facts: What is recorded of it.
    """
    tokens, looks = max(1, facts["train_tokens"]), sum(at > 0 for at, _ in facts["curve"])
    # As far along ReST's schedule as ReST came, where its reward stopped rising before the budget was spent. The last
    # batch goes beyond a budget: at ReST's own intervals, a look that is due just before the end would be one more.
    return replace(
        training, schedule_tokens=training.schedule_end, max_tokens=tokens, patience=tokens,
        evaluate_every=math.ceil(tokens / max(1, looks)),
    )  # fmt: skip


def explain_nothing(batch: Slice, kept: Filter | None, stage: str, *, fatal: bool) -> None:
    """Say why an Improve step has no data.

    Raises:
        ValueError: With the reason, if it is fatal.
    """
    said = (
        f"{kept or 'the choice'} keeps none of {len(batch):,} targets, whose rewards are up to "
        f"{batch.rewards.max():.3f}; give lower --filter-values, or --filter percentile in another --out"
    )
    if fatal:
        raise ValueError(f"Improve step {stage} has nothing to train on: {said}")
    print(f"  WARNING: Improve step {stage} trains nothing: {said}")

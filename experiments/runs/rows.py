"""Rows of the benchmark: algorithms as they are, and recipes that one training on a frozen data set can follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeVar

import agents
from experiments.names import ROWS, STORED
from experiments.runs.agent_kinds import check_stored
from experiments.runs.improve_data import DataConfig
from experiments.runs.recipes import RECIPES
from experiments.runs.settings import Settings

S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Row:
    """What one row of the table trains, and on what of a data set.

    Attributes:
        agent: Name of the algorithm.
        recipe: Name of the recipe; None for the algorithm as it is.
        data: What narrows the data beside the filter.
        changes: Settings that are the recipe's, options of the agent among them.
    """

    agent: str
    recipe: str | None = None
    data: DataConfig = field(default_factory=DataConfig)
    changes: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str) -> Self:
        """The row of a name.

        What a recipe says of Grow, of candidates and of steps after the first is the data set's affair, and left out.

        Raises:
            ValueError: If there is no such row, or the agent learns online.
        """
        if name not in ROWS:
            if name in RECIPES:
                raise ValueError(
                    f"recipe {name!r} is no row of the benchmark: on a frozen data set it is another row, or needs "
                    f"Grow steps of its own; choose one of {', '.join((*STORED, *ROWS))}"
                )
            check_stored([name])
            return cls(name)
        recipe = RECIPES[name]  # type: ignore[index]
        options = {**recipe.settings, **recipe.fixed}
        data = {**recipe.settings.get("data", {}), **recipe.fixed.get("data", {})}
        agent = str(options["agent"])
        changes = {option: options[option] for option in ("filter", agent) if option in options}
        if "filter_values" in options:
            changes["filter_values"] = tuple(options["filter_values"])
        return cls(agent, name, DataConfig(**data), changes)

    @property
    def trains_on(self) -> str:
        """What of a data set the loss is of, in a few words: "all", "filtered", "pairs", of samples alone or not."""
        from agents.candidate_agent import CandidateAgent
        from agents.preference_agent import PreferenceAgent

        kind = agents.agent_class(self.agent)
        if issubclass(kind, PreferenceAgent):
            what = "best and worst"
        elif issubclass(kind, CandidateAgent):
            what = "candidates"
        elif kind.filters:
            what = "best" if self.changes.get("filter") == "best" else "filtered"
        else:
            what = "all"
        if kind.needs_copies:
            what += ", with copies"
        if self.data.filter_by != "reward":
            what += f" by {self.data.filter_by}"
        return f"samples: {what}" if self.data.samples_only else what

    def settings(self, config: S) -> S:
        """The options of a run with the recipe's in their place; those that were given for its agent hold beside."""
        changes = dict(self.changes)
        if self.agent in changes:
            of_agent = {**config.agent_options.get(self.agent, {}), **changes.pop(self.agent)}
            changes["agent_options"] = {**config.agent_options, self.agent: of_agent}
        return replace(config, **changes)

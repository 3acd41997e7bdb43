"""Recipes: other papers' methods as options of growing_batch.py, each at its paper's settings.

What makes a method is fixed; the numbers are what its paper took, where it says so, and any option overrides them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import agents
from experiments.command_line.config_file import option_arguments
from seq2seq_env.suggestions import check_name

if TYPE_CHECKING:
    from experiments.runs.settings import Settings

RecipeName = Literal["rest", "rest-em", "raft", "rft", "ssd", "mbr-ft", "noisy-self-training", "re-rest", "dqo"]
"""Keys of :data:`RECIPES`."""


@dataclass(frozen=True)
class Recipe:
    """A method by its options.

    Attributes:
        summary: What it does, with its paper.
        differs: What is not as in the paper.
        fixed: Options without which it is another method.
        settings: The paper's numbers, which other options override.
        noisy: Whether noise on the sources, of whichever kind, is part of it.
    """

    summary: str
    differs: str
    fixed: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    noisy: bool = False


_ONCE = {"grow_steps": 1, "improve_steps": 1}
_OWN_SAMPLES = {"samples_only": True}
_BY_REWARD = {"filter_by": "reward", "rewrite": False}
# The other arms are samples or nothing.
_ONE_ARM = {"arms": ["unfiltered"]}

RECIPES: dict[RecipeName, Recipe] = {
    "rest": Recipe(
        "Grow, then Improve steps on rising thresholds of samples and original data (arXiv 2308.08998).",
        "Thresholds, candidates and budgets are the script's own: the paper's are in --preset.",
        fixed={"restart": False,
               "data": {**_BY_REWARD, "samples_only": False, "most_kept": None, "last_on_pairs": False}},
        settings={"grow_steps": 2, "improve_steps": 3, "temperature": 0.8},
    ),
    "rest-em": Recipe(
        "Expectation maximisation: samples that pass, at most 10 of a source, train the base anew in each iteration "
        "(arXiv 2312.06585).",
        "The reward is learned and passes above 0.9 where the paper's is right or wrong; no top-k of 40 in sampling; "
        "the base is the supervised policy.",
        fixed={"agent": "filtered-bc", "filter": "threshold", "restart": True, "improve_steps": 1,
               "data": {**_OWN_SAMPLES, **_BY_REWARD}},
        settings={
            "grow_steps": 2, "candidates": 32, "temperature": 0.7, "filter_values": [0.9], "learning_rate_decay": 1.0,
            "data": {"most_kept": 10}, **_ONE_ARM,
        },
    ),
    "raft": Recipe(
        "In each stage the best of 32 samples of a source trains the policy, which samples again (arXiv 2304.06767).",
        "Stages are fewer and longer than the paper's, the temperature the script's own; nothing of RAFT+'s penalty "
        "(arXiv 2401.12873), a scorer's affair.",
        fixed={"agent": "filtered-bc", "filter": "best", "filter_values": [1], "restart": False, "improve_steps": 1,
               "data": {**_OWN_SAMPLES, **_BY_REWARD}},
        settings={"grow_steps": 3, "candidates": 32, **_ONE_ARM},
    ),
    "rft": Recipe(
        "Rejection sampling: all distinct samples that pass, and the original data, train the base (arXiv 2308.01825).",
        "The reward is learned and passes above 0.9 where the paper's is right or wrong; original pairs pass the same "
        "filter; the base is the supervised policy.",
        fixed={"agent": "filtered-bc", "filter": "threshold", "restart": True, "improve_steps": 1, "distinct": True,
               "data": {**_BY_REWARD, "samples_only": False, "most_kept": None}},
        settings={"grow_steps": 1, "candidates": 100, "temperature": 0.7, "filter_values": [0.9]},
    ),
    "ssd": Recipe(
        "The policy trains on its own samples, unfiltered, the control of every self-training (arXiv 2604.01193).",
        "Budgets and temperature are the script's own.",
        fixed={"agent": "bc", "data": {**_OWN_SAMPLES, "last_on_pairs": False}},
        settings={**_ONCE, **_ONE_ARM},
    ),
    "mbr-ft": Recipe(
        "The sample that the others of its source agree with most trains the policy: minimum Bayes risk into greedy "
        "decoding (arXiv 2309.10966).",
        "Utility is chrF, not a learned metric; samples are plain, not epsilon samples, and 32 of up to 256.",
        fixed={"agent": "filtered-bc", "filter": "best", "filter_values": [1], "improve_steps": 1,
               "data": {**_OWN_SAMPLES, "filter_by": "utility"}},
        settings={"grow_steps": 1, "candidates": 32, "temperature": 1.0, **_ONE_ARM},
    ),
    "noisy-self-training": Recipe(
        "Translations of source-only sentences train the policy with noise on their sources, then the original data "
        "fine-tune it (arXiv 1909.13788).",
        "Tokens, not words, are dropped, blanked and moved; translations are samples, not beam search's; training goes "
        "on from the policy that translated.",
        fixed={"agent": "bc", "grow_from": "source-only", "improve_steps": 2, "restart": False,
               "data": {**_OWN_SAMPLES, "last_on_pairs": True}},
        settings={
            "grow_steps": 3, "candidates": 1,
            "improve": {"source_drop": 0.1, "source_blank": 0.1, "source_shuffle": 3}, **_ONE_ARM,
        },
        noisy=True,
    ),
    "re-rest": Recipe(
        "What the filter refuses is written anew from its first bad token on, and joins the data if it then passes "
        "(arXiv 2406.01495).",
        "The policy itself rewrites, and a value network says from where on, in place of a second model that reads "
        "feedback; original pairs stay in the data.",
        fixed={"agent": "filtered-bc", "filter": "threshold", "restart": False,
               "data": {"rewrite": True, "samples_only": False, "filter_by": "reward"}},
        settings={"grow_steps": 1, "improve_steps": 1, "filter_values": [0.9]},
    ),
    "dqo": Recipe(
        "DPO on the best and the worst of a source's samples by a quality-estimation model (arXiv 2409.17673).",
        "Samples, rounds and budgets are the script's own.",
        fixed={"agent": "dpo", "dpo": {"rpo_alpha": 0.0}, "data": _OWN_SAMPLES},
        # A pair is one candidate of its source, and DPO compares two.
        settings={**_ONCE, "candidates": 8, "arms": []},
    ),
}  # fmt: skip


def recipe_arguments(name: str, kind: type, agent: str | None = None) -> list[str]:
    """A recipe's options as the command line would have them.

    Args:
        name: A key of :data:`RECIPES`.
        kind: The configuration of the script.
        agent: One that is asked for; options of another are left out, so that :func:`check_recipe` tells what is wrong.

    Raises:
        ValueError: If there is no such recipe, listing the good names.
    """
    check_name("recipe", name, RECIPES)
    recipe = RECIPES[name]  # type: ignore[index]
    options = dict(recipe.settings)
    for option, value in recipe.fixed.items():
        options[option] = {**options.get(option, {}), **value} if isinstance(value, Mapping) else value
    options = {name: value for name, value in options.items() if name not in agents.AGENTS or agent in (None, name)}
    return option_arguments(options, kind, agents.AGENTS, f"recipe {name}")


def check_recipe(settings: Settings) -> None:
    """Refuse options that make another method of the recipe that is named.

    Raises:
        ValueError: If there is one.
    """
    name: RecipeName | None = getattr(settings, "recipe", None)
    if name is None:
        return
    check_name("recipe", name, RECIPES)
    for option, wanted, value in _fixed(settings, RECIPES[name].fixed):
        if value != wanted:
            raise ValueError(
                f"recipe {name!r} is {option} {_text(wanted)}, not {_text(value)}; leave out one of the two"
            )
    if RECIPES[name].noisy and not settings.improve.has_source_noise:
        raise ValueError(
            f"recipe {name!r} trains on noisy sources, and --improve.source-drop, -blank and -shuffle are all 0; give "
            "one of them above 0"
        )


def _fixed(settings: Settings, options: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Name of each fixed option, what the recipe has, and what the settings have."""
    for option, wanted in options.items():
        if not isinstance(wanted, Mapping):
            value = getattr(settings, option)
            yield option, wanted, list(value) if isinstance(value, tuple) else value
            continue
        if option in agents.AGENTS:
            nested: Any = agents.check_options(option, settings.options_of(option))
        else:
            nested = getattr(settings, option)
        for key, each in wanted.items():
            yield f"{option}.{key}", each, getattr(nested, key)


def _text(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)

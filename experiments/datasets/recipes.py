"""Recipes of the frozen data sets: which policies translated which sentences, how often, from which seed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from seq2seq_env.suggestions import suggestion

TASK = "phrasebook-de-en"

SUPERVISED = "supervised"

RANDOM = "random-init"

BEHAVIOURS = (RANDOM, SUPERVISED, "improved")
"""Shipped policies: an early checkpoint, which writes mostly wrong sentences, one for all regimes; one trained on the
regime's pairs until its validation reward stopped rising; and that one after ReST."""

MIXED = "mixed"
"""Behaviour of all three, each with candidates of its own for every source."""

VERSIONS = {
    "lowres-random-init": 1,
    "lowres-mixed": 1,
    "noisy-random-init": 1,
    "noisy-improved": 1,
    "noisy-mixed": 1,
}
"""Of data sets, where it is not 0: those whose first version one kind of processor alone could make."""


@dataclass(frozen=True)
class DatasetRecipe:
    """What determines a data set, with the weights that the policies' names stand for.

    Attributes:
        regime: Of the phrasebook, a key of ``REGIMES``.
        policies: Names of shipped behaviour policies; candidate ``k`` of a source is of policy ``k // candidates``.
        candidates: Samples of each policy for each source.
        sources: Sentences that are drawn, the same in all data sets of a regime.
        temperature: Of the samples.
        seed: Of sources and samples.
        sources_per_shard: Sentences of a shard.
    """

    regime: str
    policies: tuple[str, ...]
    candidates: int
    sources: int = 4_000
    temperature: float = 0.8
    seed: int = 0
    sources_per_shard: int = 500

    @property
    def task_options(self) -> Mapping[str, str]:
        """Of the task."""
        return {"regime": self.regime}


def _datasets() -> dict[str, DatasetRecipe]:
    recipes = {}
    for regime in ("lowres", "noisy"):
        policies = tuple(RANDOM if each == RANDOM else f"{regime}-{each}" for each in BEHAVIOURS)
        of_regime = {
            behaviour: DatasetRecipe(f"{regime}-v1", (policy,), 4)
            for behaviour, policy in zip(BEHAVIOURS, policies, strict=True)
        }
        of_regime[MIXED] = DatasetRecipe(f"{regime}-v1", policies, 2)
        for behaviour, recipe in of_regime.items():
            version = VERSIONS.get(f"{regime}-{behaviour}", 0)
            recipes[f"translation/phrasebook-{regime}-{behaviour}-v{version}"] = recipe
    return recipes


DATASETS = _datasets()
"""By name, in Minari's form: namespace, data set, version. What a recipe gives never changes; a better one is another
version."""


def recipe_of(name: str) -> DatasetRecipe:
    """The recipe of a name in :data:`DATASETS`; without its namespace it is known, too.

    Raises:
        ValueError: If there is no such data set, or none of that version, with the names that are there.
    """
    return DATASETS[full_name(name)]


def full_name(name: str) -> str:
    """The name with its namespace.

    Raises:
        ValueError: As for :func:`recipe_of`.
    """
    whole = name if "/" in name else f"translation/{name}"
    if whole in DATASETS:
        return whole
    stem = re.sub(r"-v\d+$", "", whole)
    versions = [known for known in DATASETS if known.rpartition("-v")[0] == stem]
    if versions:
        raise ValueError(f"there is no data set {name!r}; this release makes {', '.join(versions)}")
    raise ValueError(f"there is no data set {name!r}; choose one of {', '.join(DATASETS)}{suggestion(whole, DATASETS)}")

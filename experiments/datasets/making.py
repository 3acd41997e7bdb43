"""Making of a frozen data set from its recipe: the original pairs, the policies' samples, manifest and card."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from buffers import GrowingBatchBuffer, InThreads, Sampler, Workers, grow
from experiments.datasets import manifest as manifests
from experiments.datasets.behaviours import load_behaviour
from experiments.datasets.card import card
from experiments.datasets.manifest import CARD, FILE, Manifest, Verdict
from experiments.datasets.mixture import Mixture
from experiments.datasets.recipes import TASK, DatasetRecipe, full_name, recipe_of
from experiments.datasets.texts import PublishedSampler, load_texts, of_policy
from seq2seq_env.atomic_files import write_text
from seq2seq_env.scorers import Scorer, load_scorer
from seq2seq_env.tasks import load_task

if TYPE_CHECKING:
    from seq2seq_env.tasks import Task

PLACE = Path("runs/datasets")
"""Folder of the data sets, each in one by its name."""

PAIRS, SAMPLES = 0, 1
"""Grow steps of a data set: all original pairs, where sentences without references are drawn, too; and the policies'
samples, with the pairs of their sources elsewhere."""


@dataclass(frozen=True)
class Dataset:
    """A data set on disk.

    Attributes:
        folder: Which is a buffer's, too.
        manifest: What is in it.
        verdict: How it stands to the published one.
    """

    folder: Path
    manifest: Manifest
    verdict: Verdict

    @property
    def facts(self) -> dict[str, str]:
        """What a run that trains on it records of it."""
        regime = self.manifest.recipe["regime"]
        return {"contents": self.manifest.contents, "status": self.verdict.text, "regime": regime}


def make(
    name: str, folder: Path | None = None, *, workers: Workers | None = None, is_writer: bool = True,
    progress: bool = True,
) -> Dataset | None:  # fmt: skip
    """Make a data set, or what is missing of it.

    Args:
        name: A key of ``DATASETS``, with or without its namespace.
        folder: Where; None takes the one of its name within :data:`PLACE`.
        workers: Who makes the shards, as for :func:`buffers.grow`.
        is_writer: Whether this process writes manifest and card, of several that make the shards.
        progress: Show progress bars.

    Returns:
        The data set; None where this process does not write, which has nothing to tell of it.

    Raises:
        ValueError: If there is no such data set, or the folder holds something else.
        OSError: If it cannot be written.
    """
    name, recipe = full_name(name), recipe_of(name)
    folder = PLACE / name if folder is None else folder
    if (folder / FILE).is_file():
        there = opened(folder, name)
        if there.verdict.is_published == (there.manifest.name == name):
            return there if is_writer else None
        # What was published has changed since it was made, and so has its name.
    task = load_task(TASK, **recipe.task_options)
    assert task.default_scorer is not None
    texts = load_texts(name.rpartition("/")[2])
    policies = [
        PublishedSampler(load_behaviour(policy, task), of_policy(texts, place, recipe.candidates))
        for place, policy in enumerate(recipe.policies)
    ]
    scorer = load_scorer(task.default_scorer, task=task)
    write_shards(folder, recipe, task, scorer, policies, workers=workers, progress=progress)
    return finish(folder, name, recipe, task) if is_writer else None


def write_shards(
    folder: Path, recipe: DatasetRecipe, task: Task, scorer: Scorer, policies: Sequence[Sampler], *,
    workers: Workers | None = None, progress: bool = True,
) -> None:  # fmt: skip
    """Grow the original pairs and the samples of all policies, as far as they are not there.

    Args:
        folder: Of the data set.
        recipe: Numbers and seed.
        task: Gives the sentences.
        scorer: Gives the rewards.
        policies: The behaviour's.
        workers: As for :func:`buffers.grow`.
        progress: Show progress bars.

    Raises:
        ValueError: If the folder holds shards made otherwise.
        OSError: If a shard cannot be written.
    """
    behaviour: Sampler = policies[0] if len(policies) == 1 else Mixture(policies)
    buffer, alone = GrowingBatchBuffer(folder, task=task), task.has_source_only
    run = partial(
        grow, behaviour, scorer, task, buffer, temperature=recipe.temperature, seed=recipe.seed,
        sources_per_shard=recipe.sources_per_shard, workers=workers or InThreads(), progress=progress,
    )  # fmt: skip
    if alone:
        run(grow_step=PAIRS, candidates=0)
    run(
        grow_step=SAMPLES, candidates=recipe.candidates * len(policies), num_sources=recipe.sources,
        references=not alone, grow_from="both" if alone else "train",
    )  # fmt: skip


def finish(folder: Path, name: str, recipe: DatasetRecipe, task: Task) -> Dataset:
    """Write card and manifest, the latter last: who finds it finds a whole data set.

    A data set that is not the published one is called a local one.

    Args:
        folder: With all shards.
        name: Of the data set.
        recipe: That it was made by.
        task: That it is of.
    """
    mine = manifests.describe(folder, name, asdict(recipe))
    verdict = manifests.compare(mine, manifests.published(name))
    if not verdict.is_published:
        mine = replace(mine, name=manifests.local_name(name))
    write_text(folder / CARD, card(mine, verdict, recipe, GrowingBatchBuffer(folder).select(), task))
    mine.write(folder / FILE)
    return Dataset(folder, mine, verdict)


def opened(folder: Path, name: str | None = None) -> Dataset:
    """A data set that is there, every byte compared with its manifest.

    Args:
        folder: Of the data set.
        name: That it must have, as made here or as published; None takes any.

    Raises:
        FileNotFoundError: If there is no manifest.
        ValueError: If it is another data set or of a version that this release does not make, its manifest does not say
            what is in a shard, or a file is missing, was changed, or does not belong to it.
    """
    own = Manifest.read(folder / FILE).name
    if name is None:
        full_name(manifests.recipe_name(own))  # before its files, which another release may write otherwise
    elif own == manifests.local_name(name):
        name = own
    mine = manifests.checked(folder, name)
    return Dataset(folder, mine, manifests.compare(mine, manifests.published(manifests.recipe_name(mine.name))))


def resolve(name_or_folder: str) -> Dataset:
    """A data set by the folder that holds it, or by its name; the latter is made where it is not there.

    Raises:
        ValueError: If it is neither, of a version that this release does not make, or was changed.
        OSError: If it cannot be made.
    """
    folder = Path(name_or_folder)
    if (folder / FILE).is_file():
        return opened(folder)
    name = full_name(name_or_folder)
    print(f"data set {name}, by: rest dataset make {shlex.quote(name)}")
    dataset = make(name)
    assert dataset is not None  # this process writes
    return dataset

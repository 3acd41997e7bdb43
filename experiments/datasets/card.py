"""Card of a frozen data set: what is in it, how good, what policies get on it, how it was made; for the hub, too."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from buffers import Slice, source_texts
from experiments.datasets.manifest import Manifest, Verdict, recipe_name
from experiments.datasets.recipes import DatasetRecipe
from experiments.datasets.results import published_results, results_parts
from experiments.reports.tables import table

if TYPE_CHECKING:
    from seq2seq_env.tasks import Task

BINS = 10
"""Of the histograms, over [0, 1]."""

PAIRS = "original pairs"


def card(manifest: Manifest, verdict: Verdict, recipe: DatasetRecipe, data: Slice, task: Task) -> str:
    """Markdown, with the hub's metadata before it.

    Args:
        manifest: Of the data set.
        verdict: How it stands to the published one.
        recipe: That it was made by.
        data: All of it.
        task: Gives the sources and the oracle.
    """
    groups = dict(_groups(recipe, data))
    measures = {"reward": data.rewards, "oracle": _qualities(data, task)}
    made_by = recipe_name(manifest.name)
    parts = [
        "---\nlicense: apache-2.0\nlanguage: [de, en]\ntask_categories: [translation]\n"
        "tags: [offline-rl, reinforcement-learning, translation]\n---",
        f"# {manifest.name}",
        f"German-English sentences of the generated phrasebook, regime `{recipe.regime}`, with translations by "
        f"{_listed(recipe.policies)}: tokens, log-probabilities of the policy that drew them, and rewards of the "
        "shipped scorer. It is a buffer of seq2seq-env; nothing in it is from other texts.",
        f"Status: {verdict.text}.",
        "## What is in it",
        table(
            ["", "trajectories", "distinct", "tokens per target", *measures],
            (
                [
                    name,
                    f"{int(mask.sum()):,}",
                    f"{len(data.where(mask).distinct()):,}",
                    f"{data.target_lengths[mask].mean():.1f}",
                    *(f"{each[mask].mean():.3f}" for each in measures.values()),
                ]
                for name, mask in groups.items()
            ),
        ),
        f"{_where(data)}. The samples are of "
        f"{len(np.unique(data.source_index[~data.is_reference])):,} sentences at temperature {recipe.temperature}: "
        f"{_candidates(recipe)}. The reward is the learned scorer's. The oracle's true quality is not in the data: it "
        "was computed for this card, and judges what is trained on them.",
        *(
            part
            for name, each in measures.items()
            for part in (f"Share of trajectories by {name}:", _histograms(each, groups))
        ),
        *results_parts(manifest, published_results()),
        "## Use",
        "```python\nfrom buffers import GrowingBatchBuffer, Percentile\n\n"
        'batch = GrowingBatchBuffer("FOLDER").select(Percentile(75))  # a view of each source\'s best quarter\n```',
        "```bash\nrest buffer export FOLDER --to minari --out translation/mine-v0   # or parquet, jsonl, datasets\n"
        "rest compare --dataset FOLDER --agents bc filtered-bc dpo\n```",
        "`buffers.d3rlpy_module()` and `buffers.to_d3rlpy` give d3rlpy's transitions of it.",
        "## How it was made",
        f"```bash\nrest dataset make {made_by}\n```",
        "The policies' weights are part of seq2seq-env; sources and samples follow from the seed "
        f"{recipe.seed}. `manifest.json` has sha256 of every file, and of the texts alone, which other processors "
        "and versions give again where they do not give the same bytes.",
        "Made with " + ", ".join(f"{name} {value}" for name, value in manifest.made_with.items()) + ".",
    ]
    return "\n\n".join(parts) + "\n"


def _groups(recipe: DatasetRecipe, data: Slice) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """The original pairs, then each policy's samples: a mask [n] each."""
    yield PAIRS, data.is_reference
    policy = data.candidate // recipe.candidates
    for number, name in enumerate(recipe.policies):
        yield f"samples of {name}", ~data.is_reference & (policy == number)


def _qualities(data: Slice, task: Task) -> NDArray[np.float32]:
    """True quality [n]."""
    assert task.oracle is not None  # the phrasebook has one
    texts: list[str] = []
    for piece in data.pieces():
        tokens = piece.tokens.tolist()
        texts += task.tokenizer.decode([tokens[low:high] for low, high in pairwise(piece.offsets.tolist())])
    sources = source_texts(task, data.source_index)
    # Judged once, however often it was written.
    places: dict[tuple[str, str], int] = {}
    number = [places.setdefault(pair, len(places)) for pair in zip(sources, texts, strict=True)]
    judged = task.oracle([source for source, _ in places], [text for _, text in places])
    return judged[number]


def _histograms(values: NDArray[np.float32], groups: dict[str, NDArray[np.bool_]]) -> str:
    """Shares in each tenth of [0, 1], a row a group."""
    edges = np.linspace(0, 1, BINS + 1)
    head = ["", *(f"{low:.1f}-{high:.1f}" for low, high in pairwise(edges.tolist()))]
    rows = []
    for name, mask in groups.items():
        counts = np.histogram(values[mask], edges)[0]
        rows.append([name, *(f"{count / max(1, counts.sum()):.1%}" for count in counts)])
    return table(head, rows)


def _where(data: Slice) -> str:
    """Which Grow step holds what."""
    pairs = int(data.is_reference.sum())
    if len(np.unique(data.grow_step)) > 1:
        return f"Grow step 0 holds all {pairs:,} original pairs of the regime, Grow step 1 the samples"
    return f"Grow step 1 holds the samples, and the {pairs:,} original pairs of their sources"


def _candidates(recipe: DatasetRecipe) -> str:
    if len(recipe.policies) == 1:
        return f"{recipe.candidates} of each"
    return (
        f"{recipe.candidates} of each policy for each, in this order, so that candidate k is of policy number "
        f"k // {recipe.candidates}"
    )


def _listed(names: tuple[str, ...]) -> str:
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"

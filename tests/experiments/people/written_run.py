"""A run's folder as far as rating goes, written by hand: what policies make of sources, hostile ones among them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.people.campaign import Campaign, Candidate, Item, make_campaign
from experiments.people.systems import read_systems

HOSTILE = [
    "<script>document.body.dataset.hacked = 'yes'</script>",
    "<img src=x onerror=\"document.body.dataset.hacked = 'yes'\">",
    "</div></section><style>body { display: none }</style>",
    "{{ 7 * 7 }} {% for x in y %}",
    "\u202eevil \u2066text",
    "long " * 2_000,
    "",
]
PLAIN = 14
SOURCES = [f"Quelle {number}" for number in range(PLAIN)] + HOSTILE
STAGES = ("g0i0", "g1i1", "g1i2", "control-filtered", "control-unfiltered")
REWARDS = {"g0i0": 0.5, "g1i1": 0.6, "g1i2": 0.9, "control-filtered": 0.7, "control-unfiltered": 0.4}
QUALITIES = {"g0i0": 0.4, "g1i1": 0.5, "g1i2": 0.3, "control-filtered": 0.6, "control-unfiltered": 0.8}

CONFIG = {"task": "text-files", "task_options": {"folder": "data"}, "scorer": "mine"}


def text_of(stage: str, row: int) -> str:
    """Of the first four sources all policies write the same."""
    return f"same {row}" if row < 4 else f"{SOURCES[row]} {stage}".strip()


def write_run(folder: Path, oracle: bool = True) -> Path:
    (folder / "hypotheses").mkdir(parents=True)
    (folder / "stages").mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    for stage in STAGES:
        lines = [
            {"source": source, "reference": "r", "greedy": text_of(stage, row), "greedy_reward": REWARDS[stage]}
            | ({"greedy_oracle": QUALITIES[stage]} if oracle else {})
            for row, source in enumerate(SOURCES)
        ]
        (folder / "stages" / f"{stage}.json").write_text("[]")
        (folder / "hypotheses" / f"{stage}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def campaign(
    run: Path, protocol: str, stages: Sequence[str] | None = None, count: int = 30, name: str = "x", seed: int = 0
) -> tuple[Path, Campaign]:
    """A campaign with its key in the run's folder."""
    origin = {"name": name, "config": json.loads((run / "config.json").read_text())}
    known = make_campaign(protocol, *read_systems(run, stages, "greedy"), count, seed, origin)
    known.write_key(run / "ratings" / name)
    return run / "ratings" / name, known


def page_file(
    path: Path, known: Campaign, score: Callable[[Item, Candidate], Any], rater: str = "anna", **changes: Any
) -> Path:
    """What the page would save; a score of None is none."""
    rows: list[Mapping[str, Any]] = [
        {"item": item.name, "candidate": letter, "score": value, "errors": ["minor"]}
        for item in known.items
        for letter, each in zip("abc", item.candidates, strict=False)
        if (value := score(item, each)) is not None
    ]
    path.write_text(json.dumps({"campaign": known.fingerprint, "rater": rater, "ratings": rows, **changes}))
    return path

"""Plan whose finished runs are written by hand: two seeds, three test sources."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.paper.parts import Plan

SEEDS = (0, 1)


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def write_run(
    run: Path, seed: int, stages: dict[str, float], *, options: Mapping[str, Any] | None = None, **facts: Any
) -> Path:
    """A run whose samples have a reward of their stage's, a bit apart by seed and source."""
    config = {"task": "phrasebook-de-en", "task_options": {}, "seed": seed, "sources": 10, "candidates": 2}
    write(run / "config.json", config | {"grow_steps": 2} | dict(options or {}))
    write(run / "results.json", {})
    start = next(iter(stages.values()))
    for stage, reward in stages.items():
        values = [reward + 0.01 * seed * source for source in range(3)]
        lines = [
            {"source": f"source {i}", "sample_reward": value, "sample_oracle": value / 2, "greedy_oracle": value / 2}
            for i, value in enumerate(values)
        ]
        path = run / "hypotheses" / f"{stage}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        if stage.startswith(("g", "control-filtered-")):
            measured = {"split": "test", "decode": "greedy", "bleu": 50 + 10 * (reward - start)}
            sampled = {"split": "test", "decode": "sample", "nats": 0.1}
            curve = [[0, start], [5, reward + 0.001 * seed]]
            trained = {"train_tokens": 5, "best_tokens": 5, "seconds": 1.0, "curve": curve}
            write(run / "stages" / f"{stage}.json", [measured | trained | facts, sampled])
    return run


def written_plan(folder: Path, stages: dict[str, float]) -> Plan:
    """Its whole runs are links to finished ones, as those that are named are."""
    plan = Plan("lowres", folder / "lowres", SEEDS)
    for seed, run in zip(SEEDS, plan.runs, strict=True):
        run.parent.mkdir(parents=True, exist_ok=True)
        run.symlink_to(write_run(folder / "finished" / f"seed{seed}", seed, stages))
    return plan

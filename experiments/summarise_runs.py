"""Several runs that differ by their seed: mean and spread of their measures, and what stands above their controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from experiments.reports.evidence import comparisons, each_control, evidence_table
from experiments.reports.plots import step_name
from experiments.reports.tables import table
from experiments.runs.finished_run import different_options, made_scorers
from seq2seq_env.atomic_files import read_json
from seq2seq_env.commands import arguments, command_frame


@dataclass(frozen=True)
class Config:
    """Options of the summary."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of finished runs."""


def summary_table(results: list[dict[str, Any]], own_scorers: bool = False) -> str:
    """Markdown: a row a measure, with mean, standard deviation over the runs, and each run's value.

    Args:
        results: What the runs' ``results.json`` hold.
        own_scorers: Whether each run made its scorer itself, so that it may be another.

    Raises:
        ValueError: If the runs differ by more than their seed.
    """
    for result in results[1:]:
        if different := different_options(results[0]["config"], result["config"], own_scorers):
            raise ValueError(f"the runs differ in {', '.join(different)}; summarise runs of one configuration")
    seeds = [f"seed {result['config']['seed']}" for result in results]
    measures = {name: [result["summary"].get(name) for result in results] for name in results[0]["summary"]}
    for step in (row for row in results[0]["steps"] if row["split"] == "validation"):
        name = f"validation reward, {step_name(step)}"
        key = {k: step[k] for k in ("grow", "improve", "split")}
        measures[name] = [
            next((row["reward"] for row in result["steps"] if key.items() <= row.items()), None)  # a gate ended it
            for result in results
        ]
    rows = []
    for name, values in measures.items():
        if None not in values:
            spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
            rows.append([name.replace("_", " "), *(f"{value:.3f}" for value in (np.mean(values), spread, *values))])
    return table(["measure", "mean", "s.d.", *seeds], rows)


def notes(runs: Sequence[Path], results: Sequence[dict[str, Any]], own_scorers: bool) -> list[str]:
    """What the tables do not tell by themselves: other scorers, and controls that some or all runs lack."""
    lines = []
    scorers = {result["config"].get("scorer_fingerprint") for result in results}
    if own_scorers and len(scorers) > 1:
        lines.append("Each run made its own scorer: rewards of different runs are by different scorers.")
    for run, result in zip(runs, results, strict=True):
        reasons = result.get("controls_left_out", {})
        lines += [
            f"WARNING: {str(run)!r} has no control {arm}, and no gain is above it: {reasons[arm]}." for arm in reasons
        ]
    arms = [{row["step"] for row in result["controls"]} for result in results]
    partial = sorted(set.union(*arms) - set.intersection(*arms))
    return lines + [f"WARNING: not all of the runs have the control {arm}; it counts in none." for arm in partial]


def main() -> None:
    """Read and print."""
    with command_frame():
        config = tyro.cli(Config, args=arguments(), description=__doc__)
        missing = [str(run) for run in config.runs if not (run / "results.json").is_file()]
        if missing or not config.runs:
            raise FileNotFoundError(
                f"no results.json in {', '.join(missing) or 'no folder at all'}; name folders of finished runs"
            )
        results = [read_json(run / "results.json") for run in config.runs]
        own_scorers = made_scorers(config.runs)
        print(summary_table(results, own_scorers))
        if said := notes(config.runs, results, own_scorers):
            print("", *said, sep="\n")
        if evidence := comparisons(config.runs):
            print("\nAbove the best control, over runs and test sources, with 95 % intervals:\n")
            print(evidence_table(evidence))
        if controls := each_control(config.runs):
            print("\nAbove each control, likewise:\n")
            print(evidence_table(controls, control="control"))


if __name__ == "__main__":
    main()

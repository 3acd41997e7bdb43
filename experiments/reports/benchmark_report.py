"""The benchmark's page: benchmark.md, benchmark.json and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.reports.aggregates import (
    Estimate,
    Scores,
    estimate,
    interquartile_mean,
    performance_profile,
    probability_of_improvement,
)
from experiments.reports.benchmark_cells import MEASURES, Cell
from experiments.reports.benchmark_results import FILE, Results
from experiments.reports.benchmark_verdict import REFERENCE, gains, verdict
from experiments.reports.plots import new_figure, save_figures
from experiments.reports.policy_estimates import estimates_parts, rank_correlations
from experiments.reports.statistics import Interval
from experiments.reports.tables import table, text_cell
from seq2seq_env.atomic_files import write_json, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_benchmark(results: Results, out: Path) -> str:
    """Write the page of all results with its figures and ``benchmark.json``, and return the page's text.

    Args:
        results: Of one machine or several.
        out: Folder, made where missing.

    Raises:
        OSError: If it cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    config, cells, known = results.config, results.cells, results.datasets
    by_agent = _by_agent(cells)
    overall = {agent: _overall(own, by_agent.get(REFERENCE)) for agent, own in by_agent.items()}
    gained = gains(by_agent)
    order = sorted(overall, key=lambda agent: -overall[agent]["greedy"].value)
    figures: dict[str, Callable[[], Figure]] = {
        "scores.png": partial(_intervals, overall, order),
        "profiles.png": partial(_profiles, by_agent, order),
    }
    plots = save_figures(out, figures)
    improve, correlations = config["improve"], rank_correlations(results.policies)
    parts = [
        "# Offline RL on sequences: the benchmark",
        "Normalised true quality of test translations: 0 is that of the supervised policy's greedy translations, 100 "
        "that of right ones. It is the oracle's, and no agent, filter or choice of weights or learning rate sees it.",
        f"Every training has {improve['max_tokens']:,} gradient tokens, {improve['tokens_per_batch']:,} a batch. "
        f"Tuning: learning rates {_listed(config['learning_rates'])}, each a whole training of seed {config['seed']}, "
        "chosen for each agent and data set on the validation reward. The best weights are those with the highest "
        f"validation reward at one of {improve['max_tokens'] // improve['evaluate_every'] + 1} looks, those before the "
        "first step included. A seed is a whole run: supervised policy, order of batches, samples for measuring; the "
        "data sets are frozen.",
        "## Which wins",
        *verdict(gained, order),
        "## Over all data sets",
        "Interquartile means over data sets and seeds, with 95 % intervals by a bootstrap of seeds within each data "
        f"set; probability that a run is better than one of `{REFERENCE}`, greedily. Agents miss data sets that they "
        "cannot train on: the number is of those that they have.",
        _overall_table(overall, order),
        *(f"![{plot}]({plot})" for plot in plots),
        *(part for name, facts in known.items() for part in _of_dataset(name, facts, cells, order)),
        *estimates_parts(results.policies, correlations),
        *_left_out(results.left_out or {}),
    ]
    agents = {
        agent: {key: _plain(each) for key, each in (overall[agent] | gained[agent]._asdict()).items()}
        for agent in order
    }
    ranked = {
        estimator: {truth: _plain(each) for truth, each in by_truth.items()}
        for estimator, by_truth in correlations.items()
    }
    write_json(out / FILE, results.record() | {"agents": agents, "off_policy": ranked})
    text = "\n\n".join(parts) + "\n"
    write_text(out / "benchmark.md", text)
    return text


def _by_agent(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    agents: dict[str, list[Cell]] = {}
    for cell in cells:
        agents.setdefault(cell.agent, []).append(cell)
    return agents


def _scores(cells: Sequence[Cell], measure: str) -> Scores:
    return {cell.dataset: cell.scores(measure) for cell in cells}


def _overall(cells: Sequence[Cell], reference: Sequence[Cell] | None) -> dict[str, Any]:
    row: dict[str, Any] = {measure: estimate(interquartile_mean, _scores(cells, measure)) for measure in MEASURES}
    row["improvement"] = None
    own = _scores(cells, "greedy")
    if reference is not None and cells != reference:
        theirs = _scores(reference, "greedy")
        if own.keys() & theirs.keys():
            row["improvement"] = estimate(probability_of_improvement, own, theirs)
    return row | {"datasets": len(cells), "runs": sum(len(cell.runs) for cell in cells)}


def _overall_table(overall: Mapping[str, Mapping[str, Any]], order: Sequence[str]) -> str:
    head = ["agent", *MEASURES, f"P(better than {REFERENCE})", "data sets", "runs"]
    rows = []
    for agent in order:
        row = overall[agent]
        better = "-" if row["improvement"] is None else f"{row['improvement']:.2f}"
        scores = (f"{row[measure]:.1f}" for measure in MEASURES)
        rows.append([agent, *scores, better, str(row["datasets"]), str(row["runs"])])
    return table(head, rows)


def _of_dataset(name: str, facts: Mapping[str, str], cells: Sequence[Cell], order: Sequence[str]) -> list[str]:
    """Heading, status and table of one data set; nothing where no agent was trained on it."""
    own = sorted((cell for cell in cells if cell.dataset == name), key=lambda cell: order.index(cell.agent))
    if not own:
        return []
    bases = {run.seed: run.base for cell in own for run in cell.runs}
    hotter = [f"{cell.agent}, seed {run.seed}" for cell in own for run in cell.runs if not run.entropy_matched]
    failed = [f"{cell.agent}, seed {run.seed}" for cell in own for run in cell.runs if run.failed]
    rows = []
    for cell in own:
        scores = []
        for measure in MEASURES:
            values = cell.scores(measure)
            spread = f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else ""
            scores.append(f"{values.mean():.1f}{spread}")
        rows.append([
            cell.agent, *scores, f"{cell.learning_rate:g}", str(len(cell.runs)), f"{cell.mean('seconds'):.0f}",
            f"{cell.mean('cpu_seconds'):.0f}", f"{cell.mean('network_mib'):.0f}",
        ])  # fmt: skip
    head = ["agent", *MEASURES, "learning rate", "seeds", "seconds of a run", "CPU seconds", "networks, MiB"]
    return [
        f"## {name}",
        f"{facts['status'].capitalize()}. The supervised policies' greedy true quality is "
        f"{np.mean(list(bases.values())):.3f} on average of {len(bases)} seeds. Means over seeds, with standard "
        "deviations.",
        *_unmoved(own),
        *_at_edges(own),
        *([f"FAILED, and counted as the supervised policy: {'; '.join(failed)}."] if failed else []),
        *([f"NOT MATCHED: the supervised policy has less entropy than {'; '.join(hotter)}."] if hotter else []),
        table(head, rows),
    ]


def _unmoved(cells: Sequence[Cell]) -> list[str]:
    """Which agents kept the supervised policy, and have its scores for that reason."""
    kept = {cell.agent: [run.quality["greedy"] == run.base and not run.failed for run in cell.runs] for cell in cells}
    named = [f"{agent} in {sum(each)} of {len(each)} seeds" for agent, each in kept.items() if any(each)]
    return [f"No look was better than the start, whose greedy score is 0: {'; '.join(named)}."] if named else []


def _at_edges(cells: Sequence[Cell]) -> list[str]:
    """For which agents another learning rate, beyond those that were tried, may be better."""
    edges = {
        side: [cell.agent for cell in cells if len(cell.tried) > 1 and cell.learning_rate == edge(cell.tried)]
        for side, edge in (("lowest", min), ("highest", max))
    }
    return [f"The {side} learning rate was chosen for {', '.join(names)}." for side, names in edges.items() if names]


def _left_out(failures: Mapping[str, str]) -> list[str]:
    """Which trainings failed, and why."""
    if not failures:
        return []
    return ["## Left out", table(["training", "why"], ([name, text_cell(why)] for name, why in failures.items()))]


def _plain(value: Any) -> Any:
    return value._asdict() if isinstance(value, Estimate | Interval) else value


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _intervals(overall: Mapping[str, Mapping[str, Any]], order: Sequence[str]) -> Figure:
    """Interquartile mean of each agent with its interval, best and last weights."""
    figure = new_figure(7, 1 + 0.35 * len(order))
    axis = figure.subplots()
    for measure, color, shift in (("greedy", "C0", -0.12), ("greedy, last weights", "C1", 0.12)):
        estimates = [overall[agent][measure] for agent in order]
        errors = [[e.value - (e.value if e.low is None else e.low) for e in estimates],
                  [(e.value if e.high is None else e.high) - e.value for e in estimates]]  # fmt: skip
        places = np.arange(len(order)) + shift
        axis.errorbar([e.value for e in estimates], places, xerr=errors, fmt="o", color=color, capsize=3, label=measure)
    axis.set_yticks(range(len(order)), order)
    axis.invert_yaxis()
    axis.axvline(0, color="gray", linestyle=":")
    axis.set(xlabel="normalised true quality, interquartile mean", title="Over all data sets and seeds")
    axis.legend(fontsize=8)
    axis.grid(axis="x", alpha=0.3)
    return figure


def _profiles(by_agent: Mapping[str, Sequence[Cell]], order: Sequence[str]) -> Figure:
    """Share of runs above each score, greedily."""
    figure = new_figure(7, 4)
    axis = figure.subplots()
    scores = {agent: _scores(by_agent[agent], "greedy") for agent in order}
    every = np.concatenate([values for each in scores.values() for values in each.values()])
    thresholds = np.linspace(every.min() - 1, every.max() + 1, 200)
    for number, agent in enumerate(order):
        style = ("-", "--", ":")[number // 10 % 3]
        axis.plot(
            thresholds, performance_profile(scores[agent], thresholds), style, color=f"C{number % 10}", label=agent
        )
    axis.set(xlabel="normalised true quality, greedy", ylabel="share of runs above", title="Performance profiles")
    axis.legend(fontsize=7, ncols=2)
    axis.grid(alpha=0.3)
    return figure

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
from experiments.reports.benchmark_gaps import gaps, ranked
from experiments.reports.benchmark_results import FILE, Results
from experiments.reports.benchmark_verdict import REFERENCE, Gains, gains, verdict
from experiments.reports.plots import new_figure, save_figures
from experiments.reports.policy_estimates import distinct, estimates_parts, rank_correlations
from experiments.reports.seed_means import SeedMean
from experiments.reports.tables import Table, p_value, table, text_cell
from experiments.runs.commit import CHANGED
from experiments.runs.rows import Row
from seq2seq_env.atomic_files import write_json, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEW_RUNS = 10
"""Runs below which the bootstrap's interval of a probability of improvement is not of its level."""


def write_benchmark(results: Results, out: Path) -> str:
    """Write the page of all results with its figures and ``benchmark.json``, and return the page's text.

    Args:
        results: Of one machine or several.
        out: Folder, made where missing.

    Raises:
        OSError: If it cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    config, cells = results.config, results.cells
    every = _by_agent(cells)
    by_agent = ranked(every)
    gained = gains(by_agent)
    order = sorted(gained, key=lambda agent: -gained[agent].score.value)
    datasets = dict.fromkeys(cell.dataset for cell in cells)
    overall = {agent: _overall(own, by_agent.get(REFERENCE)) for agent, own in by_agent.items()}
    figures: dict[str, Callable[[], Figure]] = {}
    if order:
        figures["scores.png"] = partial(_intervals, gained, order)
    if order and len(datasets) > 1:
        figures["profiles.png"] = partial(_profiles, by_agent, order)
    plots = save_figures(out, figures)
    policies = distinct(results.policies)
    correlations = rank_correlations(policies)
    parts = [
        "# Offline RL on sequences: the benchmark",
        *verdict(gained, order),
        *gaps(every),
        "Scores are normalised true quality of test translations: 0 is that of the supervised policy's greedy "
        "translations, 100 that of right ones. It is the oracle's, and no agent, filter or choice of weights or "
        "learning rate sees it. Differences are within each seed, whose policies start alike, the mean of its data "
        "sets. Intervals are t intervals of 95 % over seeds, of these test sentences and these learning rates, and not "
        "corrected for their number; p-values are, where there are several data sets, for all together and for each.",
        *_budget(config, cells),
        *(_over_all(gained, overall, order, _seeds(cells)) if order and len(datasets) > 1 else []),
        *(f"![{plot}]({plot})" for plot in plots),
        *(part for name in datasets for part in _of_dataset(name, results.datasets[name], cells, len(datasets) > 1)),
        *estimates_parts(policies, correlations),
        *_left_out(results.left_out or {}),
    ]
    agents = {
        agent: {key: _plain(each) for key, each in (overall[agent] | gained[agent]._asdict()).items()}
        for agent in order
    }
    rank_of = {estimator: {of: _plain(each) for of, each in known.items()} for estimator, known in correlations.items()}
    write_json(out / FILE, results.record() | {"agents": agents, "off_policy": rank_of})
    text = "\n\n".join(parts) + "\n"
    write_text(out / "benchmark.md", text)
    return text


def _budget(config: Mapping[str, Any], cells: Sequence[Cell]) -> list[str]:
    """What every training had, and which code trained."""
    improve = config["improve"]
    valued: dict[int, list[str]] = {}
    for agent, tokens in {
        cell.agent: run.value_tokens for cell in cells for run in cell.runs if run.value_tokens
    }.items():
        valued.setdefault(tokens, []).append(agent)
    before = "; ".join(
        f"before it {tokens:,} of a value network for {', '.join(each)}" for tokens, each in valued.items()
    )
    commits = sorted({_short(run.commit) for cell in cells for run in cell.runs})
    return [
        f"Every training has {improve['max_tokens']:,} gradient tokens of the policy, {improve['tokens_per_batch']:,} "
        f"a batch{f', and {before}' if before else ''}. Learning rates: {_listed(config['learning_rates'])}, each a "
        f"whole training of seed {config['seed']}, chosen for each agent and data set on the validation reward, of one "
        "sample a source. The best weights are those with the highest validation reward at one of "
        f"{improve['max_tokens'] // improve['evaluate_every'] + 1} looks, those before the first step included. "
        f"Trained at {', '.join(commits)}."
    ]


def _short(commit: str) -> str:
    """A commit's first letters, and that it was not what ran."""
    return commit[:7] + (CHANGED if commit.endswith(CHANGED) else "")


def _by_agent(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    agents: dict[str, list[Cell]] = {}
    for cell in cells:
        agents.setdefault(cell.agent, []).append(cell)
    return agents


def _seeds(cells: Sequence[Cell]) -> int:
    return len({run.seed for cell in cells for run in cell.runs})


def _scores(cells: Sequence[Cell], measure: str) -> Scores:
    return {cell.dataset: cell.scores(measure) for cell in cells}


def _overall(cells: Sequence[Cell], reference: Sequence[Cell] | None) -> dict[str, Any]:
    """Aggregates as rliable has them."""
    row: dict[str, Any] = {measure: estimate(interquartile_mean, _scores(cells, measure)) for measure in MEASURES}
    row["improvement"] = None
    own = _scores(cells, "greedy")
    if reference is not None and cells != reference:
        theirs = _scores(reference, "greedy")
        if own.keys() & theirs.keys():
            row["improvement"] = known = estimate(probability_of_improvement, own, theirs)
            if min(sum(map(len, each.values())) for each in (own, theirs)) < FEW_RUNS:
                row["improvement"] = known._replace(low=None, high=None)
    return row


def _over_all(
    known: Mapping[str, Gains], overall: Mapping[str, Mapping[str, Any]], order: Sequence[str], seeds: int
) -> list[str]:
    head = ["agent", *(f"{measure}, IQM" for measure in MEASURES), f"P(better than {REFERENCE})", "runs"]
    rows = []
    for agent in order:
        row = overall[agent]
        better = "-" if row["improvement"] is None else f"{row['improvement']:.2f}"
        scores = (f"{row[measure]:.1f}" for measure in MEASURES)
        rows.append([agent, *scores, better, str(known[agent].runs)])
    return [
        "## Over all data sets",
        *_fewer_entropies(known, order),
        _table(known, order, seeds),
        "Interquartile means over data sets and seeds, with intervals by a bootstrap of seeds within each data set, "
        f"which is a little too narrow for a handful; probability that a run is better than one of `{REFERENCE}`, "
        f"greedily, without an interval below {FEW_RUNS} runs.",
        table(head, rows),
    ]


def _fewer_entropies(known: Mapping[str, Gains], order: Sequence[str]) -> list[str]:
    """Whose seeds are left out at equal entropy, over all data sets, because one of their runs was not matched."""
    fewer = [agent for agent in order if _count(known[agent].entropy) < _count(known[agent].score)]
    if not fewer:
        return []
    return [f"NOT MATCHED on some data set, so that the whole seed is left out at equal entropy: {', '.join(fewer)}."]


def _count(mean: SeedMean | None) -> int:
    """Of its seeds."""
    return 0 if mean is None else len(mean.by_seed)


def _table(known: Mapping[str, Gains], order: Sequence[str], seeds: int) -> Table:
    """Means of each agent.

    Args:
        known: By agent.
        order: Of the rows.
        seeds: How many there are; what is of fewer says of how many.
    """

    def mean(of: SeedMean | None, spec: str) -> str:
        count = _count(of)
        fewer = f" ({count} seed{'s' if count > 1 else ''})" if count < seeds else ""
        return "-" if of is None else f"{of:{spec}}{fewer}"

    head = ["agent", "trains on", "greedy", f"less {REFERENCE}", "p, corrected", "last weights",
            "samples, less the start's at equal entropy", "kept the start"]  # fmt: skip
    rows = []
    for agent in order:
        each = known[agent]
        against = each.reference
        rows.append([
            agent, _trains_on(agent), mean(each.score, ".1f"), mean(against, "+.1f"),
            "-" if against is None or against.p is None else p_value(against.p), mean(each.last, ".1f"),
            mean(each.entropy, "+.1f"),
            f"{each.kept} of {each.runs}{f', {each.failed} failed' if each.failed else ''}",
        ])  # fmt: skip
    return table(head, rows)


def _trains_on(agent: str) -> str:
    try:
        return Row.of(agent).trains_on
    except ValueError:  # of a file that another version wrote, or that is wrong
        return "-"


def _of_dataset(name: str, facts: Mapping[str, str], cells: Sequence[Cell], is_one_of_several: bool) -> list[str]:
    """Heading, status and tables of one data set, and who wins there where the page has begun with all of them."""
    own = [cell for cell in cells if cell.dataset == name]
    known = gains(_by_agent(own))
    own.sort(key=lambda cell: -known[cell.agent].score.value)
    bases = {run.seed: run.base for cell in own for run in cell.runs}
    hotter = [f"{cell.agent}, seed {run.seed}" for cell in own for run in cell.runs if not run.entropy_matched]
    failed = [f"{cell.agent}, seed {run.seed}" for cell in own for run in cell.runs if run.failed]
    head = ["agent", "learning rate", "seeds", "seconds of training", "seconds, all measured", "CPU seconds",
            "networks, MiB"]  # fmt: skip
    costs = (
        [
            cell.agent, f"{cell.learning_rate:g}", str(len(cell.runs)),
            *(f"{cell.mean(each):.0f}" for each in ("training_seconds", "seconds", "cpu_seconds", "network_mib")),
        ]
        for cell in own
    )  # fmt: skip
    return [
        f"## {name}",
        f"{facts['status'][:1].upper()}{facts['status'][1:]}. The supervised policies' greedy true quality is "
        f"{np.mean(list(bases.values())):.3f} on average of {len(bases)} seeds.",
        *([f"FAILED, and counted as the supervised policy: {'; '.join(failed)}."] if failed else []),
        *([f"NOT MATCHED, and left out there: the supervised policy has less entropy than {'; '.join(hotter)}."]
          if hotter else []),
        *(verdict(known, [cell.agent for cell in own]) if is_one_of_several else []),
        _table(known, [cell.agent for cell in own], _seeds(cells)),
        *_at_edges(own),
        table(head, costs),
    ]  # fmt: skip


def _at_edges(cells: Sequence[Cell]) -> list[str]:
    """For which agents another learning rate, beyond those that were tried, may be better."""
    chosen = [cell for cell in cells if len(set(cell.tried.values())) > 1]
    edges = {
        side: [cell.agent for cell in chosen if cell.learning_rate == edge(cell.tried)]
        for side, edge in (("lowest", min), ("highest", max))
    }
    alike = [cell.agent for cell in cells if len(cell.tried) > 1 and cell not in chosen]
    return [
        *(f"The {side} learning rate was chosen for {', '.join(names)}." for side, names in edges.items() if names),
        *([f"No learning rate was better than another, so that the lowest was taken, for {', '.join(alike)}."]
          if alike else []),
    ]  # fmt: skip


def _left_out(failures: Mapping[str, str]) -> list[str]:
    """Which trainings failed, and why."""
    if not failures:
        return []
    return ["## Left out", table(["training", "why"], ([name, text_cell(why)] for name, why in failures.items()))]


def _plain(value: Any) -> Any:
    return value._asdict() if isinstance(value, Estimate | SeedMean) else value


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _intervals(known: Mapping[str, Gains], order: Sequence[str]) -> Figure:
    """Mean of each agent with its interval, best and last weights."""
    figure = new_figure(7, 1 + 0.35 * len(order))
    axis = figure.subplots()
    for label, color, shift in (("score", "C0", -0.12), ("last", "C1", 0.12)):
        means: list[SeedMean] = [getattr(known[agent], label) for agent in order]
        errors = [[0.0 if mean.low is None else mean.value - mean.low for mean in means],
                  [0.0 if mean.high is None else mean.high - mean.value for mean in means]]  # fmt: skip
        places = np.arange(len(order)) + shift
        values, weights = [mean.value for mean in means], "best weights" if label == "score" else "last weights"
        axis.errorbar(values, places, xerr=errors, fmt="o", color=color, capsize=3, label=weights)
    axis.set_yticks(range(len(order)), order)
    axis.invert_yaxis()
    axis.axvline(0, color="gray", linestyle=":")
    axis.set(xlabel="normalised true quality, greedy; 0 is the supervised policy", title="Means over seeds")
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
    axis.legend(fontsize=7, ncols=2, loc="upper left", bbox_to_anchor=(1.01, 1))
    axis.grid(alpha=0.3)
    return figure

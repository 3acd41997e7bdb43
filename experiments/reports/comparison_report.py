"""The report of a comparison: comparison.json, comparison.md and plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from experiments.reports.claims import (
    beats_supervised,
    best_loss,
    claims_table,
    order_by_quality,
    second_grow,
    value_rank,
)
from experiments.reports.comparison import holm, interval, paired_p, stack
from experiments.reports.plots import TITLES, new_figure, save_figures
from experiments.runs.run_folder import RunFolder, write_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEASURES = {"reward": "rewards", "oracle": "qualities", "judge": "judgements"}
"""Means and the values by source that they are of; a run may have neither oracle nor judge."""

REFERENCE = "filtered-bc"
"""Against which costs, and what an algorithm adds to the filtered data, are measured."""


@dataclass(frozen=True)
class Entry:
    """All seeds of one agent on one kind of data, after its last Improve step.

    Attributes:
        agent: Its name.
        data: "own" or "filtered".
        steps: The last step of each seed.
        prepare_seconds: Mean time before the first Improve step.
    """

    agent: str
    data: str
    steps: list[dict[str, Any]]
    prepare_seconds: float

    @property
    def name(self) -> str:
        """As tables and plots show it."""
        return self.agent if self.data == "own" else f"{self.agent} ({self.data} data)"

    def by_source(self, key: str) -> NDArray[np.float64]:
        """float64 [R,N]."""
        return stack([step[key] for step in self.steps])

    def mean(self, key: str) -> float:
        """Mean over seeds of a number."""
        return float(np.mean([step[key] for step in self.steps]))

    def spread(self, key: str) -> float:
        """Standard deviation over seeds, 0 for one."""
        return float(np.std([step[key] for step in self.steps], ddof=1)) if len(self.steps) > 1 else 0.0


def write_comparison(
    run: RunFolder, baseline: str, stages: Sequence[str], references: Sequence[str], runs: Sequence[Path] = ()
) -> None:
    """Gather every finished training into the report.

    Args:
        run: Its folder.
        baseline: The supervised policy's stage.
        stages: The trainings'.
        references: Of the test sources.
        runs: Folders of growing_batch.py that tell what a second Grow step adds.
    """
    base = run.result(baseline)
    results = [run.result(stage) for stage in stages]
    entries = _entries(results)
    rows = {entry.name: _row(entry, base) for entry in entries}
    for key in MEASURES:
        corrected = holm({name: row[f"{key}_p"] for name, row in rows.items() if row.get(f"{key}_p") is not None})
        for name, p in corrected.items():
            rows[name][f"{key}_p"] = p
    same_data = _same_data(entries)
    bleu = _paired_bleu(entries, base, references)
    for name, found in bleu.items():
        rows[name] |= found
    reports = [result["value_report"] for result in results if result["value_report"]]
    claims = [
        second_grow(runs), beats_supervised(rows), best_loss(same_data), *order_by_quality(rows), value_rank(reports)
    ]  # fmt: skip
    summary = {
        "config": run.config,
        "baseline": _brief(base),
        "agents": rows,
        "same_data": same_data,
        "claims": [claim._asdict() for claim in claims],
    }
    write_json(run.path / "comparison.json", summary | run.result("usage"))
    figures = {"bars.png": partial(_bars, rows, base), "curves.png": partial(_curves, entries)}
    for measure in ("oracle", "judge"):
        if measure in _measured(base):
            figures[f"reward_{measure}.png"] = partial(_scatter, entries, base, measure)
    plots = save_figures(run.path, figures)
    seeds = [len(entry.steps) for entry in entries]
    counts = str(seeds[0]) if len(set(seeds)) == 1 else f"{min(seeds)} to {max(seeds)}"
    trainings = f"{counts} {'seed' if max(seeds) == 1 else 'seeds'}"
    parts = [
        f"# Offline-RL agents on {run.config['task']}",
        f"{trainings}, {base['sources']} test sources. Means with 95 % bootstrap intervals over seeds and sources; "
        "p against the supervised policy: Wilcoxon signed-rank over sources, corrected by Holm.",
        _agent_table(rows, base),
        "## What the algorithm adds to the data",
        f"Each agent on exactly the slice that `{REFERENCE}` sees, less `{REFERENCE}`: mean difference over sources.",
        _same_data_table(same_data, _measured(base)),
        "## Claims of the paper",
        'Verdicts on gains and differences by 95 % intervals, "open" where one includes 0; on orders and rank '
        "correlations by their values.",
        claims_table(claims),
        "## Cost",
        _cost_table(rows),
        "## Plots",
        *(f"![{file}]({file})" for file in plots),
    ]
    (run.path / "comparison.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print("\n\n".join(parts[2:-2]))


def _entries(results: Sequence[Mapping[str, Any]]) -> list[Entry]:
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for result in results:
        groups.setdefault((result["agent"], result["data"]), []).append(result)
    return [
        Entry(agent, data, [r["steps"][-1] for r in found], float(np.mean([r["prepare_seconds"] for r in found])))
        for (agent, data), found in groups.items()
    ]


def _row(entry: Entry, base: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"seeds": len(entry.steps)}
    for key, values in (*MEASURES.items(), ("greedy_oracle", "greedy_qualities")):
        if base.get(values) is None:
            continue
        found, before = entry.by_source(values), np.array(base[values])
        row[key] = interval(found)
        row[f"{key}_gain"] = interval(found - before)
        row[f"{key}_p"] = paired_p(found, before)
    for key in ("bleu", "chrf", "kl", "length_ratio", "seconds", "tokens", "network_mib"):
        row[key], row[f"{key}_sd"] = entry.mean(key), entry.spread(key)
    row["prepare_seconds"] = entry.prepare_seconds
    return row


def _same_data(entries: Sequence[Entry]) -> dict[str, dict[str, Any]]:
    """Differences from :data:`REFERENCE` of the agents that saw what it saw."""
    reference = next((entry for entry in entries if entry.agent == REFERENCE), None)
    if reference is None:
        return {}
    from agents import agent_class

    found: dict[str, dict[str, Any]] = {}
    for entry in entries:
        if entry is reference or not (entry.data == "filtered" or agent_class(entry.agent).filters):
            continue
        found[entry.name] = {}
        for key, values in MEASURES.items():
            if entry.steps[0].get(values) is None:
                continue
            count = min(len(entry.steps), len(reference.steps))
            mine, theirs = entry.by_source(values)[:count], reference.by_source(values)[:count]
            found[entry.name] |= {key: interval(mine - theirs), f"{key}_p": paired_p(mine, theirs)}
    for key in MEASURES:
        corrected = holm({name: row[f"{key}_p"] for name, row in found.items() if f"{key}_p" in row})
        for name, p in corrected.items():
            found[name][f"{key}_p"] = p
    return found


def _paired_bleu(
    entries: Sequence[Entry], base: Mapping[str, Any], references: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Sacrebleu's paired bootstrap of greedy BLEU and chrF against the supervised policy, seeds end to end."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.significance import PairedTest

    found: dict[str, dict[str, float]] = {}
    for entry in entries:
        count = len(entry.steps)
        if all(step["greedy_texts"] == base["greedy_texts"] for step in entry.steps):
            # The bootstrap of a difference that is always 0 calls it significant.
            found[entry.name] = {"bleu_p": 1.0, "chrf_p": 1.0}
            continue
        systems = [
            ("supervised", base["greedy_texts"] * count),
            (entry.name, [text for step in entry.steps for text in step["greedy_texts"]]),
        ]
        repeated = [list(references) * count]
        metrics: Any = {"BLEU": BLEU(references=repeated), "chrF": CHRF(references=repeated)}
        _, scores = PairedTest(systems, metrics, None, test_type="bs", n_samples=1000)()
        results: list[Any] = [each[1] for name, each in scores.items() if name != "System"]
        found[entry.name] = {
            key: float(result.p_value) for key, result in zip(("bleu_p", "chrf_p"), results, strict=True)
        }
    return found


def _brief(base: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in base.items() if not isinstance(value, list)}


def _measured(base: Mapping[str, Any]) -> list[str]:
    return [key for key, values in MEASURES.items() if base.get(values) is not None]


def _agent_table(rows: Mapping[str, dict[str, Any]], base: Mapping[str, Any]) -> str:
    measures = _measured(base)
    columns = ["agent"]
    for key in measures:
        columns += [key, "gain", "p"]
    columns += ["greedy BLEU (p)", "greedy chrF (p)", "KL from BC, nats", "length ratio"]
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    before = " ".join(f"| {base[key]:.3f} | |" for key in measures)
    lines.append(
        f"| supervised BC {before} | {base['bleu']:.1f} | {base['chrf']:.1f} | 0 | {base['length_ratio']:.3f} |"
    )
    for name, row in rows.items():
        cells = [name]
        for key in measures:
            cells += [str(row[key]), f"{row[f'{key}_gain']:+.3f}", _p(row[f"{key}_p"])]
        cells += [f"{row[key]:.1f} ± {row[f'{key}_sd']:.1f} ({_p(row[f'{key}_p'])})" for key in ("bleu", "chrf")]
        cells += [f"{row['kl']:.2f}", f"{row['length_ratio']:.3f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _same_data_table(found: Mapping[str, dict[str, Any]], measures: Sequence[str]) -> str:
    heads = " ".join(f"| {key} | p" for key in measures)
    lines = [f"| agent {heads} |", "|---|" + "---|---|" * len(measures)]
    for name, row in found.items():
        cells = [name]
        for key in measures:
            cells += [f"{row[key]:+.3f}", _p(row[f"{key}_p"])]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cost_table(rows: Mapping[str, dict[str, Any]]) -> str:
    head = f"| agent | seconds per 100,000 gradient tokens | ratio to {REFERENCE} | seconds before | networks, MiB |"
    lines = [head, "|---|---|---|---|---|"]
    speed = {name: row["seconds"] / max(1.0, row["tokens"]) * 1e5 for name, row in rows.items()}
    for name, row in rows.items():
        ratio = f"{speed[name] / speed[REFERENCE]:.2f}" if speed.get(REFERENCE) else "-"
        lines.append(
            f"| {name} | {speed[name]:.1f} | {ratio} | {row['prepare_seconds']:.1f} | {row['network_mib']:.0f} |"
        )
    return "\n".join(lines)


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _bars(rows: Mapping[str, dict[str, Any]], base: Mapping[str, Any]) -> Figure:
    """Reward, oracle and judge of samples with their intervals; the supervised policy as a line."""
    measures = _measured(base)
    figure = new_figure(5.5 * len(measures), 0.6 + 0.4 * max(4, len(rows)))
    for axis, key in zip(np.atleast_1d(figure.subplots(1, len(measures), sharey=True)), measures, strict=True):
        names = list(rows)[::-1]
        found = [rows[name][key] for name in names]
        errors = [[f.mean - f.low for f in found], [f.high - f.mean for f in found]]
        axis.barh(names, [f.mean for f in found], xerr=errors, color="C0", alpha=0.7, capsize=3)
        axis.axvline(base[key], color="gray", linestyle=":", label="supervised BC")
        low = min([base[key], *(f.low for f in found)])
        axis.set_xlim(left=max(0.0, low - 0.05))
        axis.set_title(TITLES[key])
        axis.grid(axis="x", alpha=0.3)
    axis.legend(fontsize=8)
    return figure


def _scatter(entries: Sequence[Entry], base: Mapping[str, Any], measure: str) -> Figure:
    """One point a seed; above the diagonal's direction the scorer is being fooled."""
    figure = new_figure(6, 5)
    axis = figure.subplots()
    axis.plot(base[measure], base["reward"], "k*", markersize=12, label="supervised BC")
    for number, entry in enumerate(entries):
        points = [(step[measure], step["reward"]) for step in entry.steps]
        axis.plot(*zip(*points, strict=True), "o", color=f"C{number % 10}", alpha=0.8, label=entry.name)
    axis.legend(fontsize=8)
    axis.set(xlabel=TITLES[measure], ylabel="learned reward", title=f"Reward against {measure}, by agent")
    axis.grid(alpha=0.3)
    return figure


def _curves(entries: Sequence[Entry]) -> Figure:
    """Validation reward over gradient tokens of the last Improve step, one line a seed."""
    figure = new_figure(7, 4)
    axis = figure.subplots()
    for number, entry in enumerate(entries):
        for seed, step in enumerate(entry.steps):
            tokens, rewards = zip(*step["curve"], strict=True)
            axis.plot(tokens, rewards, color=f"C{number % 10}", alpha=0.7, label=entry.name if seed == 0 else None)
    axis.set(xlabel="gradient tokens", ylabel="validation reward", title="Learning curves")
    axis.legend(fontsize=8)
    axis.grid(alpha=0.3)
    return figure

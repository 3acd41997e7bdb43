"""The report of a comparison: comparison.json, comparison.md and plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.reports.claims import (
    beats_supervised,
    best_loss,
    claims_table,
    order_by_quality,
    second_grow,
    value_rank,
)
from experiments.reports.comparison_entry import MEASURES, Entry, measured_on
from experiments.reports.comparison_plots import save_comparison_plots
from experiments.reports.corpus_scores import bleu, bleu_statistics, chrf, chrf_statistics, pseudo_values
from experiments.reports.statistics import holm, interval
from experiments.reports.tables import number, p_value, table
from experiments.runs.run_folder import RunFolder, write_json

REFERENCE = "filtered-bc"
"""Against which costs, and what an algorithm adds to the filtered data, are measured."""


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
    _correct(rows)
    same_data = _same_data(entries)
    for entry in entries:
        rows[entry.name] |= _corpus_p(entry, base, references)
    reports = [result["value_report"] for result in results if result["value_report"]]
    claims = [
        second_grow(runs),
        beats_supervised(rows),
        best_loss(same_data),
        *order_by_quality(rows, entries),
        value_rank(reports),
    ]
    summary = {
        "config": run.config,
        "baseline": _brief(base),
        "agents": rows,
        "same_data": same_data,
        "claims": [claim._asdict() for claim in claims],
    }
    write_json(run.path / "comparison.json", summary | run.result("usage"))
    plots = save_comparison_plots(run.path, rows, entries, base)
    seeds = [len(entry.steps) for entry in entries]
    counts = str(seeds[0]) if len(set(seeds)) == 1 else f"{min(seeds)} to {max(seeds)}"
    trainings = f"{counts} {'seed' if max(seeds) == 1 else 'seeds'}"
    parts = [
        f"# Offline-RL agents on {run.config['task']}",
        f"{trainings}, {base['sources']} test sources. Means with 95 % t intervals over seeds and sources, "
        "crossed; p against the supervised policy, of reward, oracle and judge corrected by Holm.",
        _agent_table(rows, base),
        "## What the algorithm adds to the data",
        f"Each agent on exactly the slice that `{REFERENCE}` sees, less `{REFERENCE}`: mean difference over sources.",
        _same_data_table(same_data, measured_on(base)),
        "## Claims of the paper",
        "Verdicts at the 5 % level, corrected by Holm where one agent of several decides; on the order by the "
        "bootstrap; on rank correlations by their values.",
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
        Entry(agent, data, [r["steps"][-1] for r in group], float(np.mean([r["prepare_seconds"] for r in group])))
        for (agent, data), group in groups.items()
    ]


def _row(entry: Entry, base: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"seeds": len(entry.steps)}
    for key, values in (*MEASURES.items(), ("greedy_oracle", "greedy_qualities")):
        if base.get(values) is None:
            continue
        after, before = entry.by_source(values), np.array(base[values])
        row[key] = interval(after)
        row[f"{key}_gain"] = gain = interval(after - before)
        row[f"{key}_p"] = gain.p
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

    differences: dict[str, dict[str, Any]] = {}
    for entry in entries:
        if entry is reference or not (entry.data == "filtered" or agent_class(entry.agent).filters):
            continue
        differences[entry.name] = {}
        for key, values in MEASURES.items():
            if entry.steps[0].get(values) is None:
                continue
            count = min(len(entry.steps), len(reference.steps))
            mine, theirs = entry.by_source(values)[:count], reference.by_source(values)[:count]
            difference = interval(mine - theirs)
            differences[entry.name] |= {key: difference, f"{key}_p": difference.p}
    _correct(differences)
    return differences


def _correct(rows: Mapping[str, dict[str, Any]]) -> None:
    """Each measure's p-values corrected for the number of agents, in place."""
    for key in (f"{measure}_p" for measure in MEASURES):
        for name, p in holm({name: row[key] for name, row in rows.items() if key in row}).items():
            rows[name][key] = p


def _corpus_p(entry: Entry, base: Mapping[str, Any], references: Sequence[str]) -> dict[str, float]:
    """Tests of greedy BLEU and chrF against the supervised policy, by what each source adds to the corpus score."""
    p_values = {}
    for name, statistics, score in (("bleu_p", bleu_statistics, bleu), ("chrf_p", chrf_statistics, chrf)):
        before, *after = (
            pseudo_values(statistics(texts, references), score)
            for texts in (base["greedy_texts"], *(step["greedy_texts"] for step in entry.steps))
        )
        p_values[name] = interval(np.stack(after) - before).p
    return p_values


def _brief(base: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in base.items() if not isinstance(value, list)}


def _agent_table(rows: Mapping[str, dict[str, Any]], base: Mapping[str, Any]) -> str:
    measures = measured_on(base)
    columns = ["agent", *(column for key in measures for column in (key, "gain", "p"))]
    columns += ["greedy BLEU (p)", "greedy chrF (p)", "KL from BC, nats", "length ratio"]
    cells = [["supervised BC", *(cell for key in measures for cell in (number(base[key]), "", ""))]]
    cells[0] += [f"{base['bleu']:.1f}", f"{base['chrf']:.1f}", "0", number(base["length_ratio"])]
    for name, row in rows.items():
        cells.append([name])
        for key in measures:
            cells[-1] += [str(row[key]), f"{row[f'{key}_gain']:+.3f}", p_value(row[f"{key}_p"])]
        for key in ("bleu", "chrf"):
            cells[-1].append(f"{row[key]:.1f} ± {row[f'{key}_sd']:.1f} ({p_value(row[f'{key}_p'])})")
        cells[-1] += [f"{row['kl']:.2f}", number(row["length_ratio"])]
    return table(columns, cells)


def _same_data_table(differences: Mapping[str, dict[str, Any]], measures: Sequence[str]) -> str:
    return table(
        ["agent", *(column for key in measures for column in (key, "p"))],
        ([name, *(cell for key in measures for cell in (f"{row[key]:+.3f}", p_value(row[f"{key}_p"])))]
         for name, row in differences.items()),
    )  # fmt: skip


def _cost_table(rows: Mapping[str, dict[str, Any]]) -> str:
    speed = {name: row["seconds"] / max(1.0, row["tokens"]) * 1e5 for name, row in rows.items()}
    reference = speed.get(REFERENCE)
    return table(
        ["agent", "seconds per 100,000 gradient tokens", f"ratio to {REFERENCE}", "seconds before", "networks, MiB"],
        ([name, f"{speed[name]:.1f}", f"{speed[name] / reference:.2f}" if reference else "-",
          f"{row['prepare_seconds']:.1f}", f"{row['network_mib']:.0f}"] for name, row in rows.items()),
    )  # fmt: skip

"""The report of a comparison: comparison.json, results.md, report.html and plots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
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
from experiments.reports.comparison_entry import COLUMNS, Entry, agent_entry, equal_entropy_entry, supervised_entry
from experiments.reports.comparison_interference import agent_interference
from experiments.reports.comparison_page import write_comparison_page
from experiments.reports.comparison_plots import save_comparison_plots
from experiments.reports.corpus_scores import CORPUS_SCORES, pseudo_values
from experiments.reports.guard_counts import RunGuards
from experiments.reports.statistics import holm, interval, sums_by_source
from experiments.reports.tables import number, p_value, table
from experiments.runs.run_folder import RunFolder
from seq2seq_env.atomic_files import write_json, write_text

REFERENCE = "filtered-bc"
"""Against which costs, and what an objective is worth, are measured."""

Rows = dict[str, dict[str, Any]]
"""By name of an agent, what is known of it; intervals and p-values by column."""


def write_comparison(
    folder: RunFolder,
    runs: Mapping[int, RunFolder],
    stages: Sequence[str],
    references: Sequence[str],
    grown: Sequence[Path] = (),
    guards: RunGuards | None = None,
    related: bool | None = None,
) -> None:
    """Gather every finished training into the report.

    Args:
        folder: Of the comparison.
        runs: Of its seeds.
        stages: Names of all trainings that a seed may have.
        references: Of the test sources.
        grown: Folders of growing_batch.py that tell what a second Grow step adds.
        guards: Rules by which translations are counted; None counts nothing.
        related: Whether the judge is of the scorer's make; None where there is no judge.
    """
    base = supervised_entry(runs)
    known = {stage: entry for stage in stages if (entry := agent_entry(runs, stage)) is not None}
    entries = list(known.values())
    columns = [column for column in COLUMNS if base.has(column)]
    greedy, sampled = ([each for each in columns if each.startswith(decode)] for decode in ("greedy", "sample"))
    rows: Rows = {entry.name: _measures(entry, columns) for entry in entries}
    for name, gains in _differences([(entry, base) for entry in entries], columns, "_gain").items():
        rows[name] |= gains
    for entry in entries:
        rows[entry.name] |= _corpus_p(entry, base, references)
    reference = next((entry for entry in entries if entry.name == REFERENCE), None)
    others = [(entry, reference) for entry in entries if reference is not None and entry is not reference]
    against = _differences(others, columns)
    distinct = folder.config["distinct"]
    sliced = {entry.name for entry in entries if entry.saw_the_slice(distinct=distinct)}
    # Which lacks what has no seed in common with filtered-bc.
    same_data = {name: row for name, row in against.items() if name in sliced}
    equal = [(entry, equal_entropy_entry(runs, stage, entry)) for stage, entry in known.items()]
    at_entropy = _differences(equal, sampled)
    for entry, control in equal:
        at_entropy[entry.name] |= {key: control.mean(key) for key in ("temperature", "nats")}
        at_entropy[entry.name] |= {f"{column}_supervised": float(control.values(column).mean()) for column in sampled}
    records = [record for entry in entries for record in entry.records.values()]
    objectives = [entry for entry in entries if "filter" not in _first(entry)]  # another filter is no other objective
    own = {entry.name: rows[entry.name] for entry in objectives}
    claims = [
        second_grow(grown),
        beats_supervised(own),
        best_loss(same_data),
        *order_by_quality(own, objectives),
        value_rank([record["value_report"] for record in records if record["value_report"]]),
    ]
    seen = agent_interference(entries, base, guards, related)
    summary = {
        "config": folder.config,
        "baseline": {key: base.mean(key) for key, value in _first(base).items() if _is_number(value)},
        "agents": rows,
        f"against_{REFERENCE}": against,
        "same_data": same_data,
        "equal_entropy": at_entropy,
        "claims": [claim._asdict() for claim in claims],
        **seen.record(),
    }
    write_json(folder.path / "comparison.json", summary | folder.result("usage"))
    plots = save_comparison_plots(folder.path, rows, entries, base)
    parts = [
        f"# Offline-RL agents on {folder.config['task']}",
        winner(rows, {name: row for name, row in against.items() if name in own}, len(against)),
        *seen.sentence(),
        *_one_policy(records),
        *_untrained(entries),
        *_missing(entries, base),
        f"{_seeds(entries)}, {len(references)} test sources; all numbers in comparison.json. A seed is a whole run: "
        "supervised policy, samples and order of batches. Means with 95 % t intervals over runs and sources, crossed; "
        "p corrected by Holm for the number of agents, but for BLEU, chrF and TER, of which less is better.",
        "## Greedy translations",
        "The gain is that over the supervised policy of the same seed.",
        _greedy_table(rows, base, greedy),
        f"## Against {REFERENCE}",
        f"Mean difference over sources. On the same data are {', '.join(same_data) or 'none'}: there the objective "
        "alone differs.",
        _difference_table(against, columns),
        "## Samples",
        "At the Grow temperature. Lower entropy alone raises them: see the next table.",
        _sample_table(rows, base, sampled),
        "## Samples at equal entropy",
        "Each agent's, beside those of the supervised policy, not trained further, at the temperature that gives it "
        "the agent's entropy.",
        *_not_matched(equal),
        _entropy_table(rows, at_entropy, sampled),
        *seen.parts(),
        "## Claims of the paper",
        "By samples at the Grow temperature. Verdicts at the 5 % level, corrected by Holm where one agent of several "
        "decides; on the order by the bootstrap; on rank correlations by their values.",
        claims_table(claims),
        "## Cost",
        _cost_table(rows),
        "## Plots",
        *(f"![{file}]({file})" for file in plots),
    ]
    write_text(folder.path / "results.md", "\n\n".join(parts) + "\n")
    write_comparison_page(folder, parts, entries, base, rows)
    print("\n\n".join(parts[1 : parts.index("## Cost")]))


def winner(rows: Rows, against: Rows, tests: int) -> str:
    """A sentence: which objectives win against filtered behaviour cloning, greedily, by the best measure there is.

    Args:
        rows: Intervals of each agent.
        against: Differences from filtered behaviour cloning, with corrected p-values.
        tests: For how many they are corrected, agents on other filters' data included.
    """
    if not against:
        return f"No objective is held against {REFERENCE}: it and another agent are needed."
    column = next(column for column in COLUMNS if column in rows[REFERENCE])
    shown = {name: each for name, each in against.items() if each[f"{column}_p"] < 0.05}
    won = [name for name, each in shown.items() if each[column].low > 0]
    lost = len(shown) == len(against) and all(each[column].high < 0 for each in shown.values())
    # By differences, which are of the seeds that both have; a mean may be the highest by its seeds.
    won.sort(key=lambda name: -against[name][column].mean)
    best = won[0] if won else max(against, key=lambda name: against[name][column].mean)
    difference, corrected = against[best][column], against[best][f"{column}_p"]
    if won:
        others = f", most of them `{best}`," if len(won) > 1 else ""
        verdict = f"{', '.join(f'`{name}`' for name in won)}{others} win{'' if others else 's'} against `{REFERENCE}`"
    elif lost:
        verdict = f"`{REFERENCE}` wins against every other objective, of which `{best}` is the best"
    else:
        verdict = f"NOT SHOWN that any objective wins against `{REFERENCE}`; the best of the others is `{best}`"
    # Where one lacks seeds that the other has, their means would not differ by the difference.
    means = (
        f"{rows[best][column].mean:.3f} against {rows[REFERENCE][column].mean:.3f}, "
        if rows[best]["seeds"] == rows[REFERENCE]["seeds"]
        else ""
    )
    return (
        f"Greedily: {verdict}. {COLUMNS[column].capitalize()} {means}{difference:+.3f}, p {p_value(corrected)} "
        f"corrected for {tests}."
    )


def _one_policy(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """A warning where seeds are no whole runs."""
    starts = [record["start"] for record in records]
    if len(records) < 2 or len({record["seed"] for record in records}) < 2 or len(set(starts)) > 1:
        return []
    return ["All seeds start from one and the same policy: the intervals say nothing of other policies."]


def _untrained(entries: Sequence[Entry]) -> list[str]:
    """A warning where an agent had no data, and is the supervised policy still."""
    names = [entry.name for entry in entries if any(not record["tokens"] for record in entry.records.values())]
    return [f"WARNING: the filter kept nothing to train on for {', '.join(names)}."] if names else []


def _missing(entries: Sequence[Entry], base: Entry) -> list[str]:
    """A warning where trainings were left out: means are then of other seeds."""
    lacking = {entry.name: sorted(base.records.keys() - entry.records.keys()) for entry in entries}
    named = [f"{name} lacks {', '.join(map(str, seeds))}" for name, seeds in lacking.items() if seeds]
    if not named:
        return []
    return [
        f"WARNING: seeds whose training was left out: {'; '.join(named)}. Means of these agents are of fewer seeds, "
        "and may look better by it; differences are of the seeds that both have."
    ]


def _seeds(entries: Sequence[Entry]) -> str:
    counts = [len(entry.records) for entry in entries]
    count = str(max(counts)) if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
    return f"{count} {'seed' if max(counts) == 1 else 'seeds'}"


def _measures(entry: Entry, columns: Sequence[str]) -> dict[str, Any]:
    row: dict[str, Any] = {"seeds": len(entry.records)}
    row |= {column: interval(entry.values(column)) for column in columns}
    corpus = (f"{decode}_{name}" for decode in _likeliest(entry) for name in (*CORPUS_SCORES, "length_ratio"))
    for key in (*corpus, "sample_nats", "sample_length_ratio", "kl", "seconds", "tokens", "network_mib",
                "prepare_seconds"):  # fmt: skip
        row[key], row[f"{key}_sd"] = entry.mean(key), entry.spread(key)
    return row


def _differences(pairs: Sequence[tuple[Entry, Entry]], columns: Sequence[str], ending: str = "") -> Rows:
    """The first less the second of each pair, with each column's p-values corrected for the number of pairs."""
    rows: Rows = {}
    for column in columns:
        differences = {one.name: each for one, other in pairs if (each := one.less(other, column)) is not None}
        corrected = holm({name: each.p for name, each in differences.items()})
        for name, each in differences.items():
            rows.setdefault(name, {}).update({f"{column}{ending}": each, f"{column}_p": corrected[name]})
    return rows


def _corpus_p(entry: Entry, base: Entry, references: Sequence[str]) -> dict[str, float]:
    """Tests of corpus scores against the supervised policy, by what each source adds to them."""
    p_values = {}
    for decode, (name, corpus) in product(_likeliest(base), CORPUS_SCORES.items()):
        after, before = (
            np.stack([
                pseudo_values(
                    sums_by_source(
                        corpus.statistics([line[decode] for line in each.translations[seed]], references), base.sources
                    ),
                    corpus.score,
                )
                for seed in entry.common(base)
            ])
            for each in (entry, base)
        )  # fmt: skip
        p_values[f"{decode}_{name}_p"] = interval(after - before).p
    return p_values


def _likeliest(entry: Entry) -> list[str]:
    """Decodings that seek the likeliest translation, of those that were measured."""
    return [decode for decode in ("greedy", "beam") if f"{decode}_bleu" in _first(entry)]


def _first(entry: Entry) -> dict[str, Any]:
    return next(iter(entry.records.values()))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _gain_table(
    rows: Rows, base: Entry, columns: Sequence[str], more: Mapping[str, Callable[[Mapping[str, Any]], str]], *last: str
) -> str:
    """The supervised policy, then each agent with its gain.

    Args:
        rows: Of the agents.
        base: The supervised policy.
        columns: Which have a gain.
        more: Cells of an agent in further columns, by their head.
        last: The supervised policy's cells there.
    """
    cells = [[base.name, *(cell for column in columns for cell in (number(base.mean(column)), "", "")), *last]]
    for name, row in rows.items():
        cells.append([name])
        for column in columns:
            cells[-1] += [str(row[column]), f"{row[f'{column}_gain']:+.3f}", p_value(row[f"{column}_p"])]
        cells[-1] += [cell(row) for cell in more.values()]
    return table(["agent", *(cell for column in columns for cell in (COLUMNS[column], "gain", "p")), *more], cells)


def _greedy_table(rows: Rows, base: Entry, columns: Sequence[str]) -> str:
    def corpus(key: str, row: Mapping[str, Any]) -> str:
        return f"{row[key]:.1f} ± {row[f'{key}_sd']:.1f} ({p_value(row[f'{key}_p'])})"

    heads = {
        f"{decode}_{name}": f"{'' if decode == 'greedy' else 'beam '}{score.title}"
        for decode in _likeliest(base) for name, score in CORPUS_SCORES.items()
    }  # fmt: skip
    more: dict[str, Callable[[Mapping[str, Any]], str]] = {
        f"{head} (p)": partial(corpus, key) for key, head in heads.items()
    }
    more["length ratio"] = lambda row: number(row["greedy_length_ratio"])
    scores = (f"{base.mean(key):.1f}" for key in heads)
    return _gain_table(rows, base, columns, more, *scores, number(base.mean("greedy_length_ratio")))


def _sample_table(rows: Rows, base: Entry, columns: Sequence[str]) -> str:
    more: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "nats per token": lambda row: number(row["sample_nats"]),
        "KL from BC, nats": lambda row: f"{row['kl']:.2f}",
    }
    return _gain_table(rows, base, columns, more, number(base.mean("sample_nats")), "0")


def _difference_table(differences: Rows, columns: Sequence[str]) -> str:
    return table(
        ["agent", *(cell for column in columns for cell in (COLUMNS[column], "p"))],
        ([name, *(cell for column in columns for cell in (f"{row[column]:+.3f}", p_value(row[f"{column}_p"])))]
         for name, row in differences.items()),
    )  # fmt: skip


def _not_matched(equal: Sequence[tuple[Entry, Entry]]) -> list[str]:
    """Which agents have an entropy that the supervised policy's samples do not reach, in some seed."""
    names = [
        entry.name
        for entry, control in equal
        if any(record["nats"] < entry.records[seed]["sample_nats"] for seed, record in control.records.items())
    ]
    beside = ", ".join(names)
    return [f"NOT MATCHED: the supervised policy's samples have less entropy beside {beside}."] if names else []


def _entropy_table(rows: Rows, at_entropy: Rows, columns: Sequence[str]) -> str:
    head = ["agent", "nats per token", "supervised BC at T", "its nats"]
    cells = []
    for name, row in at_entropy.items():
        cells.append([name, *(number(each) for each in (rows[name]["sample_nats"], row["temperature"], row["nats"]))])
        for column in columns:
            cells[-1] += [number(row[f"{column}_supervised"]), f"{row[column]:+.3f}", p_value(row[f"{column}_p"])]
    more = (cell for column in columns for cell in (f"its {COLUMNS[column]}", "agent less it", "p"))
    return table([*head, *more], cells)


def _cost_table(rows: Rows) -> str:
    speed = {name: row["seconds"] / max(1.0, row["tokens"]) * 1e5 for name, row in rows.items()}
    reference = speed.get(REFERENCE)
    return table(
        ["agent", "seconds per 100,000 gradient tokens", f"ratio to {REFERENCE}", "seconds before", "networks, MiB"],
        ([name, f"{speed[name]:.1f}", f"{speed[name] / reference:.2f}" if reference else "-",
          f"{row['prepare_seconds']:.1f}", f"{row['network_mib']:.0f}"] for name, row in rows.items()),
    )  # fmt: skip

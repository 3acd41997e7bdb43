"""Page of the reproduction: a row and a figure for each claim in each regime."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from experiments.paper.claims import CLAIMS
from experiments.paper.parts import Plan, Spent
from experiments.paper.table_one import table_one
from experiments.paper.verdicts import Verdict, Word
from experiments.reports.plots import new_figure, save_figures
from experiments.reports.statistics import Interval
from experiments.reports.tables import table
from seq2seq_env.atomic_files import write_json, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "paper"
"""Of the page's files."""

Verdicts = Mapping[str, Verdict]
"""By name of the claim."""


def write_page(folder: Path, plans: Sequence[Plan], every: Sequence[Verdicts]) -> str:
    """Write ``paper.md``, ``paper.json`` and a figure a claim.

    Args:
        folder: Made if it is not there.
        plans: Of the regimes.
        every: The verdicts in each.

    Returns:
        The sentence with the counts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = [
        "# The paper's claims",
        *(counts(plan.name, verdicts) for plan, verdicts in zip(plans, every, strict=True)),
    ]
    record = {}
    for plan, verdicts in zip(plans, every, strict=True):
        spent = {
            name: CLAIMS[name].spent(plan) if verdict.word != "not run" else Spent()
            for name, verdict in verdicts.items()
        }
        parts += [f"## {plan.name.capitalize()}", claims_table(plan, verdicts, spent)]
        parts += [
            f"![Claim {name}: {CLAIMS[name].says}]({picture})"
            for name, verdict in verdicts.items()
            if (picture := _picture(folder, plan, name, verdict)) is not None
        ]
        if "5" in verdicts and verdicts["5"].estimates:
            parts += [f"Table 1, {len(plan.seeds)} whole runs: what each gained above its own start.", table_one(plan)]
        record[plan.name] = {
            name: {
                "says": CLAIMS[name].says, "verdict": verdict.word, "measured": verdict.measured,
                "estimates": {each: value._asdict() for each, value in verdict.estimates.items()},
                **spent[name]._asdict(),
            }
            for name, verdict in verdicts.items()
        }  # fmt: skip
    write_json(folder / f"{NAME}.json", record)
    write_text(folder / f"{NAME}.md", "\n\n".join(parts) + "\n")
    return "\n".join(parts[1 : 1 + len(plans)])


def counts(regime: str, verdicts: Verdicts) -> str:
    """A sentence: how many of the claims hold."""
    words = [verdict.word for verdict in verdicts.values()]
    listed = ", ".join(f"{words.count(word)} {word}" for word in get_args(Word) if word in words)
    return f"{regime.capitalize()}, of {len(words)} claims, negative results and future work: {listed}."


def claims_table(plan: Plan, verdicts: Verdicts, spent: Mapping[str, Spent]) -> str:
    """Markdown, a row a claim, with the command that makes it anew."""
    head = ["claim", "the paper says", f"measured, {len(plan.seeds)} whole runs", "verdict", "spent", "command"]
    rows = (
        [
            name,
            CLAIMS[name].says,
            verdict.measured,
            f"**{verdict.word}**",
            "-" if verdict.word == "not run" else str(spent[name]),
            f"`rest reproduce --claims {name} --regimes {plan.name} --seed {plan.seeds[0]} --seeds {len(plan.seeds)}`",
        ]
        for name, verdict in verdicts.items()
    )
    return table(head, rows)


def _picture(folder: Path, plan: Plan, name: str, verdict: Verdict) -> str | None:
    """File name of a claim's figure: what a run drew, else the verdict's estimates; None where there is neither."""
    file = f"claim-{name}-{plan.name}.png"
    drawn = CLAIMS[name].picture
    if drawn is not None and verdict.word != "not run":
        source = plan.folder / drawn.format(seed=plan.seeds[0])
        if source.is_file():
            shutil.copyfile(source, folder / file)
            return file
    if not verdict.estimates:
        return None
    return next(iter(save_figures(folder, {file: partial(_estimates, f"Claim {name}, {plan.name}", verdict)})), None)


def _estimates(title: str, verdict: Verdict) -> Figure:
    """The verdict's estimates with their intervals, one below the other."""
    names, values = list(verdict.estimates), list(verdict.estimates.values())
    figure = new_figure(6, 1.2 + 0.35 * len(names))
    axis = figure.subplots()
    means, errors = [each.mean for each in values], [_around(each) for each in values]
    axis.errorbar(means, range(len(names)), xerr=list(zip(*errors, strict=True)), fmt="o", capsize=3)
    axis.axvline(0, color="gray", linestyle=":")
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set(title=f"{title}: {verdict.word}", xlabel=verdict.measured.partition(":")[0])
    axis.grid(alpha=0.3)
    return figure


def _around(each: Interval) -> tuple[float, float]:
    return each.mean - each.low, each.high - each.mean

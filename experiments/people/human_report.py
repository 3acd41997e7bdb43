"""Report of a campaign: figure 7 of the paper for the run, and the ratings for a scorer to learn from."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from experiments.people.campaign import Campaign
from experiments.people.rating_files import Rating
from experiments.people.verdict import HumanVerdict, SystemScore
from experiments.reports.page.differences import shown
from experiments.reports.plots import new_figure, save_figures
from experiments.reports.scorer_monitor import monitor_table, monitor_warnings, monitored_ratings
from experiments.reports.statistics import Interval
from experiments.reports.tables import Table, number, table, text_cell
from experiments.runs.finished_stages import stage_name
from seq2seq_env.atomic_files import finite, write_json, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESULTS, FIGURE, TABLE, LINES = "results.md", "human.png", "ratings.csv", "ratings.jsonl"
"""Files of a campaign's folder: the report, its picture, what ``train_scorer.py`` reads, and every single rating."""


def write_human_report(folder: Path, campaign: Campaign, ratings: Sequence[Rating], verdict: HumanVerdict) -> list[str]:
    """Write :data:`RESULTS`, ``results.json``, :data:`FIGURE`, :data:`TABLE` and :data:`LINES`.

    Returns:
        What the ratings say, in sentences.
    """
    write_text(folder / TABLE, ratings_table(campaign, ratings))
    lines = list(_lines(campaign, ratings))
    write_text(folder / LINES, "".join(json.dumps(each) + "\n" for each in lines))
    write_json(folder / "results.json", finite(verdict.record()))
    compared = []
    if campaign.grow_step is None:  # one policy's samples are no systems to compare
        pictures = save_figures(folder, {FIGURE: partial(_figure, campaign, verdict)})
        compared = [
            "## Human score beside learned reward, by system", *(f"![{name}]({name})" for name in pictures),
            systems_table(campaign, verdict),
            "Intervals are of 95 %, over sources; raters are averaged first. A gain over all test sources is that over "
            "the rated sources with different translations, times their share: where translations are the same, so is "
            "their quality. Reward and true quality are means over all test sources.",
        ]  # fmt: skip
    # Where there is an oracle, it watches the scorer, on many more translations.
    watched = [] if any(each.oracle is not None for each in verdict.systems) else monitored_ratings(lines)
    sentences = [*said(campaign, verdict), *monitor_warnings(watched)]
    parts = [
        f"# What people say ({campaign.protocol})", *sentences,
        *compared, "## Raters", _raters_table(verdict), _agreement(verdict),
        "## Does the learned reward agree with people?", _scorer(verdict),
        *([monitor_table(watched)] if watched else []),
    ]  # fmt: skip
    write_text(folder / RESULTS, "\n\n".join(parts) + "\n")
    return sentences


def ratings_table(campaign: Campaign, ratings: Sequence[Rating]) -> str:
    """Ratings as :func:`experiments.scorer_training.ratings.read_ratings` takes them from a ``.csv``, on [0, 1].

    The scale's own ends are 0 and 1, not the ratings'; raters, and systems that wrote the same, are averaged.
    """
    scores: dict[tuple[str, str], list[float]] = {}
    for rating in ratings:
        scores.setdefault((rating.item.source, rating.candidate.text), []).append(rating.score / campaign.rules.high)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["source", "hypothesis", "score", "ratings"])
    writer.writerows([*pair, f"{fmean(own):.6f}", len(own)] for pair, own in scores.items())
    # Half a surrogate pair cannot be written.
    return file.getvalue().encode("utf-8", "replace").decode()


def _lines(campaign: Campaign, ratings: Sequence[Rating]) -> Iterator[Mapping[str, Any]]:
    for rating in ratings:
        place = {"test_source": rating.item.row + 1} if campaign.grow_step is None else {"grow": campaign.grow_step}
        yield {
            "rater": rating.rater, "item": rating.item.name, **place,
            "stages": rating.candidate.systems, "source": rating.item.source, "hypothesis": rating.candidate.text,
            "score": rating.score, "errors": rating.errors, **rating.candidate.measures,
        }  # fmt: skip


def said(campaign: Campaign, verdict: HumanVerdict) -> list[str]:
    """What people say of each system against the first, and whether the reward says the same."""
    missing = [f"Half finished: nobody rated {verdict.missing} of {campaign.size} translations."] * (
        verdict.missing > 0
    )
    if campaign.grow_step is not None:
        return [f"People rated {verdict.ratings} samples of Grow step {campaign.grow_step}.", *missing]
    first = stage_name(campaign.systems[0])
    sentences = [_against(system, first) for system in verdict.systems[1:]]
    # By gains: systems are rated beside the first, and not all on the same sources.
    gains = {verdict.systems[0].stage: 0.0} | {
        each.stage: each.whole_gain.mean for each in verdict.systems if each.whole_gain is not None
    }
    rewards = {each.stage: each.reward for each in verdict.systems if each.stage in gains}
    people, reward = (", ".join(_best_first(values)) for values in (gains, rewards))
    if len(gains) > 1:
        also = "so does the learned reward" if people == reward else f"the learned reward puts them as {reward}"
        sentences.append(f"From best to worst, people put them as {people}; {also}.")
    return [*sentences, *missing]


def _best_first(values: Mapping[str, float]) -> list[str]:
    return [stage_name(stage) for stage in sorted(values, key=lambda stage: -values[stage])]


def _against(system: SystemScore, first: str) -> str:
    name, gain = stage_name(system.stage), system.whole_gain
    if gain is None:
        return (
            f"{name} against {first}: fewer than two sources with different translations are rated; nothing is shown."
        )
    word = "better than" if gain.low > 0 else "worse than" if gain.high < 0 else "not shown to differ from"
    reward = "" if system.reward_gain is None else f"; the learned reward {_moved(system.reward_gain)}"
    return f"{name} is {word} {first} for people, {gain:+.2f} over all test sources{reward}."


def _moved(gain: float) -> str:
    return f"{'rose' if gain > 0 else 'fell' if gain < 0 else 'stayed'} by {abs(gain):.3f}"


def systems_table(campaign: Campaign, verdict: HumanVerdict) -> Table:
    """A row a system: people, and what the run itself measures."""
    scale, first = f"0 to {campaign.rules.high}", stage_name(campaign.systems[0])
    columns = [
        "system", "rated sources", f"human score, {scale}", f"against {first}", "over all test sources",
        "learned reward", "against it",
    ]  # fmt: skip
    rows = []
    oracle = any(system.oracle is not None for system in verdict.systems)
    marks = any(system.errors is not None for system in verdict.systems)
    for each in verdict.systems:
        row = [stage_name(each.stage), str(each.sources), *map(_shown, (each.human, each.gain, each.whole_gain))]
        row += [number(each.reward), "-" if each.reward_gain is None else f"{each.reward_gain:+.3f}"]
        row += [number(each.oracle)] if oracle else []
        rows.append([*row, "-" if each.errors is None else "{:.2f} / {:.2f}".format(*each.errors)] if marks else row)
    columns += ["true quality"] * oracle + ["major / minor errors per translation"] * marks
    return table(columns, rows)


def _shown(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval:.2f}"


def _raters_table(verdict: HumanVerdict) -> Table:
    return table(["rater", "ratings"], ([text_cell(shown(name)), str(count)] for name, count in verdict.raters.items()))


def _agreement(verdict: HumanVerdict) -> str:
    if verdict.shared == 0:
        return "No translation has two raters, so that nothing is known of their agreement."
    text = (
        f"Of {verdict.ratings} translations {verdict.shared} have two raters or more. Krippendorff's alpha (interval)"
    )
    gains = (
        ""
        if verdict.gain_alpha is None
        else f", of differences between translations shown together {verdict.gain_alpha:.2f}"
    )
    alpha = "undefined, as all scores are the same" if verdict.alpha is None else f"{verdict.alpha:.2f}"
    return f"{text} of scores is {alpha}{gains}: 1 is agreement, 0 that of chance."


def _scorer(verdict: HumanVerdict) -> str:
    known = verdict.scorer
    if known.kendall is None:
        return "All scores, or all rewards, are the same: nothing can be said."
    order = (
        "No source has translations of different human scores."
        if known.pairwise is None or known.pairwise_error is None
        else f"It puts {known.pairwise:.1%} ± {known.pairwise_error:.1%} of the translations of a source that people "
        "score differently into the same order; a coin, 50 %."
    )
    return f"Over {known.pairs} translations Kendall's tau is {known.kendall:.2f}. {order}"


def _figure(campaign: Campaign, verdict: HumanVerdict) -> Figure:
    """Human scores above, learned rewards below, a bar a system (Gulcehre et al. 2023, figure 7)."""
    names = [stage_name(each.stage) for each in verdict.systems]
    first = names[0]
    figure = new_figure(1.8 + 1.6 * len(names), 5.6)
    above, below = figure.subplots(2, 1, sharex=True)
    places = range(1, len(names))
    gains = [each.whole_gain or Interval(0.0, 0.0, 0.0, 1.0) for each in verdict.systems[1:]]
    errors = [[each.mean - each.low for each in gains], [each.high - each.mean for each in gains]]
    above.bar(places, [each.mean for each in gains], yerr=errors, capsize=4, color="C0", width=0.6)
    below.bar(places, [each.reward_gain or 0.0 for each in verdict.systems[1:]], color="C1", width=0.6)
    for axis in (above, below):
        axis.axhline(0, color="black", linewidth=1)
        axis.grid(alpha=0.3, axis="y")
    above.set(ylabel=f"human score (0 to {campaign.rules.high})", title=f"Differences from {first}, all test sources")
    below.set(ylabel="learned reward", xticks=list(places), xticklabels=names[1:])
    return figure

"""Rated translations from files: your own, WMT's direct assessments, WMT's error annotations (MQM)."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

Row = Mapping[str, str]


class Rating(NamedTuple):
    """One rated hypothesis."""

    source: str
    hypothesis: str
    score: float


MQM_WORST = 25.0
"""Penalty of a translation that is none, and the most that a segment can have."""


def read_ratings(path: Path) -> list[Rating]:
    """Ratings on [0, 1] from a table with a header, tab-separated, or comma-separated where it ends in ``.csv``.

    The columns tell the layout:

    - ``source``, ``hypothesis``, ``score``: yours. Scores go to [0, 1] by the least and the largest of them, unless all
      are there already.
    - ``src``, ``mt`` and ``score`` or ``raw`` (0 to 100) or ``z``: direct assessments as WMT gives them out.
    - ``source``, ``target``, ``category``, ``severity`` (and ``rater``): an error a line, as in WMT's MQM data. A
      segment's penalty is the sum over its errors (major 5, minor 1, minor punctuation 0.1, non-translation 25; Freitag
      et al. 2021, arXiv 2104.14478, table 4), the mean over raters; its score is 1 less its share of 25.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it has another layout, no rows, or a score that is no number.
    """
    with path.open(encoding="utf-8", newline="") as file:
        # MQM files have stray quotation marks, which are text there.
        packed = path.suffix == ".csv"
        table = csv.DictReader(
            file, delimiter="," if packed else "\t", quoting=csv.QUOTE_MINIMAL if packed else csv.QUOTE_NONE
        )
        try:
            columns, rows = set(table.fieldnames or ()), list(table)
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"{str(path)!r} is no table in UTF-8 ({error}); convert it") from error
    if not rows:
        raise ValueError(f"{str(path)!r} has no rows; give a table with a header and ratings")
    if {"source", "target", "category", "severity"} <= columns:
        return _annotated(rows)
    if {"source", "hypothesis", "score"} <= columns:
        return _scaled(path, rows, "source", "hypothesis", "score")
    score = next((name for name in ("raw", "score", "z") if name in columns), None)
    if {"src", "mt"} <= columns and score is not None:
        return _scaled(path, rows, "src", "mt", score)
    raise ValueError(
        f"{str(path)!r} has the columns {', '.join(sorted(columns))}; give source, hypothesis and score, or the "
        "columns of WMT's direct assessments (src, mt, score) or of its MQM data (source, target, category, severity)"
    )


def _scaled(path: Path, rows: Iterable[Row], source: str, hypothesis: str, score: str) -> list[Rating]:
    found = []
    for number, row in enumerate(rows, start=2):
        try:
            value = float(row[score])
        except (TypeError, ValueError):
            value = float("nan")
        if not abs(value) < float("inf") or row[source] is None or row[hypothesis] is None:
            raise ValueError(
                f"line {number} of {str(path)!r} has the {score} {row[score]!r}; give a number in each line"
            )
        found.append(Rating(row[source], row[hypothesis], value))
    low, high = (choose(rating.score for rating in found) for choose in (min, max))
    if score in ("raw", "score") and source == "src" and low >= 0 and high > 1:
        low, high = 0.0, max(high, 100.0)
    elif low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    if low == high:
        raise ValueError(f"all ratings of {str(path)!r} are {low:g}; nothing can be learned from them")
    return [rating._replace(score=(rating.score - low) / (high - low)) for rating in found]


def _annotated(rows: Iterable[Row]) -> list[Rating]:
    penalties: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        source, target = (_unmarked(row[name] or "") for name in ("source", "target"))
        raters = penalties.setdefault((source, target), {})
        rater = row.get("rater") or ""
        raters[rater] = raters.get(rater, 0.0) + _penalty(row)
    return [
        Rating(source, target, 1 - min(MQM_WORST, sum(raters.values()) / len(raters)) / MQM_WORST)
        for (source, target), raters in penalties.items()
    ]


def _penalty(row: Row) -> float:
    category, severity = (row["category"] or "").casefold(), (row["severity"] or "").casefold()
    if category.startswith("non-translation"):
        return MQM_WORST
    if severity == "major":
        return 5.0
    if severity == "minor":
        return 0.1 if category.startswith("fluency/punctuation") else 1.0
    return 0.0


def _unmarked(text: str) -> str:
    """Without the marks around the error."""
    return text.replace("<v>", "").replace("</v>", "")

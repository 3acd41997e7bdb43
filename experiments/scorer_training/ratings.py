"""Rated translations from files: your own, WMT's direct assessments, WMT's error annotations (MQM)."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from seq2seq_env.tasks.corpora.tables import Row, check_cells, check_header, read_tsv


class Rating(NamedTuple):
    """One rated hypothesis."""

    source: str
    hypothesis: str
    score: float


MQM_WORST = 25.0
"""Penalty of a translation that is none, and the most that a segment can have."""

MQM_PENALTIES = {"critical": 10.0, "major": 5.0, "minor": 1.0, "neutral": 0.0, "no-error": 0.0}
"""Penalty of an error by its severity."""

SEGMENT = ("system", "doc", "doc_id", "docSegId", "globalSegId", "seg_id")
"""Columns that tell whose translation of which sentence was annotated; a table has some of them."""


def read_ratings(path: Path, *, rescale: bool = True) -> list[Rating]:
    """Ratings on [0, 1] from a table with a header, tab-separated, or comma-separated where it ends in ``.csv``.

    The columns tell the layout:

    - ``source``, ``hypothesis``, ``score``: yours. Scores go to [0, 1] by the least and the largest of them, unless all
      are there already.
    - ``src``, ``mt`` and ``score`` or ``raw`` (0 to 100) or ``z``: direct assessments as WMT gives them out.
    - ``source``, ``target``, ``category``, ``severity`` (and ``rater``, and :data:`SEGMENT`): an error a line, as in
      WMT's MQM data. A segment's penalty is the sum over its errors (major 5, minor 1, minor punctuation 0.1,
      non-translation 25; Freitag et al. 2021, arXiv 2104.14478, table 4; critical 10), the mean over raters; that of a
      text that several systems wrote, or one for several segments, is the mean over them. Its score is 1 less its
      share of 25.

    Args:
        path: Of the table.
        rescale: Whether a table has its scale from its least and largest score. One of several that go together has
            not: its worst translation may be another's best.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it has another layout, no rows, a line that does not fit the header, a score that is no number,
            or a severity that says nothing of the translation; without ``rescale`` scores outside [0, 1].
    """
    rows = list(_csv(path) if path.suffix == ".csv" else read_tsv(path))
    if not rows:
        raise ValueError(f"{str(path)!r} has no rows; give a table with a header and ratings")
    columns = rows[0][1].keys()
    if {"source", "target", "category", "severity"} <= columns:
        return _annotated(path, rows)
    if {"source", "hypothesis", "score"} <= columns:
        return _scaled(path, rows, "source", "hypothesis", "score", rescale)
    score = next((name for name in ("raw", "score", "z") if name in columns), None)
    if {"src", "mt"} <= columns and score is not None:
        return _scaled(path, rows, "src", "mt", score, rescale)
    raise ValueError(
        f"{str(path)!r} has the columns {', '.join(sorted(columns))}; give source, hypothesis and score, or the "
        "columns of WMT's direct assessments (src, mt, score) or of its MQM data (source, target, category, severity)"
    )


def _csv(path: Path) -> Iterable[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = csv.reader(file)
        try:
            head = next(table, [])
            check_header(path, head)
            for cells in table:
                if cells:
                    check_cells(path, table.line_num, len(cells), len(head), "commas")
                    yield table.line_num, dict(zip(head, cells, strict=True))
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"{str(path)!r} is no table in UTF-8 ({error}); convert it") from error


def _scaled(path: Path, rows: Iterable[Row], source: str, hypothesis: str, score: str, rescale: bool) -> list[Rating]:
    ratings = []
    for number, row in rows:
        try:
            value = float(row[score])
        except ValueError:
            value = float("nan")
        if not abs(value) < float("inf"):
            raise ValueError(
                f"line {number} of {str(path)!r} has the {score} {row[score]!r}; give a number in each line"
            )
        ratings.append(Rating(row[source], row[hypothesis], value))
    low, high = (choose(rating.score for rating in ratings) for choose in (min, max))
    if score in ("raw", "score") and source == "src" and low >= 0 and high > 1:
        low, high = 0.0, max(high, 100.0)
    elif low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif not rescale:
        raise ValueError(
            f"{str(path)!r} has scores from {low:g} to {high:g}, and another Grow step's table may have others; bring "
            "all of them to [0, 1] by the same scale, as rest rate import does"
        )
    if low == high:
        raise ValueError(f"all ratings of {str(path)!r} are {low:g}; nothing can be learned from them")
    return [rating._replace(score=(rating.score - low) / (high - low)) for rating in ratings]


def _annotated(path: Path, rows: Iterable[Row]) -> list[Rating]:
    # One rater's errors add up within a segment; another system may have written the same text.
    segments: dict[tuple[str, str], dict[tuple[str, ...], dict[str, float]]] = {}
    for number, row in rows:
        pair = _unmarked(row["source"]), _unmarked(row["target"])
        segment = tuple(row.get(name, "") for name in SEGMENT)
        raters = segments.setdefault(pair, {}).setdefault(segment, {})
        rater = row.get("rater", "")
        raters[rater] = raters.get(rater, 0.0) + _penalty(path, number, row["category"], row["severity"])
    return [
        Rating(*pair, 1 - fmean(min(MQM_WORST, fmean(raters.values())) for raters in own.values()) / MQM_WORST)
        for pair, own in segments.items()
    ]


def _penalty(path: Path, number: int, category: str, severity: str) -> float:
    kind, degree = category.casefold(), severity.casefold().replace(" ", "-")
    if kind.startswith("non-translation"):
        return MQM_WORST
    # What is not known cannot count as no error: a table also has rows of errors put in to test the raters.
    if degree not in MQM_PENALTIES:
        raise ValueError(
            f"line {number} of {str(path)!r} has the severity {severity!r} ({category}); known are "
            f"{', '.join(MQM_PENALTIES)}: take such lines out"
        )
    return 0.1 if degree == "minor" and kind.startswith("fluency/punctuation") else MQM_PENALTIES[degree]


def _unmarked(text: str) -> str:
    """Without the marks around the error."""
    return text.replace("<v>", "").replace("</v>", "")

"""Ratings of a refresh: who gives them, the table of each Grow step, and whose translations may be rated."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from buffers import Slice, source_texts
from experiments.scorer_training.ratings import Rating, read_ratings
from seq2seq_env.tasks import Task
from seq2seq_env.tasks.corpora.cleaning import bare
from seq2seq_env.writing import shortened

ORACLE = "oracle"
"""Who rates, where it is no table."""

GROW = "{grow}"
"""What stands in a table's path for the number of the Grow step."""


def check_raters(raters: str, grow_steps: int) -> None:
    """Refuse raters that cannot be meant.

    Args:
        raters: :data:`ORACLE`, or the path of a table with :data:`GROW` in it.
        grow_steps: Number G of the run.

    Raises:
        ValueError: If it is neither, or one table would be for several Grow steps.
    """
    if raters == ORACLE:
        return
    if not Path(raters).suffix:
        raise ValueError(
            f"--refresh-scorer is {raters!r}; give {ORACLE}, or a table of ratings such as ratings-{GROW}.csv"
        )
    if grow_steps > 1 and GROW not in raters:
        raise ValueError(
            f"--refresh-scorer is {raters!r}, one table for {grow_steps} Grow steps, each of which wants ratings of "
            f"its own samples; put {GROW} where the number of the step goes, as in ratings-{GROW}.csv"
        )


def table_of(raters: str, grow_step: int) -> Path:
    """The table with the ratings of a Grow step."""
    return Path(raters.replace(GROW, str(grow_step)))


def imported_table(run: Path, grow_step: int | str) -> Path:
    """Where ``rest rate import`` leaves the ratings of a Grow step, or of :data:`GROW`, in a run's folder."""
    return run / "ratings" / f"grow-{grow_step}" / "ratings.csv"


def digest(table: Path) -> str:
    """Of all that a table holds, in hexadecimal."""
    return hashlib.sha256(table.read_bytes()).hexdigest()


def check_there(table: Path, grow_step: int, run: Path) -> None:
    """Stop where a Grow step has not been rated yet.

    Raises:
        FileNotFoundError: Saying how its samples come to be rated.
    """
    if table.is_file():
        return
    imported = imported_table(run, grow_step)
    copied = "" if imported.resolve() == table.resolve() else f" for {str(table)!r}"
    raise FileNotFoundError(
        f"Grow step {grow_step} is done, and there is no table {str(table)!r} of its ratings: have samples of it rated "
        f"({export_command(run, grow_step)}), bring the ratings back with rest rate import, which writes "
        f"{str(imported)!r}{copied}, and give the same command again, which goes on from here"
    )


def export_command(run: Path, grow_step: int) -> str:
    """By which samples of a Grow step are given to people."""
    return f"rest rate export --run {run} --grow {grow_step}"


def read_table(table: Path, task: Task, export: str) -> list[Rating]:
    """The ratings of a table, which must be of no source that the run is judged by.

    Args:
        table: As ``read_ratings`` takes it.
        task: Of the run.
        export: Command that makes ratings of other sources.

    Raises:
        ValueError: If some are of validation or test sources, or the table cannot be used.
        OSError: If it cannot be read.
    """
    ratings = read_ratings(table, rescale=False)
    judging = judging_sources(task)
    sources = dict.fromkeys(each.source for each in ratings)
    if leaks := [source for source in sources if bare(source) in judging]:
        raise ValueError(
            f"{len(leaks)} of {len(sources)} sources rated in {str(table)!r} are of the validation or test split, such "
            f"as {shortened(leaks[0])}, by which the run is judged; rate samples of the Grow step: {export}"
        )
    return ratings


def judging_sources(task: Task) -> set[str]:
    """Sources of the validation and test splits, bare of what does not make another sentence of them."""
    return {bare(source) for split in ("validation", "test") for source in task.split(split).sources}


def check_grown(ratings: Sequence[Rating], samples: Slice, task: Task, table: Path, grow_step: int) -> None:
    """Refuse ratings of what a Grow step did not sample: those of an earlier step would be learned from twice.

    Args:
        ratings: Of the table.
        samples: Of the Grow step.
        task: That grew them.
        table: Named in the complaint.
        grow_step: Likewise.

    Raises:
        ValueError: If there are some.
    """
    grown = {(_spaced(source), _spaced(text)) for source, text in zip(*texts_of(samples, task), strict=True)}
    others = [each for each in ratings if (_spaced(each.source), _spaced(each.hypothesis)) not in grown]
    if others:
        raise ValueError(
            f"{len(others)} of {len(ratings)} translations rated in {str(table)!r} are no samples of Grow step "
            f"{grow_step}, such as {shortened(others[0].hypothesis)}; leave them out, or rate samples of that step"
        )


def check_unchanged(record: Mapping[str, Any], table: Path) -> None:
    """Refuse ratings that have changed since a scorer was trained on them; a table that is gone is not needed."""
    if table.is_file() and digest(table) != record["ratings_sha256"]:
        raise ValueError(
            f"the ratings in {str(table)!r} are not those that Grow step {record['grow']}'s scorer was trained on; "
            "give these, or choose another --out"
        )


def texts_of(data: Slice, task: Task) -> tuple[list[str], list[str]]:
    """Sources and targets of a slice, as text."""
    stored = data.read()
    texts = task.tokenizer.decode(stored.tokens[low:high].tolist() for low, high in pairwise(stored.offsets))
    return source_texts(task, data.source_index), texts


def _spaced(text: str) -> str:
    return " ".join(text.split())

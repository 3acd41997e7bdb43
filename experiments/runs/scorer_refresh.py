"""Refresh of a run's scorer after a Grow step: new ratings of some of its samples, further training, new rewards.

The first scorer measures all steps. What was refreshed gives the rewards that the Grow step's filters go by, in a
column beside the first one's, and the validation reward that its Improve steps watch. Each refresh goes on from the one
before.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from buffers import GrowingBatchBuffer, Slice, rescore, source_texts
from experiments.runs import refresh_ratings
from experiments.runs.experiment import Experiment
from experiments.runs.refresh_ratings import ORACLE, texts_of
from experiments.runs.settings import Settings
from experiments.scorer_training.estimator_config import HeadConfig
from experiments.scorer_training.rank_accuracy import RankAccuracy, rank_accuracy
from experiments.scorer_training.ratings import Rating
from experiments.scorer_training.trust import losses
from seq2seq_env.scorers import CrossFittedScorer, Scorer, checked_scores, load_scorer
from seq2seq_env.scorers.folds import fold_of
from seq2seq_env.tasks import Task
from seq2seq_env.tasks.corpora.cleaning import bare

FOLDER = "scorers"
"""Folder within a run's, with the refreshed scorers, one a Grow step."""

RATED = 500
"""Sources whose samples the oracle rates, where nothing else is wanted."""

CHECKED = 500
"""Sources that were never rated, on whose samples the scorers before and after are compared by the oracle."""

HELD_OUT = 5
"""One source in so many that people rated is kept from a scorer of one part, to compare before and after."""

TESTED = 500
"""Validation pairs of the unit tests, at most."""

LEAST_COMPARED = 5
"""Sources below which an accuracy's interval says nothing."""


def refresh_stage(grow_step: int) -> str:
    """Stage of a Grow step's refresh, which its column of rewards is called, too."""
    return f"refreshed-{grow_step}"


def check_options(raters: str | None, sources: int | None, grow_steps: int, *, rewrites: bool) -> None:
    """Refuse options that no task and no scorer can go with.

    Args:
        raters: :data:`ORACLE`, or a table of ratings; None for no refresh.
        sources: Sources whose samples the oracle rates; None for :data:`RATED`.
        grow_steps: Number G of the run.
        rewrites: Whether what the filter refuses is rewritten.

    Raises:
        ValueError: If a number is out of range or of no use, there are no such raters, or rewrites would be judged by
            another scorer than samples.
    """
    if sources is not None and sources < 20:
        raise ValueError(f"refresh_sources is {sources}; give 20 or more")
    if sources is not None and raters != ORACLE:
        raise ValueError(f"--refresh-sources {sources} goes with --refresh-scorer oracle; leave it out, or give that")
    if raters is None:
        return
    if not grow_steps:
        raise ValueError(f"--refresh-scorer {raters} has no Grow step to refresh after; leave out --grow-steps 0")
    refresh_ratings.check_raters(raters, grow_steps)
    if rewrites:
        raise ValueError(
            "--data.rewrite scores its rewrites by the run's scorer, and --refresh-scorer filters by another; leave "
            "out one of them"
        )


def check(run: Experiment[Settings], raters: str | None, grow_steps: int) -> None:
    """Refuse a refresh that cannot work, before anything is trained.

    Args:
        run: Gives the task and the scorer.
        raters: :data:`ORACLE`, or a table of ratings; None for no refresh.
        grow_steps: Number G of the run; tables of some of its Grow steps may be there already.

    Raises:
        ValueError: If the task has no oracle to ask, the scorer cannot be trained further, or ratings are of sources
            that the run is judged by.
        OSError: If ratings cannot be read.
    """
    if raters is None:
        return
    from experiments.scorer_training.refresh import check_trainable

    check_trainable(run.evaluator.scorer)
    if raters == ORACLE:
        if run.task.oracle is None:
            raise ValueError(
                f"--refresh-scorer oracle: task {run.task.name!r} has none; name a table of people's ratings of each "
                f"Grow step, such as ratings-{refresh_ratings.GROW}.csv, which rest rate makes"
            )
        return
    for g in range(1, grow_steps + 1):
        if (table := refresh_ratings.table_of(raters, g)).is_file():
            refresh_ratings.read_table(table, run.task, refresh_ratings.export_command(run.folder.path, g))


def refresh_scorer(
    run: Experiment[Settings], buffer: GrowingBatchBuffer, grow_step: int, raters: str, rated_sources: int | None = None
) -> None:
    """Rate, train further, and rescore a Grow step's batch, unless the run's folder has it.

    Args:
        run: Gives the scorer, the task and the seed.
        buffer: Holds the original data as Grow step 0, and the Grow step.
        grow_step: Number g, from 1.
        raters: :data:`ORACLE`, or a table of ratings.
        rated_sources: Sources whose samples the oracle rates; None for :data:`RATED`.

    Raises:
        FileNotFoundError: If people have not rated the Grow step yet.
        ValueError: If the ratings cannot be used, or are not those that the scorer was trained on, or the scorer is
            near chance where it was not before.
        OSError: If something cannot be read or written.
    """
    stage = refresh_stage(grow_step)
    made = f"{stage}.scorer"
    table = None if raters == ORACLE else refresh_ratings.table_of(raters, grow_step)
    if not run.folder.has(made):
        if table is not None:
            refresh_ratings.check_there(table, grow_step, run.folder.path)
        writes = run.folder.is_writer
        run.folder.finish(made, _refresh(run, buffer, grow_step, table, rated_sources or RATED) if writes else None)
    record = run.folder.result(made)
    if table is not None:
        refresh_ratings.check_unchanged(record, table)
    if run.folder.has(stage):
        return
    if run.folder.is_writer:
        for step in (0, grow_step):
            rescore(buffer, scorer_at(run, grow_step), run.task, stage, grow_step=step)
        print("\n".join([refresh_sentence(record), *refresh_warnings(record)]))
    run.folder.finish(stage, {name: value for name, value in record.items() if name != "sources"})


def _refresh(
    run: Experiment[Settings], buffer: GrowingBatchBuffer, grow_step: int, table: Path | None, rated_sources: int
) -> dict[str, Any]:
    """Make the refreshed scorer; what is known of it."""
    from experiments.scorer_training.refresh import refresh, validation_tests

    task, before, samples = run.task, scorer_at(run, grow_step - 1), _samples(buffer, grow_step)
    rows = _order(run, samples, grow_step)
    if table is None:
        ratings = list(dict.fromkeys(_by_oracle(_of_sources(samples, rows[:rated_sources]), task)))
    else:
        ratings = refresh_ratings.read_table(table, task, refresh_ratings.export_command(run.folder.path, grow_step))
        refresh_ratings.check_grown(ratings, samples, task, table, grow_step)
    sources = sorted({each.source for each in ratings})
    learned, compared = (ratings, None) if task.oracle else held_out(ratings, before)
    folder = run.folder.path / FOLDER / refresh_stage(grow_step)
    if folder.exists():  # of a call that was killed
        shutil.rmtree(folder)
    seed, device = run.config.seed * 1000 + grow_step, run.config.device
    parts = refresh(before, learned, HeadConfig(), folder, seed, device)
    after = load_scorer(folder, device=device)
    tests = {  # with one seed in every Grow step, so that they compare
        name: {kind: asdict(test) for kind, test in validation_tests(scorer, task, run.config.seed, TESTED).items()}
        for name, scorer in (("before", before), ("after", after))
    }
    # Before it is recorded: with other ratings the same command makes another one.
    if (lost := losses(**tests)) and not run.config.force_scorer:
        raise ValueError(
            f"the scorer refreshed at Grow {grow_step} is near chance where the one before was not: {'; '.join(lost)}; "
            "give it more ratings, or take it all the same with --force-scorer"
        )
    if compared is None:
        # The scorer goes on from those of the steps before, and knows their sources, too.
        earlier = [run.folder.result(f"{refresh_stage(step)}.scorer")["sources"] for step in range(1, grow_step)]
        rated = {bare(source) for source in chain(sources, *earlier)}
        unrated = rows[[bare(text) not in rated for text in source_texts(task, rows)]][:CHECKED]
        compared = _by_oracle(_of_sources(samples, unrated), task)
    by = "people" if task.oracle is None else ORACLE
    return {
        "grow": grow_step,
        "raters": ORACLE if table is None else str(table),
        "ratings": len(ratings),
        "sources": sources,
        "ratings_sha256": None if table is None else refresh_ratings.digest(table),
        "before": before.fingerprint,
        "after": after.fingerprint,
        "parts": [asdict(part) for part in parts],
        "unit_tests": tests,
        "accuracy": accuracies(compared, before, after, by),
        "since_first": accuracies(compared, run.evaluator.scorer, after, by),
    }


def _samples(buffer: GrowingBatchBuffer, grow_step: int) -> Slice:
    data = buffer.select(grow_step=grow_step)
    return data.where(~data.is_reference)


def _order(run: Experiment[Settings], samples: Slice, grow_step: int) -> NDArray[np.int64]:
    """Sources of a Grow step's samples in the order in which the oracle rates them."""
    rows = np.unique(samples.source_index)
    return np.random.default_rng([run.config.seed, grow_step]).permutation(rows)


def held_out(ratings: Sequence[Rating], scorer: Scorer) -> tuple[list[Rating], list[Rating]]:
    """People's ratings that a scorer learns from, and those that it is compared with its former self by.

    A cross-fitted scorer learns from all and is compared on all: each of its parts judges what it has not learned from.
    Of another, one source in :data:`HELD_OUT` is kept, in every Grow step the same ones.
    """
    if isinstance(scorer, CrossFittedScorer):
        return list(ratings), list(ratings)
    kept = {each.source for each in ratings if fold_of(each.source, HELD_OUT) == 0}
    return [each for each in ratings if each.source not in kept], [each for each in ratings if each.source in kept]


def scorer_at(run: Experiment[Settings], grow_step: int) -> Scorer:
    """The scorer as a Grow step left it; before the first, the run's."""
    if grow_step == 0:
        return run.evaluator.scorer
    return load_scorer(run.folder.path / FOLDER / refresh_stage(grow_step), device=run.config.device)


def refreshed(run: Experiment[Settings], grow_step: int) -> Experiment[Settings]:
    """The run as the Improve steps of a Grow step see it: by the refreshed scorer, where there is one."""
    if not run.folder.has(refresh_stage(grow_step)):
        return run
    return replace(run, evaluator=run.evaluator.rescored(scorer_at(run, grow_step)))


def reward_column(run: Experiment[Settings], grow_step: int) -> str | None:
    """Column of the rewards that a Grow step's filters go by; None for the shards' own."""
    stage = refresh_stage(grow_step)
    return stage if run.folder.has(stage) else None


def accuracies(rated: Sequence[Rating], before: Scorer, after: Scorer, by: str) -> dict[str, Any] | None:
    """Within-source accuracy of two scorers, and the difference with its standard error.

    None of fewer than :data:`LEAST_COMPARED` sources, or where no two translations of a source differ in quality.

    Args:
        rated: Translations that neither of them learned from.
        before: The one.
        after: The other.
        by: Who rated.
    """
    sources, texts = [each.source for each in rated], [each.hypothesis for each in rated]
    if (count := len(set(sources))) < LEAST_COMPARED:
        return None
    quality = np.array([each.score for each in rated], dtype=np.float32)
    known: list[RankAccuracy | None] = [
        rank_accuracy(sources, quality, checked_scores(scorer, sources, texts)) for scorer in (before, after)
    ]
    old, new = known
    if old is None or new is None:
        return None
    return {
        "by": by,
        "sources": count,
        "before": old.value,
        "after": new.value,
        "pairs": old.pairs,
        "difference": new.value - old.value,
        "error": new.difference_error(old),
    }


def refresh_sentence(record: dict[str, Any]) -> str:
    """What a refresh did."""
    ratings = f"scorer refreshed on {record['ratings']:,} ratings at Grow {record['grow']}"
    if all(part["epoch"] == 0 for part in record["parts"]):
        ratings += ", and left as it was, for no pass over them lowered the loss on those held out"
    accuracy = record["accuracy"]
    if accuracy is None:
        return (
            f"{ratings}; its accuracy is not known: fewer than {LEAST_COMPARED} sources that it did not learn from, or "
            "none whose samples differ"
        )
    difference, low, high = _change(accuracy)
    first = record.get("since_first")  # which runs of before 2026-12-01 lack
    since = "" if record["grow"] == 1 or first is None else f"; the run's first scorer: {first['before']:.3f}"
    return (
        f"{ratings}: within-source accuracy by {_RATERS[accuracy['by']]} on {accuracy['pairs']:,} pairs of samples of "
        f"{accuracy['sources']:,} sources that it did not learn from: {accuracy['before']:.3f} before, "
        f"{accuracy['after']:.3f} after, {difference:+.3f} [{low:+.3f}, {high:+.3f}]{since}"
    )


def refresh_warnings(record: dict[str, Any]) -> list[str]:
    """What speaks against a refreshed scorer."""
    accuracy, scorer = record["accuracy"], f"WARNING: the scorer refreshed at Grow {record['grow']}"
    said = [f"{scorer} is near chance where the one before was not: {each}." for each in losses(**record["unit_tests"])]
    if accuracy is not None and _change(accuracy)[2] < 0:
        said.append(f"{scorer} ranks samples worse than the one before; have more sources rated.")
    return said


_RATERS = {ORACLE: "the oracle", "people": "people"}


def _change(accuracy: dict[str, Any]) -> tuple[float, float, float]:
    """The difference of the accuracies, and the ends of its 95 % interval."""
    half = 1.96 * accuracy["error"]
    return accuracy["difference"], accuracy["difference"] - half, accuracy["difference"] + half


def _by_oracle(data: Slice, task: Task) -> list[Rating]:
    sources, texts = texts_of(data, task)
    assert task.oracle is not None
    qualities = task.oracle(sources, texts)
    return [Rating(*each) for each in zip(sources, texts, qualities.tolist(), strict=True)]


def _of_sources(data: Slice, rows: NDArray[np.int64]) -> Slice:
    return data.where(np.isin(data.source_index, rows))

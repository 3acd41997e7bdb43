"""Refresh of a run's scorer after a Grow step: new ratings of some of its samples, further training, new rewards.

The first scorer measures all steps. What was refreshed gives the rewards that the Grow step's filters go by, in a
column beside the first one's, and the validation reward that its Improve steps watch. Each refresh goes on from the one
before.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from buffers import GrowingBatchBuffer, Slice, rescore, source_texts
from experiments.runs.experiment import Experiment
from experiments.runs.settings import Settings
from experiments.scorer_training.estimator_config import HeadConfig
from experiments.scorer_training.rank_accuracy import RankAccuracy, rank_accuracy
from experiments.scorer_training.ratings import Rating, read_ratings
from seq2seq_env.scorers import Scorer, checked_scores, load_scorer
from seq2seq_env.tasks import Task

ORACLE = "oracle"
"""Who rates, where it is no file."""

FOLDER = "scorers"
"""Folder within a run's, with the refreshed scorers, one a Grow step."""

CHECKED = 500
"""Sources that were not rated, on whose samples the scorers before and after are compared."""


def refresh_stage(grow_step: int) -> str:
    """Stage of a Grow step's refresh, which its column of rewards is called, too."""
    return f"refreshed-{grow_step}"


def check_options(raters: str | None, sources: int, *, rewrites: bool) -> None:
    """Refuse options that no task and no scorer can go with.

    Args:
        raters: :data:`ORACLE`, or a table of ratings; None for no refresh.
        sources: Sources whose samples the oracle rates.
        rewrites: Whether what the filter refuses is rewritten.

    Raises:
        ValueError: If a number is out of range, or rewrites would be judged by another scorer than samples.
        FileNotFoundError: If there are no such ratings.
    """
    if sources < 20:
        raise ValueError(f"refresh_sources is {sources}; give 20 or more")
    if raters is None:
        return
    if raters != ORACLE and not Path(raters).is_file():
        raise FileNotFoundError(f"no ratings in {raters!r}; name a table of them, or {ORACLE}")
    if rewrites:
        raise ValueError(
            "--data.rewrite scores its rewrites by the run's scorer, and --refresh-scorer filters by another; leave "
            "out one of them"
        )


def check(raters: str | None, task: Task, scorer: Scorer) -> None:
    """Refuse a refresh that cannot work, before anything is trained.

    Args:
        raters: :data:`ORACLE`, or a table of ratings; None for no refresh.
        task: Of the run.
        scorer: Of the run.

    Raises:
        ValueError: If the task has no oracle to ask, or the scorer cannot be trained further.
        OSError: If the ratings cannot be read.
    """
    if raters is None:
        return
    from experiments.scorer_training.refresh import check_trainable

    check_trainable(scorer)
    if raters != ORACLE:
        read_ratings(Path(raters))
    elif task.oracle is None:
        raise ValueError(
            f"--refresh-scorer oracle: task {task.name!r} has none; name a table of people's ratings, which rest rate "
            "makes"
        )


def refresh_scorer(
    run: Experiment[Settings], buffer: GrowingBatchBuffer, grow_step: int, raters: str, rated_sources: int
) -> None:
    """Rate, train further, and rescore a Grow step's batch, unless the run's folder has it.

    Args:
        run: Gives the scorer, the task and the seed.
        buffer: Holds the original data as Grow step 0, and the Grow step.
        grow_step: Number g, from 1.
        raters: :data:`ORACLE`, or a table of ratings.
        rated_sources: Sources whose samples the oracle rates.

    Raises:
        ValueError: If there are too few ratings, or they are not those that the scorer was trained on.
        OSError: If something cannot be read or written.
    """
    stage = refresh_stage(grow_step)
    made = f"{stage}.scorer"
    if not run.folder.has(made):
        writes = run.folder.is_writer
        run.folder.finish(made, _refresh(run, buffer, grow_step, raters, rated_sources) if writes else None)
    record = run.folder.result(made)
    _check_ratings(record, raters)
    if run.folder.has(stage):
        return
    if run.folder.is_writer:
        for step in (0, grow_step):
            rescore(buffer, scorer_at(run, grow_step), run.task, stage, grow_step=step)
        print(refresh_sentence(record))
    run.folder.finish(stage, record)


def _check_ratings(record: Mapping[str, Any], raters: str) -> None:
    """Refuse ratings that have changed since a scorer was trained on them."""
    if raters != ORACLE and _digest(raters) != record["ratings_sha256"]:
        raise ValueError(
            f"the ratings in {raters!r} are not those that Grow step {record['grow']}'s scorer was trained on; give "
            "these, or choose another --out"
        )


def _digest(file: str) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def _refresh(
    run: Experiment[Settings], buffer: GrowingBatchBuffer, grow_step: int, raters: str, rated_sources: int
) -> dict[str, Any]:
    """Make the refreshed scorer; what is known of it."""
    from experiments.scorer_training.refresh import refresh

    before, samples = scorer_at(run, grow_step - 1), buffer.select(grow_step=grow_step)
    samples = samples.where(~samples.is_reference)
    rows = np.random.default_rng([run.config.seed, grow_step]).permutation(np.unique(samples.source_index))
    if raters == ORACLE:
        ratings, digest = _by_oracle(_of_sources(samples, rows[:rated_sources]), run.task), None
    else:
        ratings, digest = read_ratings(Path(raters)), _digest(raters)
    folder = run.folder.path / FOLDER / refresh_stage(grow_step)
    if folder.exists():  # of a call that was killed
        shutil.rmtree(folder)
    seed, device = run.config.seed * 1000 + grow_step, run.config.device
    parts = refresh(before, ratings, HeadConfig(), folder, seed, device)
    after = load_scorer(folder, device=device)
    rated = {each.source for each in ratings}
    texts = source_texts(run.task, rows)
    unrated = _of_sources(samples, rows[[text not in rated for text in texts]][:CHECKED])
    return {
        "grow": grow_step,
        "raters": raters,
        "ratings": len(ratings),
        "ratings_sha256": digest,
        "before": before.fingerprint,
        "after": after.fingerprint,
        "parts": [asdict(part) for part in parts],
        "accuracy": accuracies(unrated, run.task, before, after),
    }


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


def accuracies(data: Slice, task: Task, before: Scorer, after: Scorer) -> dict[str, Any] | None:
    """Within-source accuracy of two scorers by the oracle, and the difference with its standard error.

    None where the task has no oracle, or no two samples of a source differ in quality.
    """
    if task.oracle is None or not len(data):
        return None
    sources, texts = _texts(data, task)
    quality = task.oracle(sources, texts)
    known: list[RankAccuracy | None] = [
        rank_accuracy(sources, quality, checked_scores(scorer, sources, texts)) for scorer in (before, after)
    ]
    old, new = known
    if old is None or new is None:
        return None
    return {
        "before": old.value,
        "after": new.value,
        "pairs": old.pairs,
        "difference": new.value - old.value,
        "error": new.difference_error(old),
    }


def refresh_sentence(record: dict[str, Any]) -> str:
    """What a refresh did."""
    ratings = f"scorer refreshed on {record['ratings']:,} ratings at Grow {record['grow']}"
    accuracy = record["accuracy"]
    if accuracy is None:
        return f"{ratings}; its accuracy is not known: no oracle, or no unrated source whose samples differ"
    half = 1.96 * accuracy["error"]
    difference, low, high = accuracy["difference"], accuracy["difference"] - half, accuracy["difference"] + half
    return (
        f"{ratings}: within-source accuracy on samples of other sources {accuracy['before']:.3f} before, "
        f"{accuracy['after']:.3f} after, {difference:+.3f} [{low:+.3f}, {high:+.3f}]"
    )


def _by_oracle(data: Slice, task: Task) -> list[Rating]:
    sources, texts = _texts(data, task)
    assert task.oracle is not None
    qualities = task.oracle(sources, texts)
    distinct = dict(zip(zip(sources, texts, strict=True), qualities.tolist(), strict=True))
    return [Rating(source, text, quality) for (source, text), quality in distinct.items()]


def _of_sources(data: Slice, rows: NDArray[np.int64]) -> Slice:
    return data.where(np.isin(data.source_index, rows))


def _texts(data: Slice, task: Task) -> tuple[list[str], list[str]]:
    stored = data.read()
    texts = task.tokenizer.decode(stored.tokens[low:high].tolist() for low, high in pairwise(stored.offsets))
    return source_texts(task, data.source_index), texts

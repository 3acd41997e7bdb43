"""The shipped scorer: what it must be worth on sentences it never saw."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest

import seq2seq_env.scorers
from experiments.scorer_training.corruptions import CORRUPTIONS, HELD_OUT_TESTS
from experiments.scorer_training.scorer_report import agreement, paraphrases, unit_tests
from seq2seq_env.scorers import Scorer, checked_scores, load_scorer
from seq2seq_env.tasks import Split, Task, load_task

FOLDER = Path(seq2seq_env.scorers.__file__).parent / "phrasebook_qe"


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("phrasebook-de-en", train_size=1, source_only_size=0, validation_size=150, test_size=150)


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return load_scorer("phrasebook-qe")


def test_it_is_small_and_safe() -> None:
    assert (FOLDER / "model.safetensors").stat().st_size < 5 * 2**20
    assert {path.suffix for path in FOLDER.iterdir()} <= {".json", ".safetensors"}


def test_it_ranks_damage_as_the_oracle_does(task: Task, scorer: Scorer) -> None:
    pairs, random = task.split("validation"), Random(0)
    sources, texts = [], []
    for source, reference in zip(pairs.sources, pairs.references, strict=True):
        made = [damage(random, source, reference, random.choice(pairs.references)) for damage in CORRUPTIONS.values()]
        hypotheses = [reference, *(text for text in made if text is not None)]
        sources += [source] * len(hypotheses)
        texts += hypotheses
    assert task.oracle is not None
    found = agreement(sources, task.oracle(sources, texts), checked_scores(scorer, sources, texts))
    assert found.kendall is not None
    assert found.pairwise is not None
    assert found.kendall > 0.65
    assert found.pairwise > 0.85


def test_its_score_falls_with_every_kind_of_damage(task: Task, scorer: Scorer) -> None:
    assert task.oracle is not None
    for name, result in unit_tests(scorer, task.split("test"), task.oracle, 0).items():
        least, mean = (0.75, 0.05) if name in HELD_OUT_TESTS else (0.9, 0.1)
        assert (result.falls or 0) > least, name
        assert (result.mean_fall or 0) > mean, name


def test_a_right_paraphrase_keeps_its_score(task: Task, scorer: Scorer) -> None:
    right = paraphrases(scorer, task, "test", 0)
    assert right.cases > 100
    assert (right.kept or 0) > 0.88
    assert abs((right.mean or 0) - (right.mean_reference or 1)) < 0.03


def test_it_does_not_reward_length(task: Task, scorer: Scorer) -> None:
    pairs = task.split("test")
    longer = Split("longer", pairs.sources, [f"{text} {text}" for text in pairs.references])
    whole = checked_scores(scorer, pairs.sources, pairs.references)
    twice = checked_scores(scorer, longer.sources, longer.references)
    assert float(np.mean(twice < whole)) > 0.95

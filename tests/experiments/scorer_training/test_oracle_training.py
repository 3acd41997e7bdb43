"""What the scorer of a task with an oracle is trained on: weak policies' samples and corruptions, rated once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from experiments.scorer_training import oracle_training
from experiments.scorer_training.oracle_training import hypotheses, rated, weak_policies
from seq2seq_env.tasks import Task, load_task
from tests.experiments.tiny_scorer import SMALL

CONFIG = replace(SMALL, rated_per_source=4, ratings=40)


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("phrasebook-de-en", train_size=40, validation_size=6, test_size=6, noise=0.0)


def test_without_samples_hypotheses_are_the_reference_and_corruptions(task: Task) -> None:
    sources, texts = hypotheses(CONFIG, task, "train", 40, [], samples=0, temperatures=(), seed=1)
    split = task.split("train")
    reference = dict(zip(split.sources, split.references, strict=True))
    counts = Counter(sources)
    assert len(counts) == 10
    assert set(counts.values()) == {4}
    for start in range(0, 40, 4):
        assert texts[start] == reference[sources[start]]
        assert len(set(sources[start : start + 4])) == 1
    assert hypotheses(CONFIG, task, "train", 40, [], samples=0, temperatures=(), seed=1) == (sources, texts)
    assert hypotheses(CONFIG, task, "train", 40, [], samples=0, temperatures=(), seed=2) != (sources, texts)


def test_a_small_split_gives_what_it_has(task: Task) -> None:
    sources, _ = hypotheses(CONFIG, task, "test", 4_000, [], samples=0, temperatures=(), seed=1)
    assert Counter(sources) == Counter(task.split("test").sources * 4)


def test_samples_of_the_policies_come_first(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracle_training, "POLICY_SIZES", {"d_model": 16, "num_heads": 2, "ffn_dim": 32})
    policies = weak_policies(CONFIG, task, [1], 400)
    assert len({policy.fingerprint for policy in policies}) == len(policies) == 4  # stages of one training
    sources, texts = hypotheses(
        CONFIG, task, "train", 40, policies[-1:], samples=CONFIG.rated_per_source, temperatures=(0.8,), seed=1
    )
    references = set(task.split("train").references)
    assert len(sources) == len(texts) == 40
    assert sum(text in references for text in texts) < 10


def test_ratings_are_the_oracles(task: Task) -> None:
    split = task.split("train")
    source, reference, other = split.sources[0], split.references[0], split.references[1]
    right, wrong = rated(task, [source, source], [reference, other])
    assert (right.score, task.oracle is not None) == (1.0, True)
    assert wrong.score is not None
    assert wrong.score < 1
    assert task.tokenizer.decode([right.hypothesis, right.source]) == [reference, source]

"""The phrasebook as a task: splits, seeds, noise, copies and refusals."""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from seq2seq_env.tasks.phrasebook import PhrasebookTask
from seq2seq_env.tasks.phrasebook.regimes import REGIMES
from seq2seq_env.tasks.phrasebook.task import MAX_WORDS, MIN_WORDS
from tests.pickling import sent

SPLITS = ("train", "validation", "test")


def small(**options: Any) -> PhrasebookTask:
    sizes = {"train_size": 150, "source_only_size": 70, "validation_size": 60, "test_size": 60, "noise": 0.5}
    return PhrasebookTask(**(sizes | options))


def test_the_default_training_split_has_many_word_forms() -> None:
    task = PhrasebookTask(regime="noisy-v1")
    forms = set()
    for index in range(5_000):
        first, *others = re.findall(r"[^\W\d_]+", task.pair("train", index)[0])
        forms |= {first.lower(), *others}
    assert len({form.lower() for form in forms}) >= 1_200


def test_sizes_and_lengths(phrasebook: PhrasebookTask) -> None:
    for name in SPLITS:
        split = phrasebook.split(name)
        assert split.name == name
        assert len(split) == phrasebook.size(name)
        assert all(MIN_WORDS <= len(source.split()) <= MAX_WORDS for source in split.sources)
    assert (PhrasebookTask().size("train"), PhrasebookTask().size("source-only")) == (4_000, 28_000)


def test_no_source_is_longer_than_one_may_be() -> None:
    # The first sentence that row 16,427 draws has 53 tokens.
    task = PhrasebookTask(regime="domain-v1", train_size=1)
    assert len(task.tokenizer.encode([task.pair("source-only", 16_427)[0]])[0]) <= task.max_source_length


def test_splits_are_disjoint_also_across_seeds(phrasebook: PhrasebookTask) -> None:
    other = PhrasebookTask(seed=1, regime="noisy-v1", train_size=1_200, validation_size=300, test_size=300)
    sources = {name: {*phrasebook.split(name).sources, *other.split(name).sources} for name in SPLITS}
    assert not sources["train"] & sources["validation"]
    assert not sources["train"] & sources["test"]
    assert not sources["validation"] & sources["test"]


def test_the_same_seed_gives_the_same_pairs_and_another_seed_others(phrasebook: PhrasebookTask) -> None:
    again = PhrasebookTask(regime="noisy-v1", train_size=1_200, validation_size=300, test_size=300)
    other = PhrasebookTask(seed=1, regime="noisy-v1", train_size=1_200, validation_size=300, test_size=300)
    for name in SPLITS:
        assert again.split(name) == phrasebook.split(name)
        common = set(other.split(name).sources) & set(phrasebook.split(name).sources)
        assert len(common) < 0.1 * phrasebook.size(name)


def test_a_larger_split_begins_with_the_smaller_one() -> None:
    assert small(train_size=40).split("train").sources == small().split("train").sources[:40]
    assert small(source_only_size=40).split("source-only").sources == small().split("source-only").sources[:40]


def test_a_row_is_the_same_alone_as_in_its_split() -> None:
    alone, whole = small(), small()
    for name in SPLITS:
        for index in (59, 0, 17):
            split = whole.split(name)
            assert alone.pair(name, index) == (split.sources[index], split.references[index])
    assert small().pair("source-only", 69) == (whole.split("source-only").sources[69], None)


def test_without_noise_every_reference_is_right() -> None:
    task = small(noise=0.0)
    for name in SPLITS:
        split = task.split(name)
        assert task.oracle(split.sources, split.references).tolist() == [1.0] * len(split)


def test_noise_spoils_about_its_share_of_training_references_alone(phrasebook: PhrasebookTask) -> None:
    train = phrasebook.split("train")
    right = np.mean(phrasebook.oracle(train.sources, train.references) == 1)
    assert abs(right - (1 - phrasebook.noise)) < 0.05  # 3.5 standard deviations of 1,200 draws
    for name in ("validation", "test"):
        split = phrasebook.split(name)
        assert phrasebook.oracle(split.sources, split.references).min() == 1


def test_noise_changes_references_and_never_sources() -> None:
    clean, noisy = small(noise=0.0).split("train"), small(noise=1.0).split("train")
    assert clean.sources == noisy.sources
    assert all(one != two for one, two in zip(clean.references, noisy.references, strict=True))


def test_faults_are_of_every_gravity_and_hardly_ever_harmless() -> None:
    task = small(noise=1.0, train_size=1_000)
    split = task.split("train")
    scores = task.oracle(split.sources, split.references)
    assert np.mean(scores == 1) < 0.01  # a dropped "that" is none
    assert np.mean(scores == 0) > 0.1
    assert np.mean((scores > 0.5) & (scores < 1)) > 0.3


def test_a_copy_by_pickle_is_the_same_task() -> None:
    for task in (small(), PhrasebookTask(3, train_size=20, noise=1)):
        task.split("train")
        copy = sent(task)
        assert copy.fingerprint == task.fingerprint
        assert copy.split("train") == task.split("train")
        assert len(pickle.dumps(task)) < 1_000


def test_the_fingerprint_knows_everything_that_makes_the_texts() -> None:
    changes: list[dict[str, Any]] = [{}, {"seed": 1}, {"noise": 0.2}, {"train_size": 9}, {"test_size": 9}]
    changes += [{"source_only_size": 9}, {"regime": "domain-v1"}, {"regime": "scorer-v1"}]
    prints = {small(**options).fingerprint for options in changes}
    assert len(prints) == 8
    assert small().fingerprint == small().fingerprint
    assert re.fullmatch("[0-9a-f]{64}", small().fingerprint)


REFUSED: list[tuple[Callable[[PhrasebookTask], object], type[Exception], str]] = [
    (lambda _: PhrasebookTask(train_size=0), ValueError, "train_size is 0; a split needs at least 1 sentence"),
    (lambda _: PhrasebookTask(test_size=-3), ValueError, "test_size is -3"),
    (lambda _: PhrasebookTask(source_only_size=-1), ValueError, "source_only_size is -1; give 0 or more"),
    (lambda _: PhrasebookTask(regime="lowres"), ValueError, "no regime 'lowres'; choose one of lowres-v1, domain-v1, "),
    (
        lambda task: task.split("source-only"),
        ValueError,
        "no split 'source-only'; choose one of train, validation, test",
    ),
    (lambda _: PhrasebookTask(noise=-0.1), ValueError, "noise is -0.1; it is a share, between 0 and 1"),
    (lambda _: PhrasebookTask(noise=float("nan")), ValueError, "noise is nan"),
    (lambda task: task.split("dev"), ValueError, "no split 'dev'; choose one of train, validation, test"),
    (lambda task: task.size("dev"), ValueError, "no split 'dev'"),
    (lambda task: task.pair("dev", 0), ValueError, "no split 'dev'"),
    (lambda task: task.pair("test", 300), IndexError, "row 300 is outside the test split; its rows are 0 to 299"),
    (lambda task: task.pair("test", -1), IndexError, "row -1"),
    (
        lambda task: task.oracle(["Guten Tag."], ["Hello."]),
        ValueError,
        r"does not know the source 'Guten Tag\.'; .*seed 0",
    ),
    (lambda task: task.oracle(["a", "b"], ["c"]), ValueError, "2 sources but 1 hypotheses"),
    (lambda task: task.wordings("Guten Tag."), ValueError, "does not know the source"),
]


@pytest.mark.parametrize(("ask", "error", "message"), REFUSED)
def test_refusals(
    phrasebook: PhrasebookTask, ask: Callable[[PhrasebookTask], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ask(phrasebook)


def test_the_oracle_knows_sources_that_were_not_drawn_yet() -> None:
    source, reference = small().pair("test", 5)
    assert reference is not None
    assert small().oracle([source], [reference]).tolist() == [1.0]


def test_wordings_are_distinct_right_and_begin_with_the_reference(phrasebook: PhrasebookTask) -> None:
    split = phrasebook.split("validation")
    for source, reference in list(zip(split.sources, split.references, strict=True))[:100]:
        wordings = phrasebook.wordings(source)
        assert wordings[0] == reference
        assert len(wordings) == len(set(wordings))
        assert phrasebook.oracle([source] * len(wordings), wordings).min() == 1


def test_references_are_any_of_the_right_wordings(phrasebook: PhrasebookTask) -> None:
    split = phrasebook.split("test")
    firsts = [PhrasebookTask._sentence(phrasebook, "test", row) for row in range(len(split))]
    several = [sum(1 for _ in sentence.wordings()) > 1 for sentence in firsts]
    moved = [sentence.reference != text for sentence, text in zip(firsts, split.references, strict=True)]
    assert 0.4 < sum(moved) / sum(several) < 0.9  # of n wordings the first is the reference once in n


def test_source_only_sentences_have_no_reference_and_stand_in_no_other_split() -> None:
    task = small()
    alone = task.split("source-only")
    assert task.has_source_only
    assert (len(alone), alone.references) == (70, [])
    for name in SPLITS:
        assert not set(alone.sources) & set(task.split(name).sources)
    judged = small(source_only_size=70)
    assert judged.oracle([alone.sources[3]], judged.wordings(alone.sources[3])[:1]).tolist() == [1.0]


def test_sources_of_the_scorer_stand_in_no_other_regime() -> None:
    scorer = set(small(regime="scorer-v1", train_size=600).split("train").sources)
    for regime in REGIMES.keys() - {"scorer-v1"}:
        task = small(regime=regime, train_size=600, source_only_size=600)
        for name in (*SPLITS, "source-only"):
            assert not scorer & set(task.split(name).sources)


def test_a_domain_has_pairs_of_simple_sentences_and_sources_of_compound_ones() -> None:
    task = small(regime="domain-v1", noise=0.0)
    compound = re.compile(r", | und ")
    assert not any(compound.search(source) for source in task.split("train").sources)
    for name in ("source-only", "validation", "test"):
        assert all(compound.search(source) for source in task.split(name).sources)


FROZEN = {
    "lowres-v1": "0574e363c654caa1",
    "domain-v1": "5403edbb80f048af",
    "noisy-v1": "73b1b764cd085212",
    "clean-v1": "ef79965b1f90f3e2",
    "scorer-v1": "4031425222aaa4d5",
}
"""Digests of each regime's first rows."""


@pytest.mark.parametrize("regime", FROZEN)
def test_a_regime_is_frozen(regime: str) -> None:
    task = PhrasebookTask(regime=regime)
    splits = [name for name in (*SPLITS, "source-only") if name in SPLITS or task.has_source_only]
    sizes = [task.size(name) for name in splits]
    rows = [task.pair(name, row) for name in SPLITS for row in range(40)]
    digest = hashlib.sha256(repr((sizes, rows)).encode()).hexdigest()
    assert digest[:16] == FROZEN[regime], "what a regime gives never changes: give the new recipe another version"

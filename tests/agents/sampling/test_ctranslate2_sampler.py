from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

import agents.sampling.ctranslate2_sampler as module
from agents import CTranslate2Sampler, Seq2SeqPolicy
from buffers import GrowingBatchBuffer, InThreads, Samples, grow
from seq2seq_env.constraint import Constraint
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks.task import Task

SOURCES = ["eins rot haus", "zwei", "drei blau", "zwei gruen hund"]


def rows(samples: Samples) -> list[list[int]]:
    return [samples.tokens[low:high].tolist() for low, high in pairwise(samples.offsets)]


def scored(policy: Seq2SeqPolicy, samples: Samples, temperature: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    sources = [SOURCES[i] for i in samples.source_index]
    return np.concatenate(policy.log_probs(policy.encode(sources), rows(samples), temperature))


@pytest.mark.parametrize("temperature", [0.7, 1.0, 1.6])
def test_log_probabilities_are_the_policys_at_the_temperature(trained: Seq2SeqPolicy, temperature: float) -> None:
    samples = CTranslate2Sampler(trained).sample(trained.encode(SOURCES), 20, temperature, seed=3)
    np.testing.assert_allclose(samples.log_prob, scored(trained, samples, temperature), rtol=0, atol=2e-5)


def test_both_engines_draw_from_one_distribution(policy: Seq2SeqPolicy) -> None:
    """Token and length counts, ends and mean log-probability agree within sampling error, on 6,000 samples each."""
    ours = policy.sample(policy.encode(SOURCES), 1500, 0.9, seed=1)
    theirs = CTranslate2Sampler(policy).sample(policy.encode(SOURCES), 1500, 0.9, seed=1)
    for values in ([ours.tokens, theirs.tokens], [np.diff(ours.offsets), np.diff(theirs.offsets)]):
        counts = np.stack([np.bincount(numbers, minlength=20) for numbers in values])
        counts = counts[:, counts.sum(0) >= 10]
        assert stats.chi2_contingency(counts).pvalue > 0.001
    ends = [[int(samples.terminated.sum()), int((~samples.terminated).sum())] for samples in (ours, theirs)]
    assert stats.chi2_contingency(ends).pvalue > 0.001
    one, other = (np.add.reduceat(samples.log_prob, samples.offsets[:-1]) for samples in (ours, theirs))
    assert stats.ks_2samp(one.tolist(), other.tolist()).pvalue > 0.001


def test_samples_are_a_source_together_in_the_order_of_the_sources(trained: Seq2SeqPolicy) -> None:
    samples = CTranslate2Sampler(trained).sample(trained.encode(SOURCES), 3, 0.01, seed=0)  # all but greedy
    assert samples.source_index.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert samples.texts == [text for text in trained.translate(SOURCES) for _ in range(3)]
    assert samples.terminated.all()
    assert all(
        row.count(trained.tokenizer.eos_id) == 1 and row[-1] == trained.tokenizer.eos_id for row in rows(samples)
    )


def test_a_sample_that_the_limit_cuts_is_truncated(policy: Seq2SeqPolicy) -> None:
    samples = CTranslate2Sampler(policy).sample(policy.encode(SOURCES), 50, 1.0, seed=1)  # untrained: ends by chance
    lengths = np.diff(samples.offsets)
    assert lengths.min() == 1
    assert lengths.max() == policy.max_target_length
    ended = np.array([row[-1] == policy.tokenizer.eos_id for row in rows(samples)])
    np.testing.assert_array_equal(samples.terminated, ended)
    assert not samples.terminated.all()
    assert (lengths[~samples.terminated] == policy.max_target_length).all()


def test_a_constraint_is_kept_to(policy: Seq2SeqPolicy) -> None:
    narrow = policy.constrained(Constraint(frozenset({3, 12, 13}), (2, 12)))
    samples = CTranslate2Sampler(narrow).sample(narrow.encode(SOURCES), 30, 1.0, seed=1)
    assert all(row[:2] == [2, 12] and set(row[2:]) <= {0, 3, 12, 13} for row in rows(samples))
    assert np.diff(samples.offsets).max() == policy.max_target_length
    np.testing.assert_allclose(samples.log_prob, scored(narrow, samples, 1.0), rtol=0, atol=2e-5)


def test_samples_are_the_same_on_any_number_of_threads(trained: Seq2SeqPolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SOURCES_PER_STREAM", 3)
    sources = SOURCES * 4
    alone = CTranslate2Sampler(trained).sample(trained.encode(sources), 5, 1.2, seed=7)
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        for _ in range(3):
            together = CTranslate2Sampler(trained).sample(trained.encode(sources), 5, 1.2, seed=7)
            np.testing.assert_array_equal(together.tokens, alone.tokens)
            np.testing.assert_array_equal(together.log_prob, alone.log_prob)
    finally:
        torch.set_num_threads(threads)
    assert CTranslate2Sampler(trained).sample(trained.encode(sources), 5, 1.2, seed=8).texts != alone.texts


def test_grow_gives_the_same_bytes_on_any_number_of_threads(
    trained: Seq2SeqPolicy, fake_scorer: Scorer, tiny_task: Task, tmp_path: Any
) -> None:
    found = []
    for threads in (1, 3):
        folder = tmp_path / str(threads)
        grow(
            CTranslate2Sampler(trained), fake_scorer, tiny_task, GrowingBatchBuffer(folder), grow_step=1, candidates=3,
            temperature=1.0, seed=2, sources_per_shard=4, workers=InThreads(threads), progress=False,
        )  # fmt: skip
        found.append({path.name: path.read_bytes() for path in sorted(folder.glob("*.h5"))})
    assert found[0] == found[1]
    assert len(found[0]) > 2
    provenance = GrowingBatchBuffer(tmp_path / "1").shards[0].provenance
    assert provenance.sampler.startswith("ctranslate2 ")
    assert provenance.sampler.endswith(" float32")


def test_a_sampler_travels_to_another_process(trained: Seq2SeqPolicy) -> None:
    sampler = CTranslate2Sampler(trained)
    there = copy.deepcopy(sampler)
    np.testing.assert_array_equal(
        there.sample(there.encode(SOURCES), 2, 1.0, 0).tokens, sampler.sample(sampler.encode(SOURCES), 2, 1.0, 0).tokens
    )


def test_nothing_to_sample(trained: Seq2SeqPolicy) -> None:
    assert len(CTranslate2Sampler(trained).sample(trained.encode([]), 3, 1.0, seed=0)) == 0


def test_a_policy_trained_meanwhile_is_refused(trained: Seq2SeqPolicy) -> None:
    sampler = CTranslate2Sampler(trained)
    sampler.sample(sampler.encode(SOURCES), 1, 1.0, seed=0)
    with torch.no_grad():
        next(trained.model.parameters()).add_(1)
    for temperature in (1.0, 0.5):  # converted before the training, and not
        with pytest.raises(RuntimeError, match="has been trained since this sampler was made"):
            sampler.sample(sampler.encode(SOURCES), 1, temperature, seed=0)
    # Nor are references given the log-probabilities of another policy than the one that the shard names.
    with pytest.raises(RuntimeError, match="has been trained since this sampler was made"):
        sampler.log_probs(sampler.encode(SOURCES[:1]), [[3, 0]])


def test_weights_that_are_not_finite_are_named(policy: Seq2SeqPolicy) -> None:
    with torch.no_grad():
        next(policy.model.parameters())[5] = torch.nan
    with pytest.raises(FloatingPointError, match="logits are not finite; load an earlier checkpoint"):
        CTranslate2Sampler(policy).sample(policy.encode(SOURCES), 1, 1.0, seed=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[3, 0]], 0, 1.0, 0), "num_candidates is 0; give at least 1"),
        (([[3, 0]], 1, 0.0, 0), "temperature is 0.0; give a number above 0"),
        (([[]], 1, 1.0, 0), "source 0 has 0 tokens"),
        (([[3, 0]], 1, 1.0, -1), "seed is -1; give an integer from 0"),
    ],
)
def test_what_cannot_be_sampled_is_refused(policy: Seq2SeqPolicy, arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CTranslate2Sampler(policy).sample(*arguments)

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from agents import Seq2SeqPolicy
from buffers import GrowingBatchBuffer
from experiments.datasets import texts
from experiments.datasets.making import Dataset
from experiments.datasets.recipes import DATASETS
from experiments.datasets.texts import PublishedSampler, load_texts, of_policy, save_texts, sources_key
from seq2seq_env.tasks import Task


def test_texts_of_a_policy_are_its_own_samples(
    dataset: Dataset, policies: Sequence[Seq2SeqPolicy], monolingual_task: Task, tmp_path: Path
) -> None:
    buffer = GrowingBatchBuffer(dataset.folder)
    save_texts("one", buffer.shards, tmp_path)
    known = load_texts("one", tmp_path)
    shard = buffer.shards[-1].read()
    sources = [each.tolist() for each in np.split(shard.source_tokens, shard.source_offsets[1:-1])]
    assert [len(each) for each in known.values()] == [6, 2]  # sources
    second = of_policy(known, 1, 2)[sources_key(sources)]
    samples = [row for row in np.flatnonzero(~shard.is_reference) if shard.source_index[row] == shard.source_rows[0]]
    mine = [shard.tokens[shard.offsets[row] : shard.offsets[row + 1]].tolist() for row in samples]
    assert [target.tolist() for target in second[0]] == mine[2:]
    assert load_texts("none", tmp_path) == {}


def sampled(policy: Seq2SeqPolicy | PublishedSampler, sources: list[list[int]]) -> list[list[int]]:
    samples = policy.sample(sources, 2, 0.8, 5)
    return [each.tolist() for each in np.split(samples.tokens, samples.offsets[1:-1])]


def test_what_rounding_changed_is_put_right(
    policies: Sequence[Seq2SeqPolicy], monolingual_task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = policies[0]
    sources = policy.encode(monolingual_task.split("train").sources[:4])
    mine = sampled(policy, sources)
    given = [mine[2 * row : 2 * row + 2] for row in range(4)]
    given[2][1] = sampled(policies[1], sources)[0]
    assert given[2][1] != mine[5]
    published = [[np.array(each, dtype=np.int32) for each in targets] for targets in given]
    sampler = PublishedSampler(policy, {sources_key(sources): published})
    assert sampled(sampler, sources) == mine  # an eighth of all is no rounding
    monkeypatch.setattr(texts, "MOST", 0.2)
    assert sampled(sampler, sources) == [each for targets in given for each in targets]
    samples = sampler.sample(sources, 2, 0.8, 5)
    exact = policy.log_probs([sources[2]], [given[2][1]], 0.8)[0]
    assert samples.log_prob[samples.offsets[5] : samples.offsets[6]] == pytest.approx(exact, abs=1e-6)
    assert samples.texts[5] == policy.tokenizer.decode([given[2][1]])[0]
    assert samples.source_index.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert (sampler.fingerprint, sampler.engine) == (policy.fingerprint, policy.engine)


def test_sources_without_published_texts_are_sampled(policies: Sequence[Seq2SeqPolicy], monolingual_task: Task) -> None:
    sources = policies[0].encode(monolingual_task.split("train").sources[:2])
    assert sampled(PublishedSampler(policies[0], {}), sources) == sampled(policies[0], sources)


def test_texts_that_are_shipped_are_a_published_data_sets_and_small() -> None:
    shipped = {file.name.removesuffix(texts.SUFFIX) for file in texts.FOLDER.glob("*.xz")}
    assert shipped == {name.rpartition("/")[2] for name in DATASETS}
    for name in shipped:
        recipe = DATASETS[f"translation/{name}"]
        shards = load_texts(name)
        assert sum(len(shard) for shard in shards.values()) == recipe.sources
        assert {len(targets) for shard in shards.values() for targets in shard} == {
            recipe.candidates * len(recipe.policies)
        }
    assert sum(file.stat().st_size for file in texts.FOLDER.iterdir()) < 1_500_000

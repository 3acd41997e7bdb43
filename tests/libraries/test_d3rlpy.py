"""d3rlpy: a flat environment shows what the buffer's data set holds, and d3rlpy's evaluator finds the mean score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from agents.d3rlpy_adapter.algorithms import seeded
from buffers import Slice, Trajectories, d3rlpy_module, to_d3rlpy
from seq2seq_env.wrappers import FlatObservation
from tests.libraries.conftest import WordTask
from tests.pickling import sent

pytest.importorskip("d3rlpy")

TEXTS = ["one", "two three", "", "red red red"]
"""What is written of each source; the last has no room for the end."""
SCORES = np.array([1.0, 0.5, 0.0, 1.0])


def tokens_of(words: WordTask, text: str) -> list[int]:
    return words.tokenizer.encode([text])[0][: words.max_target_length]


@pytest.fixture
def data(words: WordTask) -> Slice:
    sources = words.tokenizer.encode(words.split("train").sources)
    targets = [tokens_of(words, text) for text in TEXTS]
    return Slice.from_trajectories(
        Trajectories(
            source_index=np.arange(4),
            offsets=np.cumsum([0, *map(len, targets)]),
            tokens=np.concatenate(targets).astype(np.int32),
            log_prob=np.full(sum(map(len, targets)), -1.0, dtype=np.float32),
            terminated=np.array([True, True, True, False]),
            reward=SCORES.astype(np.float32),
            is_reference=np.zeros(4, dtype=np.bool_),
            source_rows=np.arange(4),
            source_offsets=np.cumsum([0, *map(len, sources)]),
            source_tokens=np.concatenate(sources).astype(np.int32),
        ),
        words.tokenizer.pad_id,
    )


@pytest.fixture
def dataset(data: Slice, words: WordTask, env: gym.Env[Any, Any]) -> Any:
    actions: Any = env.action_space
    return to_d3rlpy(
        data,
        max_source_length=words.max_source_length,
        max_target_length=words.max_target_length,
        vocab_size=actions.n,
    )


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "float32"])
def test_the_environment_shows_what_the_data_set_holds(
    dtype: str, env: gym.Env[Any, Any], dataset: Any, words: WordTask
) -> None:
    flat: gym.Env[Any, Any] = FlatObservation(env, dtype)
    for row, episode in enumerate(dataset.episodes):
        observation, _ = flat.reset(options={"source_index": row})
        observations, rewards, done = [], [], False
        for action in tokens_of(words, TEXTS[row]):
            assert not done
            observations.append(observation)
            observation, reward, terminated, truncated, _ = flat.step(action)
            rewards.append([reward])
            done = terminated or truncated
        assert done
        assert {seen.dtype for seen in observations} == {np.dtype(dtype)}
        np.testing.assert_array_equal(observations, episode.observations)
        np.testing.assert_array_equal(rewards, episode.rewards)


@pytest.mark.parametrize("dtype", ["int64", "float32"])
def test_the_evaluator_finds_the_mean_score(
    dtype: str, arguments: dict[str, Any], dataset: Any, tmp_path: Path
) -> None:
    """Behaviour cloning writes what the data set holds, so that each source's score is known."""
    d3rlpy = d3rlpy_module()
    # it knows no masks
    flat = FlatObservation(gym.make("Seq2SeqTranslate-v0", masked_action_penalty=1.0, **arguments), dtype)
    flat.reset(seed=5)
    copy = sent(flat)
    drawn = [copy.reset()[1]["source_index"] for _ in range(10)]
    with seeded(d3rlpy, 0):
        algorithm = d3rlpy.algos.DiscreteBCConfig(batch_size=32, learning_rate=1e-2, beta=0.0).create()
        history = algorithm.fit(
            dataset,
            n_steps=100,
            n_steps_per_epoch=100,
            evaluators={"score": d3rlpy.metrics.EnvironmentEvaluator(flat, n_trials=10)},
            logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
            show_progress=False,
        )
        algorithm.save(str(tmp_path / "cloned.d3"))
        again = d3rlpy.load_learnable(str(tmp_path / "cloned.d3"))
    assert set(drawn) == {0, 1, 2, 3}
    assert history[-1][1]["score"] == pytest.approx(SCORES[drawn].mean())
    seen = dataset.episodes[0].observations
    np.testing.assert_array_equal(again.predict(seen), dataset.episodes[0].actions[:, 0])

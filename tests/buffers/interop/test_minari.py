"""Minari: its own loader and collector, and the environment, understand what we write and write what we understand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import minari
import numpy as np
import pytest
from minari.data_collector.episode_buffer import EpisodeBuffer

from buffers import Slice, Trajectories, from_minari, to_minari
from buffers.interop.minari import minari_bytes
from buffers.interop.rows import join_all
from seq2seq_env.env import Seq2SeqTranslateEnv
from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.tasks import load_task
from seq2seq_env.tasks.task import Task
from seq2seq_env.tokenization.tokenizer import Tokenizer
from tests.conftest import PretrainedTask

PAD = 18

collecting = pytest.mark.filterwarnings(
    "ignore:`eval_env` is set to None:UserWarning",
    "ignore:env_spec is None:UserWarning",
    "ignore:Implicitly cleaning up:ResourceWarning",  # of the collector's own temporary folder
)
"""What Minari warns of where an environment was not made by its name."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    return tmp_path


@pytest.fixture
def env(tiny_task: Task, fake_scorer: Scorer) -> Seq2SeqTranslateEnv:
    """A limit of three tokens, so that random episodes of both ends occur."""
    made = Seq2SeqTranslateEnv(task=tiny_task, scorer=fake_scorer, max_target_length=3)
    made.action_space.seed(4)
    return made


class KnownRows(minari.StepDataCallback):  # type: ignore[misc]  # Minari has no types
    """Records where the source stands, and a log-probability, of the infos."""

    def __call__(self, env: gym.Env[Any, Any], **step: Any) -> Any:
        info = {"source_index": step["info"]["source_index"], "log_prob": np.float32(-0.5)}
        return super().__call__(env, **{**step, "info": info})


def roll(env: gym.Env[Any, Any], episodes: int) -> Iterator[tuple[list[Any], list[int], list[float], bool]]:
    """Observations, actions, rewards and termination of random episodes, every seventh action ending it."""
    for seed in range(episodes):
        observation, _ = env.reset(seed=seed)
        observations, actions, rewards, done, terminated = [observation], [], [], False, False
        while not done:
            action = int(env.action_space.sample()) % 7
            observation, reward, terminated, truncated, _ = env.step(action)
            observations.append(observation)
            actions.append(action)
            rewards.append(float(reward))
            done = terminated or truncated
        yield observations, actions, rewards, terminated


def collect(collector: minari.DataCollector, dataset_id: str) -> Any:
    episodes = list(roll(collector, 12))
    arguments = dict.fromkeys(("algorithm_name", "author", "author_email", "code_permalink", "description"), "test")
    made = collector.create_dataset(dataset_id, **arguments)
    collector._tmp_dir.cleanup()  # close() would leave the object to warn, in whichever test it is collected
    return made, episodes


def test_an_episode_is_what_the_environment_shows(
    trajectories: Trajectories, tiny_task: Task, env: Seq2SeqTranslateEnv
) -> None:
    """Recorded steps become trajectories by hand; Minari then gives the recorded steps back."""
    episodes = list(roll(env, 12))
    assert {terminated for *_, terminated in episodes} == {True, False}
    source = [seen[0]["source"][: seen[0]["source_length"][0]] for seen, *_ in episodes]
    length = sum(len(actions) for _, actions, *_ in episodes)
    made = Trajectories(
        source_index=np.arange(12),
        offsets=np.cumsum([0, *(len(actions) for _, actions, *_ in episodes)]),
        tokens=np.concatenate([actions for _, actions, *_ in episodes]).astype(np.int32),
        log_prob=np.linspace(-2, 0, length, dtype=np.float32),
        terminated=np.array([terminated for *_, terminated in episodes]),
        reward=np.array([rewards[-1] for _, _, rewards, _ in episodes], dtype=np.float32),
        is_reference=np.arange(12) % 2 == 0,
        source_rows=np.arange(12),
        source_offsets=np.cumsum([0, *map(len, source)]),
        source_tokens=np.concatenate(source).astype(np.int32),
    )
    small = _limited(tiny_task, 3)
    to_minari(Slice.from_trajectories(made, PAD), "tiny/grown-v2", task=small, description="of a test")
    found = minari.load_dataset("tiny/grown-v2")
    assert found.observation_space == env.observation_space
    assert found.action_space == gym.spaces.Discrete(tiny_task.tokenizer.vocab_size)
    assert found.storage.metadata["description"] == "of a test"
    assert (found.total_episodes, found.total_steps) == (12, length)
    assert list(minari.list_local_datasets()) == ["tiny/grown-v2"]
    for row, (episode, (seen, actions, rewards, terminated)) in enumerate(
        zip(found.iterate_episodes(), episodes, strict=True)
    ):
        for name, values in episode.observations.items():
            assert values.dtype == np.int64
            np.testing.assert_array_equal(values, [observation[name] for observation in seen])
        assert episode.actions.tolist() == actions
        assert episode.rewards.tolist() == rewards
        assert episode.terminations.tolist() == [False] * (len(actions) - 1) + [terminated]
        assert episode.truncations.tolist() == [False] * (len(actions) - 1) + [not terminated]
        assert np.isnan(episode.infos["log_prob"][0])
        assert (
            episode.infos["log_prob"][1:].tobytes()
            == made.log_prob[made.offsets[row] : made.offsets[row + 1]].tobytes()
        )
        assert episode.infos["source_index"].tolist() == [row] * (len(actions) + 1)
        assert episode.infos["grow_step"].tolist() == [-1] * (len(actions) + 1)
        assert episode.infos["candidate"].tolist() == [-1 if row % 2 == 0 else 0] * (len(actions) + 1)


def _limited(task: Task, max_target_length: int) -> Task:
    """A task with another length limit."""
    made = object.__new__(type(task))
    vars(made).update(vars(task), max_target_length=max_target_length)
    return made


@collecting
def test_what_the_collector_records_becomes_trajectories(env: Seq2SeqTranslateEnv) -> None:
    made, episodes = collect(minari.DataCollector(env), "random-v0")
    found = from_minari(made)
    assert found.tokens.tolist() == [action for _, actions, *_ in episodes for action in actions]
    assert found.reward.tolist() == [rewards[-1] for _, _, rewards, _ in episodes]
    assert found.terminated.tolist() == [terminated for *_, terminated in episodes]
    assert np.isnan(found.log_prob).all()
    assert not found.is_reference.any()
    numbers: dict[tuple[int, ...], int] = {}
    sources = [tuple(seen[0]["source"]) for seen, *_ in episodes]
    assert found.source_index.tolist() == [numbers.setdefault(source, len(numbers)) for source in sources]
    long = made.filter_episodes(lambda episode: len(episode) > 1)
    assert from_minari(long).target_lengths.tolist() == [len(a) for _, a, *_ in episodes if len(a) > 1]


@collecting
def test_an_end_that_the_limit_made_is_told_by_the_token(tiny_task: Task, fake_scorer: Scorer) -> None:
    env = Seq2SeqTranslateEnv(task=tiny_task, scorer=fake_scorer, max_target_length=3, limit_terminates=True)
    env.action_space.seed(4)
    made, episodes = collect(minari.DataCollector(env), "random-v0")
    assert from_minari(made).terminated.all()
    ended = [actions[-1] == tiny_task.tokenizer.eos_id for _, actions, *_ in episodes]
    assert from_minari(made, eos_id=tiny_task.tokenizer.eos_id).terminated.tolist() == ended
    assert set(ended) == {True, False}


@collecting
def test_a_source_need_not_end_as_a_target_does(
    pretrained_task: Callable[[str], PretrainedTask], fake_scorer: Scorer
) -> None:
    task = pretrained_task("mbart")
    env = Seq2SeqTranslateEnv(task=task, scorer=fake_scorer)
    collector = minari.DataCollector(env)
    observation, _ = collector.reset(seed=0)
    assert observation["source"][observation["source_length"][0] - 1] != task.tokenizer.eos_id
    collector.step(task.tokenizer.eos_id)
    arguments = dict.fromkeys(("algorithm_name", "author", "author_email", "code_permalink", "description"), "test")
    made = collector.create_dataset("mbart-v0", **arguments)
    collector._tmp_dir.cleanup()
    assert from_minari(made).terminated.tolist() == [True]


@collecting
def test_what_the_collector_records_of_infos_is_kept(env: Seq2SeqTranslateEnv, tiny_task: Task) -> None:
    collector = minari.DataCollector(env, record_infos=True, step_data_callback=KnownRows)
    made, episodes = collect(collector, "random-v0")
    found = from_minari(made)
    assert set(found.log_prob.tolist()) == {-0.5}
    for row, (seen, *_) in zip(found.source_index, episodes, strict=True):
        tokens = tiny_task.tokenizer.encode([tiny_task.pair("train", int(row))[0]])[0]
        assert seen[0]["source"][: len(tokens)].tolist() == tokens


def test_the_environment_is_recovered(fake_scorer: Scorer) -> None:
    task = load_task("phrasebook-de-en")
    pairs = Slice.from_pairs(["Der Zug fährt."], ["The train goes."], task.tokenizer, 48, 48)
    made = to_minari(pairs, "pairs-v0", task=task)
    with made.recover_environment(scorer=fake_scorer) as env:
        assert env.observation_space == made.observation_space
        assert env.unwrapped.task.fingerprint == task.fingerprint
    other = load_task("phrasebook-de-en", noise=0.25)
    assert to_minari(pairs, "pairs-v1", task=other).env_spec is None


def test_what_does_not_fit_is_refused(home: Path, trajectories: Trajectories, tiny_task: Task) -> None:
    data = Slice.from_trajectories(trajectories, PAD)
    with pytest.raises(ValueError, match="a target has 3 tokens; give max_target_length 3 or more, not 2"):
        to_minari(data, "small-v0", task=_limited(tiny_task, 2))
    small = _limited(tiny_task, 12)
    small.tokenizer = Tokenizer.from_words("abcde")
    with pytest.raises(ValueError, match="has token 8 at place 5, the vocabulary has 8"):
        to_minari(data, "small-v0", task=small)
    for name in ("no version", "noversion", "../outside-v0", "-v0"):
        with pytest.raises(ValueError, match=f"'{name}' is no id of Minari; give one like"):
            to_minari(data, name)
    assert list(home.iterdir()) == []


def test_the_size_is_known_beforehand_and_limited(
    home: Path, trajectories: Trajectories, caplog: pytest.LogCaptureFixture
) -> None:
    many = join_all([trajectories.take(np.tile(np.arange(3), 40))])
    data = Slice.from_trajectories(many, PAD)
    forecast = minari_bytes(data, 48, 48)
    task = SimpleNamespace(
        max_source_length=48,
        max_target_length=48,
        tokenizer=SimpleNamespace(vocab_size=19),
        name="none",
        fingerprint="",
    )
    with pytest.raises(ValueError, match=r"120 episodes would take about 0.00.* GiB in Minari's .* or give max_gib 1"):
        to_minari(data, "many-v0", task=task, max_gib=forecast / 2**30 * 0.99)  # type: ignore[arg-type]
    assert list(home.iterdir()) == []
    with caplog.at_level("INFO"):
        to_minari(data, "many-v0", task=task, max_gib=forecast / 2**30)  # type: ignore[arg-type]
    assert caplog.messages == [f"120 episodes, about {forecast / 2**20:.0f} MiB in Minari's format"]
    size = sum(file.stat().st_size for file in home.rglob("*") if file.is_file())
    assert forecast == pytest.approx(size, rel=0.1)


def test_padding_need_not_be_the_last_token(home: Path, trajectories: Trajectories) -> None:
    made = to_minari(Slice.from_trajectories(trajectories, 1), "first-v0")
    largest = max(trajectories.tokens.max(), trajectories.source_tokens.max())
    assert made.action_space.n == largest + 1


@collecting
def test_another_environment_is_refused() -> None:
    made = minari.create_dataset_from_buffers(
        "other-v0",
        [EpisodeBuffer(observations=[0, 1], actions=[1], rewards=[0.5], terminations=[True], truncations=[False])],
        observation_space=gym.spaces.Discrete(2),
        action_space=gym.spaces.Discrete(2),
        **dict.fromkeys(("algorithm_name", "author", "author_email", "code_permalink", "description"), "test"),
    )
    with pytest.raises(ValueError, match=r"'other-v0' observes Discrete\(2\); give a data set of Seq2SeqTranslate-v0"):
        from_minari(made)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"actions": [5, 6]}, "its last prefix is not what its actions wrote"),
        ({"rewards": [1.0, 0.5]}, "it has a reward before its last step"),
        ({"terminations": [False, False]}, "it does not end"),
        ({"infos": {"log_prob": [-1.0]}}, r"it has log_prob of shape \(1,\) for 2 steps"),
    ],
)
def test_an_episode_that_is_no_translation_is_named(
    trajectories: Trajectories, change: dict[str, Any], why: str
) -> None:
    made = to_minari(Slice.from_trajectories(trajectories, PAD), "made-v0")
    names = ("observations", "actions", "rewards", "terminations", "truncations")
    parts = {name: getattr(made[0], name) for name in names}
    made.update_dataset_from_buffer([EpisodeBuffer(**parts), EpisodeBuffer(**{**parts, **change})])
    collected = minari.MinariDataset(made.storage, np.array([3, 4]))
    with pytest.raises(ValueError, match=f"episode 4 of 'made-v0' is no translation: {why}"):
        from_minari(collected)


@pytest.mark.parametrize("known_first", [True, False])
def test_sources_of_which_some_are_known_are_refused(trajectories: Trajectories, known_first: bool) -> None:
    made = to_minari(Slice.from_trajectories(trajectories, PAD), "made-v0")
    parts = {name: getattr(made[0], name) for name in ("observations", "actions", "rewards", "truncations")}
    made.update_dataset_from_buffer([EpisodeBuffer(**parts, terminations=[False, True])])
    chosen = np.array([0, 3] if known_first else [3, 0])
    with pytest.raises(ValueError, match="'made-v0' has a source_index in some episodes only; choose with"):
        from_minari(minari.MinariDataset(made.storage, chosen))
    assert from_minari(minari.MinariDataset(made.storage, chosen[chosen == 3])).source_index.tolist() == [0]

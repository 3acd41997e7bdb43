"""Episodes of the scalar environment."""

from __future__ import annotations

import doctest
import inspect
import re
import warnings
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils.env_checker import check_env, data_equivalence
from numpy.typing import NDArray

import seq2seq_env.env
from seq2seq_env import Scorer, Seq2SeqTranslateEnv, Task
from seq2seq_env.mdp.definition import UNSCORED
from tests.pickling import sent
from tests.seq2seq_env.episodes import EOS, PAD, UNK, CountingScorer, word


def made(task: Task, scorer: Scorer, **options: Any) -> gym.Env[Any, Any]:
    return gym.make("Seq2SeqTranslate-v0", task=task, scorer=scorer, **options)


def test_an_episode_ends_at_end_of_sequence_with_the_score(env: Seq2SeqTranslateEnv) -> None:
    _, info = env.reset(options={"source": "zwei rot haus"})
    assert (info["source_text"], info["hypothesis"], info["source_index"]) == ("zwei rot haus", "", -1)
    for token, text in ((word(env, "two"), "two"), (word(env, "house"), "two house")):
        _, reward, terminated, truncated, info = env.step(token)
        assert (reward, terminated, truncated, info["hypothesis"]) == (0.0, False, False, text)
        assert info["score"] == UNSCORED
    _, reward, terminated, truncated, info = env.step(EOS)
    # two of the reference's three words
    assert reward == info["score"] == pytest.approx(2 / 3)
    assert (terminated, truncated, info["hypothesis"]) == (True, False, "two house")


def test_the_length_limit_truncates_with_the_score(tiny_task: Task, fake_scorer: Scorer) -> None:
    env = Seq2SeqTranslateEnv(tiny_task, fake_scorer, max_target_length=2)
    env.reset(options={"source": "rot haus"})
    env.step(word(env, "red"))
    _, reward, terminated, truncated, info = env.step(word(env, "dog"))
    assert (terminated, truncated) == (False, True)
    assert reward == info["score"] == pytest.approx(1 / 3)  # {red, dog} against {red, house}


def test_the_length_limit_terminates_on_request(tiny_task: Task, fake_scorer: Scorer) -> None:
    env = Seq2SeqTranslateEnv(tiny_task, fake_scorer, max_target_length=2, limit_terminates=True)
    env.reset(options={"source": "rot haus"})
    env.step(word(env, "red"))
    _, reward, terminated, truncated, info = env.step(word(env, "dog"))
    assert (terminated, truncated, reward) == (True, False, info["score"])


def test_end_of_sequence_at_the_limit_terminates(tiny_task: Task, fake_scorer: Scorer) -> None:
    env = Seq2SeqTranslateEnv(tiny_task, fake_scorer, max_target_length=2)
    env.reset(options={"source": "rot"})
    env.step(word(env, "red"))
    assert env.step(EOS)[1:4] == (1.0, True, False)


def test_the_scorer_is_called_once_an_episode(tiny_task: Task) -> None:
    scorer = CountingScorer()
    env = Seq2SeqTranslateEnv(tiny_task, scorer)
    env.reset(options={"source": "rot"})
    env.step(word(env, "red"))
    assert scorer.calls == []
    assert env.step(EOS)[1] == 0.25
    assert scorer.calls == [(["rot"], ["red"])]


def test_observations_hold_padded_tokens_and_their_number(env: Seq2SeqTranslateEnv) -> None:
    observation, _ = env.reset(options={"source": "rot haus"})
    rot, haus, red = (word(env, text) for text in ("rot", "haus", "red"))
    np.testing.assert_array_equal(observation["source"], [rot, haus, EOS] + [PAD] * 9)
    np.testing.assert_array_equal(observation["prefix"], [PAD] * 12)
    assert [observation["source_length"], observation["prefix_length"]] == [3, 0]
    observation, *_ = env.step(red)
    np.testing.assert_array_equal(observation["prefix"], [red] + [PAD] * 11)
    assert observation["prefix_length"].tolist() == [1]
    assert observation in env.observation_space
    assert {value.dtype for value in observation.values()} == {np.dtype(np.int64)}


def test_masks_forbid_padding_and_start_only(env: Seq2SeqTranslateEnv) -> None:
    _, info = env.reset(seed=0)
    assert info["action_mask"].dtype == np.int8
    np.testing.assert_array_equal(np.flatnonzero(info["action_mask"] == 0), [PAD])
    np.testing.assert_array_equal(env.action_masks(), info["action_mask"].astype(bool))
    assert env.tokenizer.start_id == PAD
    env.step(UNK)
    only = np.zeros(19, dtype=np.int8)
    only[7] = 1
    assert env.action_space.sample(only) == 7
    assert env.action_space == gym.spaces.Discrete(19)


def test_sampling_without_a_mask_is_always_legal(env: Seq2SeqTranslateEnv) -> None:
    env.action_space.seed(3)
    drawn = {int(env.action_space.sample()) for _ in range(1000)}
    assert drawn == set(range(PAD))


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (PAD, "token 18 is masked"),
        (19, "token 19 is not in the vocabulary; give 0..18"),
        (-1, "token -1 is not in the vocabulary"),
        (2.0, "action 2.0 is not a token id"),
        ("red", "action 'red' is not a token id"),
    ],
)
def test_a_bad_action_is_refused_and_changes_nothing(env: Seq2SeqTranslateEnv, action: Any, message: str) -> None:
    env.reset(options={"source": "rot"})
    with pytest.raises(InvalidAction, match=re.escape(message)):
        env.step(action)
    assert env.step(np.int64(word(env, "red")))[0]["prefix_length"] == [1]


def test_steps_need_a_reset(env: Seq2SeqTranslateEnv) -> None:
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step(2)
    with pytest.raises(ResetNeeded, match="call reset"):
        env.render()
    env.reset(options={"source": "rot"})
    env.step(EOS)
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step(2)
    env.reset()
    env.step(2)


def test_sentences_without_references_are_a_split_like_others(monolingual_task: Task, fake_scorer: Scorer) -> None:
    env = made(monolingual_task, fake_scorer, split="source-only")
    sources = monolingual_task.split("source-only").sources
    _, info = env.reset(options={"source_index": 5})
    assert (info["source_text"], info["source_index"]) == (sources[5], 5)
    assert "reference" not in info
    assert {env.reset(seed=seed)[1]["source_text"] for seed in range(60)} == set(sources)
    check_env(env.unwrapped, skip_render_check=True)
    assert sent(env.unwrapped).reset(seed=3)[1]["source_text"] == env.reset(seed=3)[1]["source_text"]
    with pytest.raises(IndexError, match=r"source_index 6 is not in 0\.\.5, split 'source-only'"):
        env.reset(options={"source_index": 6})


def test_a_task_without_such_sentences_has_no_such_split(tiny_task: Task, fake_scorer: Scorer) -> None:
    with pytest.raises(ValueError, match=r"no split 'source-only'; choose one of train, validation, test$"):
        made(tiny_task, fake_scorer, split="source-only")


def test_reset_draws_from_the_split_and_by_index(tiny_task: Task, fake_scorer: Scorer) -> None:
    env = Seq2SeqTranslateEnv(tiny_task, fake_scorer, split="validation")
    sources = tiny_task.split("validation").sources
    drawn = [env.reset(seed=0 if i == 0 else None)[1] for i in range(200)]
    assert {info["source_index"] for info in drawn} == set(range(len(sources)))
    assert all(info["source_text"] == sources[info["source_index"]] for info in drawn)
    _, info = env.reset(options={"source_index": np.int64(3)})
    assert (info["source_index"], info["source_text"]) == (3, sources[3])


def test_a_score_out_of_range_is_refused(tiny_task: Task) -> None:
    class Wild(CountingScorer):
        def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
            return np.array([np.nan], dtype=np.float32)

    env = Seq2SeqTranslateEnv(tiny_task, Wild())
    env.reset(options={"source": "rot"})
    with pytest.raises(ValueError, match="Wild gave pair 0 the score nan"):
        env.step(EOS)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"long_source": "truncate"},
        {"masked_action_penalty": 1.0, "info_scorers": {"counting": CountingScorer(), "again": CountingScorer()}},
    ],
)
def test_infos_have_the_same_keys_at_every_step_and_none_of_an_observation(
    tiny_task: Task, fake_scorer: Scorer, options: dict[str, Any]
) -> None:
    env = Seq2SeqTranslateEnv(tiny_task, fake_scorer, **options)
    observation, info = env.reset(options={"source": "rot"})
    seen = [info] + [env.step(token)[4] for token in (word(env, "red"), EOS)]
    if options.get("masked_action_penalty"):
        env.reset(options={"source": "rot"})
        seen.append(env.step(PAD)[4])
    kinds = [{name: type(value) for name, value in info.items()} for info in seen]
    assert kinds == kinds[:1] * len(kinds)
    assert len({tuple(info.get("scores", ())) for info in seen}) == 1
    assert len({id(info["scores"]) for info in seen if "scores" in info}) in (0, len(seen))
    assert not info.keys() & observation.keys()
    assert [info["score"] for info in seen] == [UNSCORED, UNSCORED, 1.0, UNSCORED][: len(seen)]


@pytest.mark.parametrize("render_mode", [None, "ansi", "rgb_array"])
def test_gymnasiums_checker_is_silent(tiny_task: Task, fake_scorer: Scorer, render_mode: str | None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(made(tiny_task, fake_scorer, render_mode=render_mode).unwrapped)


def test_two_environments_with_one_seed_are_equal(tiny_task: Task, fake_scorer: Scorer) -> None:
    first, second = made(tiny_task, fake_scorer), made(tiny_task, fake_scorer)
    rng = np.random.default_rng(0)
    assert data_equivalence(first.reset(seed=7), second.reset(seed=7), exact=True)
    for _ in range(200):
        action = int(rng.integers(PAD))
        step = first.step(action)
        assert data_equivalence(step, second.step(action), exact=True)
        if step[2] or step[3]:
            assert data_equivalence(first.reset(), second.reset(), exact=True)


def test_a_pickled_episode_goes_on_the_same(tiny_task: Task, fake_scorer: Scorer) -> None:
    env = made(tiny_task, fake_scorer, render_mode="ansi")
    env.reset(seed=1)
    env.step(3)
    copy = sent(env)
    for action in (4, UNK, 5, EOS):
        assert data_equivalence(env.step(action), copy.step(action), exact=True)
    assert env.render() == copy.render()
    assert data_equivalence(env.reset(), copy.reset(), exact=True)
    env.action_space.seed(0)
    copy.action_space.seed(0)
    assert env.action_space.sample() == copy.action_space.sample()


def test_the_documented_example_runs() -> None:
    module = seq2seq_env.env
    [example] = [t for t in doctest.DocTestFinder().find(module) if t.name.endswith("Seq2SeqTranslateEnv")]
    result = doctest.DocTestRunner().run(example)
    assert result.attempted > 5
    assert result.failed == 0


def test_the_docstring_has_gymnasiums_headings() -> None:
    headings = re.findall(r"^## (.*)$", inspect.getdoc(Seq2SeqTranslateEnv) or "", re.MULTILINE)
    assert headings == [
        "Description",
        "Action Space",
        "Observation Space",
        "Rewards",
        "Starting State",
        "Episode End",
        "Information",
        "Arguments",
        "Vectorized environment",
        "Version History",
    ]

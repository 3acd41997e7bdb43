from __future__ import annotations

import doctest
import re
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils.env_checker import check_env, data_equivalence
from numpy.typing import NDArray

import seq2seq_env.env
from seq2seq_env import Constraint, Scorer, Seq2SeqTranslateEnv, Task
from seq2seq_env.mdp.definition import Observation
from tests.pickling import sent

EOS, UNK, PAD = 0, 1, 18  # of the tiny task, whose 16 words lie between


@pytest.fixture
def env(tiny_task: Task, fake_scorer: Scorer) -> Seq2SeqTranslateEnv:
    return Seq2SeqTranslateEnv(tiny_task, fake_scorer)


def word(env: Seq2SeqTranslateEnv, text: str) -> int:
    return env.tokenizer.encode([text])[0][0]


def made(task: Task, scorer: Scorer, **options: Any) -> gym.Env[Any, Any]:
    return gym.make("Seq2SeqTranslate-v0", task=task, scorer=scorer, **options)


class CountingScorer:
    fingerprint = "counting"

    def __init__(self) -> None:
        self.calls: list[tuple[list[str], list[str]]] = []

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        self.calls.append((list(sources), list(hypotheses)))
        return np.full(len(sources), 0.25, dtype=np.float32)


def test_an_episode_ends_at_end_of_sequence_with_the_score(env: Seq2SeqTranslateEnv) -> None:
    _, info = env.reset(options={"source": "zwei rot haus"})
    assert (info["source"], info["hypothesis"], info["source_index"]) == ("zwei rot haus", "", -1)
    for token, text in ((word(env, "two"), "two"), (word(env, "house"), "two house")):
        _, reward, terminated, truncated, info = env.step(token)
        assert (reward, terminated, truncated, info["hypothesis"]) == (0.0, False, False, text)
        assert "score" not in info
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


def test_reset_draws_from_the_split_and_by_index(tiny_task: Task, fake_scorer: Scorer) -> None:
    env = Seq2SeqTranslateEnv(tiny_task, fake_scorer, split="validation")
    sources = tiny_task.split("validation").sources
    drawn = [env.reset(seed=0 if i == 0 else None)[1] for i in range(200)]
    assert {info["source_index"] for info in drawn} == set(range(len(sources)))
    assert all(info["source"] == sources[info["source_index"]] for info in drawn)
    _, info = env.reset(options={"source_index": np.int64(3)})
    assert (info["source_index"], info["source"]) == (3, sources[3])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"index": 3}, ValueError, "does not know option 'index'"),
        ({"source": "rot", "source_index": 3}, ValueError, "both name a source"),
        ({"source_index": 24}, IndexError, "source_index 24 is not in 0..23, split 'train'"),
        ({"source_index": -1}, IndexError, "source_index -1 is not in"),
        ({"source_index": "3"}, TypeError, "'source_index' is '3'; give an int"),
        ({"source": " "}, ValueError, "option 'source' is ' '; give a sentence"),
        ({"source": 3}, TypeError, "option 'source' is 3; give the sentence as a str"),
        ({"source": "rot <pad>"}, ValueError, "the source 'rot <pad>' holds special token 18 in its middle"),
        ({"source": "rot </s> blau"}, ValueError, "holds special token 0"),
        ({"target_prefix": 3}, TypeError, "option 'target_prefix' is 3"),
        ({"target_prefix": "red " * 12}, ValueError, "prefix has 12 tokens and the length limit is 12"),
        ({"source": "rot " * 12}, ValueError, "the source has 13 tokens but task 'tiny' takes at most 12"),
    ],
)
def test_bad_options_are_refused_and_the_episode_goes_on(
    env: Seq2SeqTranslateEnv, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    env.reset(options={"source": "rot"})
    with pytest.raises(error, match=re.escape(message)):
        env.reset(options=options)
    assert env.step(word(env, "red"))[4]["source"] == "rot"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "dev"}, "no split 'dev'; choose one of train, validation, test"),
        ({"scorer": "bleurt"}, "no scorer 'bleurt'; choose one of phrasebook-qe"),
        ({"scorer": None}, "task 'tiny' has no default scorer"),
        ({"max_target_length": 0}, "max_target_length is 0"),
        ({"long_source": "cut"}, "no long_source 'cut'; choose 'refuse' or 'truncate'"),
        ({"masked_action_penalty": -1.0}, "masked_action_penalty is -1.0"),
        ({"render_mode": "rgb_array"}, "no render_mode 'rgb_array'"),
        ({"task_seed": 1}, "task_seed 1 has no effect on a Task already made"),
    ],
)
def test_bad_arguments_are_refused(
    tiny_task: Task, fake_scorer: Scorer, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Seq2SeqTranslateEnv(**{"task": tiny_task, "scorer": fake_scorer, **arguments})


def test_a_named_task_is_made_from_the_seed(
    tiny_task: Task, fake_scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def load_task(name: str, *, seed: int) -> Task:
        asked.append((name, seed))
        return tiny_task

    monkeypatch.setattr("seq2seq_env.tasks.load_task", load_task)
    assert Seq2SeqTranslateEnv("tiny", fake_scorer, task_seed=5).task is tiny_task
    assert asked == [("tiny", 5)]


def test_a_score_out_of_range_is_refused(tiny_task: Task) -> None:
    class Wild(CountingScorer):
        def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
            return np.array([np.nan], dtype=np.float32)

    env = Seq2SeqTranslateEnv(tiny_task, Wild())
    env.reset(options={"source": "rot"})
    with pytest.raises(ValueError, match="Wild gave pair 0 the score nan"):
        env.step(EOS)


def test_a_constraint_masks_its_vocabulary_and_its_beginning(tiny_task: Task, fake_scorer: Scorer) -> None:
    constraint = Constraint.from_text(tiny_task.tokenizer, ["red blue house"], prefix="two red")
    env = Seq2SeqTranslateEnv(tiny_task, fake_scorer, constraint=constraint)
    two, red, blue, house = (word(env, text) for text in ("two", "red", "blue", "house"))
    _, info = env.reset(options={"source": "zwei rot haus"})
    assert np.flatnonzero(info["action_mask"]).tolist() == [two]
    with pytest.raises(InvalidAction, match=f"token {red} is masked"):
        env.step(red)
    info = env.step(two)[4]
    assert np.flatnonzero(env.action_masks()).tolist() == [red]
    info = env.step(red)[4]
    assert set(np.flatnonzero(info["action_mask"])) == {EOS, red, blue, house}
    with pytest.raises(InvalidAction, match="is masked"):
        env.step(two)
    env.action_space.seed(0)
    assert {int(env.action_space.sample()) for _ in range(100)} == {EOS, red, blue, house}
    env.step(house)
    assert env.step(EOS)[1] == 1.0


def test_an_episode_may_have_a_beginning_of_its_own(env: Seq2SeqTranslateEnv) -> None:
    red = word(env, "red")
    _, info = env.reset(options={"source": "rot", "target_prefix": "red"})
    assert np.flatnonzero(info["action_mask"]).tolist() == [red]
    env.step(red)
    assert env.action_masks().sum() == PAD
    assert env.reset(options={"source": "rot"})[1]["action_mask"].sum() == PAD


def test_a_text_that_nobody_can_write_is_no_constraint(env: Seq2SeqTranslateEnv) -> None:
    for call in (
        lambda: env.reset(options={"target_prefix": "red xyzzy"}),
        lambda: Constraint.from_text(env.tokenizer, prefix="xyzzy"),
        lambda: Constraint.from_text(env.tokenizer, ["red", "xyzzy"]),
    ):
        with pytest.raises(ValueError, match="the tokenizer does not know all of"):
            call()


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        (
            Constraint(frozenset({19})),
            "vocabulary holds token 19, which cannot be written there; give ids below 19",
        ),
        (Constraint(prefix=(PAD,)), "prefix holds token 18"),
        (Constraint(prefix=(2, EOS)), "prefix holds token 0"),
        (Constraint(prefix=(2,) * 12), "prefix has 12 tokens and the length limit is 12"),
    ],
)
def test_an_impossible_constraint_is_refused(
    tiny_task: Task, fake_scorer: Scorer, constraint: Constraint, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Seq2SeqTranslateEnv(tiny_task, fake_scorer, constraint=constraint)


def test_a_masked_token_may_cost_instead_of_raise(tiny_task: Task) -> None:
    scorer = CountingScorer()
    env = Seq2SeqTranslateEnv(tiny_task, scorer, masked_action_penalty=0.5)
    env.reset(options={"source": "rot"})
    env.step(word(env, "red"))
    observation, reward, terminated, truncated, info = env.step(PAD)
    assert (reward, terminated, truncated, info["masked_action"]) == (-0.5, True, False, PAD)
    assert observation["prefix_length"] == [1]
    assert "score" not in info
    assert scorer.calls == []
    with pytest.raises(ResetNeeded):
        env.step(2)
    assert "masked_action" not in env.reset()[1]
    with pytest.raises(InvalidAction, match="not in the vocabulary"):
        env.step(19)


def test_a_long_source_is_truncated_on_request(tiny_task: Task, fake_scorer: Scorer) -> None:
    env = Seq2SeqTranslateEnv(tiny_task, CountingScorer(), long_source="truncate")
    observation, info = env.reset(options={"source": "rot " * 12})
    assert (info["source"], info["source_truncated"]) == ("rot " * 12, True)
    rot = word(env, "rot")
    assert observation["source"].tolist() == [rot] * 11 + [EOS]
    assert observation["source_length"] == [12]
    assert env.reset(seed=0)[1]["source_truncated"] is False


def test_other_scorers_stand_in_info(tiny_task: Task, fake_scorer: Scorer) -> None:
    env = Seq2SeqTranslateEnv(tiny_task, fake_scorer, info_scorers={"quarter": CountingScorer()})
    env.reset(options={"source": "rot"})
    assert "scores" not in env.step(word(env, "red"))[4]
    _, reward, _, _, info = env.step(EOS)
    assert (reward, info["score"], info["scores"]) == (1.0, 1.0, {"quarter": 0.25})


def test_shaping_changes_every_return_of_a_source_alike(tiny_task: Task, fake_scorer: Scorer) -> None:
    asked = []

    def potential(observation: Observation) -> NDArray[np.float32]:
        asked.append(observation["prefix"].shape)
        sums = observation["source"].sum(1) + 7 * observation["prefix"].sum(1)
        return np.asarray(sums % 11 / 10 + 0.3, dtype=np.float32)

    plain = Seq2SeqTranslateEnv(tiny_task, fake_scorer, max_target_length=4)
    shaped = Seq2SeqTranslateEnv(tiny_task, fake_scorer, max_target_length=4, potential=potential)
    rng = np.random.default_rng(0)
    for index in range(5):
        first = shaped.reset(options={"source_index": index})[0]
        plain.reset(options={"source_index": index})
        start = float(potential({key: value[None] for key, value in first.items()})[0])
        for _ in range(20):
            shaped.reset(options={"source_index": index})
            plain.reset(options={"source_index": index})
            rewards, over = [], False
            while not over:
                action = int(rng.choice([EOS, 3, 5, 12]))
                _, reward, terminated, truncated, info = shaped.step(action)
                plain_step = plain.step(action)
                rewards.append(reward)
                over = terminated or truncated
            assert sum(rewards) == pytest.approx(plain_step[1] - start, abs=1e-6)
            assert info["score"] == plain_step[1]
    assert set(asked) == {(1, 4)}


@pytest.mark.parametrize("value", [np.array([np.nan]), np.zeros(2), np.zeros((1, 1))])
def test_an_impossible_potential_is_refused(tiny_task: Task, fake_scorer: Scorer, value: NDArray[np.float64]) -> None:
    env = Seq2SeqTranslateEnv(tiny_task, fake_scorer, potential=lambda observation: value)
    with pytest.raises(ValueError, match=r"return \[n\] finite numbers"):
        env.reset(seed=0)


@pytest.mark.parametrize("render_mode", [None, "ansi"])
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


def test_ansi_shows_source_hypothesis_and_score(tiny_task: Task, fake_scorer: Scorer) -> None:
    env = Seq2SeqTranslateEnv(tiny_task, fake_scorer, render_mode="ansi")
    env.reset(options={"source": "rot"})
    env.step(word(env, "red"))
    assert env.render() == "source      rot\nhypothesis  red\n"
    env.step(EOS)
    assert env.render() == "source      rot\nhypothesis  red\nscore       1.000\n"
    env.reset(options={"source": "blau"})
    assert env.render() == "source      blau\nhypothesis  \n"


def test_human_prints_each_step(tiny_task: Task, fake_scorer: Scorer, capsys: pytest.CaptureFixture[str]) -> None:
    env = Seq2SeqTranslateEnv(tiny_task, fake_scorer, render_mode="human")
    env.reset(options={"source": "rot"})
    env.step(EOS)
    assert capsys.readouterr().out.split() == [
        "source",
        "rot",
        "hypothesis",
        "source",
        "rot",
        "hypothesis",
        "score",
        "0.000",
    ]
    assert env.render() is None


def test_render_without_a_mode_warns(env: Seq2SeqTranslateEnv) -> None:
    env.reset()
    with pytest.warns(UserWarning, match="without a render mode"):
        assert env.render() is None


# Processor time, because the machine of a test run may be shared.
PROGRAM = """
import gymnasium as gym, seq2seq_env, sys, time
env = gym.make("Seq2SeqTranslate-v0")
seconds = time.process_time()
assert not {"torch", "transformers"} & set(sys.modules), "a deep-learning library was imported"
print(seconds)
"""


def test_the_default_environment_is_ready_soon() -> None:
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert float(result.stdout) < 3.0


def test_the_documented_example_runs() -> None:
    module = seq2seq_env.env
    [example] = [t for t in doctest.DocTestFinder().find(module) if t.name.endswith("Seq2SeqTranslateEnv")]
    result = doctest.DocTestRunner().run(example)
    assert result.attempted > 5
    assert result.failed == 0


def test_the_docstring_has_gymnasiums_headings() -> None:
    headings = re.findall(r"^    ## (.*)$", Seq2SeqTranslateEnv.__doc__ or "", re.MULTILINE)
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


def test_every_public_name_is_importable_from_the_top() -> None:
    assert {"Scorer", "Seq2SeqTranslateEnv", "Split", "Task", "Tokenizer", "load_scorer", "load_task"} <= set(
        dir(seq2seq_env)
    )
    for name in seq2seq_env.__all__:
        assert getattr(seq2seq_env, name).__name__ == name
    with pytest.raises(AttributeError, match="attribute make"):
        getattr(seq2seq_env, "make")  # noqa: B009


def test_a_folder_is_a_scorer(tiny_task: Task, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not a scorer's checkpoint"):
        Seq2SeqTranslateEnv(tiny_task, tmp_path)

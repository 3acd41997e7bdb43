"""Arguments and options of the environment: what each does, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.error import InvalidAction, ResetNeeded
from numpy.typing import NDArray

from seq2seq_env import Scorer, Seq2SeqTranslateEnv, Seq2SeqTranslateVectorEnv, Task
from seq2seq_env.mdp.definition import NOT_MASKED, UNSCORED, Observation
from tests.seq2seq_env.episodes import EOS, PAD, CountingScorer, word


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
    assert env.step(word(env, "red"))[4]["source_text"] == "rot"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "dev"}, "no split 'dev'; choose one of train, validation, test"),
        ({"scorer": "bleurt"}, "no scorer 'bleurt'; choose one of phrasebook-qe"),
        ({"scorer": None}, "task 'tiny' has no default scorer"),
        ({"max_target_length": 0}, "max_target_length is 0"),
        ({"long_source": "cut"}, "no long_source 'cut'; choose 'refuse' or 'truncate'"),
        ({"masked_action_penalty": -1.0}, "masked_action_penalty is -1.0"),
        ({"task_seed": 1}, "task_seed 1 has no effect on a Task already made"),
    ],
)
def test_bad_arguments_are_refused(
    tiny_task: Task, fake_scorer: Scorer, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Seq2SeqTranslateEnv(**{"task": tiny_task, "scorer": fake_scorer, **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"render_mode": "rgb"}, "no render_mode 'rgb'; choose 'human', 'ansi', 'rgb_array' or None"),
        ({"slpit": "test"}, "has no argument 'slpit'; did you mean 'split'?"),
    ],
)
def test_modes_and_names_that_are_not_there_are_type_errors(
    tiny_task: Task, fake_scorer: Scorer, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=re.escape(message)):
        Seq2SeqTranslateEnv(tiny_task, fake_scorer, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": 5}, "task is 5; give a name for load_task, or a Task"),
        ({"scorer": 5}, "scorer is 5; give a Scorer, or a name or folder for it"),
        ({"scorer": CountingScorer}, "; give a Scorer, or a name or folder for it"),
        ({"scorer": lambda sources, hypotheses: [0.5] * len(sources)}, "; give a Scorer, or a name or folder for it"),
        ({"info_scorers": {"a": 5}}, "info_scorers has 5 as 'a'; give a Scorer"),
        ({"info_scorers": ["phrasebook-qe"]}, "info_scorers is ['phrasebook-qe']; give a mapping from names to"),
        ({"limit_terminates": "no"}, "limit_terminates is 'no'; give True or False"),
        ({"limit_terminates": None}, "limit_terminates is None; give True or False"),
        ({"constraint": "The"}, "constraint is 'The'; give a Constraint, which Constraint.from_text makes of texts"),
        ({"masked_action_penalty": "1"}, "masked_action_penalty is '1'; give what a masked token costs as a number"),
        ({"max_target_length": "10"}, "max_target_length is '10'; give a whole number of tokens"),
        ({"max_target_length": 2.5}, "max_target_length is 2.5; give a whole number of tokens"),
        ({"max_target_length": True}, "max_target_length is True; give a whole number of tokens"),
        ({"potential": 5}, "potential is 5; give a function of stacked observations"),
    ],
)
def test_arguments_of_a_wrong_type_are_refused_at_once(
    tiny_task: Task, fake_scorer: Scorer, arguments: dict[str, Any], message: str
) -> None:
    arguments = {"task": tiny_task, "scorer": fake_scorer, **arguments}
    for env in (Seq2SeqTranslateEnv, Seq2SeqTranslateVectorEnv):
        with pytest.raises(TypeError, match=re.escape(message)):
            env(**arguments)


def test_numbers_of_numpy_are_numbers(tiny_task: Task, fake_scorer: Scorer) -> None:
    numbers: dict[str, Any] = {"max_target_length": np.int64(2), "masked_action_penalty": np.float32(0.5)}
    numbers["limit_terminates"] = np.bool_(True)
    env = Seq2SeqTranslateEnv(tiny_task, fake_scorer, **numbers)
    env.reset(options={"source": "rot"})
    assert env.step(PAD)[1:4] == (-0.5, True, False)


def test_a_named_task_is_made_from_the_seed(
    tiny_task: Task, fake_scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def load_task(name: str, *, seed: int) -> Task:
        asked.append((name, seed))
        return tiny_task

    monkeypatch.setattr("seq2seq_env.mdp.definition.load_task", load_task)
    assert Seq2SeqTranslateEnv("tiny", fake_scorer, task_seed=5).task is tiny_task
    assert asked == [("tiny", 5)]


def test_a_masked_token_may_cost_instead_of_raise(tiny_task: Task) -> None:
    scorer = CountingScorer()
    env = Seq2SeqTranslateEnv(tiny_task, scorer, masked_action_penalty=0.5)
    env.reset(options={"source": "rot"})
    env.step(word(env, "red"))
    observation, reward, terminated, truncated, info = env.step(PAD)
    assert (reward, terminated, truncated, info["masked_action"]) == (-0.5, True, False, PAD)
    assert observation["prefix_length"] == [1]
    assert info["score"] == UNSCORED
    assert scorer.calls == []
    with pytest.raises(ResetNeeded):
        env.step(2)
    assert env.reset()[1]["masked_action"] == NOT_MASKED
    with pytest.raises(InvalidAction, match="not in the vocabulary"):
        env.step(19)


def test_a_long_source_is_truncated_on_request(tiny_task: Task, fake_scorer: Scorer) -> None:
    env = Seq2SeqTranslateEnv(tiny_task, CountingScorer(), long_source="truncate")
    observation, info = env.reset(options={"source": "rot " * 12})
    assert (info["source_text"], info["source_truncated"]) == ("rot " * 12, True)
    rot = word(env, "rot")
    assert observation["source"].tolist() == [rot] * 11 + [EOS]
    assert observation["source_length"] == [12]
    assert env.reset(seed=0)[1]["source_truncated"] is False


def test_other_scorers_stand_in_info(tiny_task: Task, fake_scorer: Scorer) -> None:
    env = Seq2SeqTranslateEnv(tiny_task, fake_scorer, info_scorers={"quarter": CountingScorer()})
    env.reset(options={"source": "rot"})
    assert env.step(word(env, "red"))[4]["scores"] == {"quarter": UNSCORED}
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
    env = Seq2SeqTranslateEnv(tiny_task, fake_scorer, potential=lambda observation: value.astype(np.float32))
    with pytest.raises(ValueError, match=r"return \[n\] finite numbers"):
        env.reset(seed=0)


def test_a_folder_is_a_scorer(tiny_task: Task, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not a scorer's checkpoint"):
        Seq2SeqTranslateEnv(tiny_task, tmp_path)

"""A prompt, a whole translation, a reward: the sources and rewards of the environment, in one step."""

from __future__ import annotations

import gymnasium as gym
import pytest
from gymnasium.error import ResetNeeded

import seq2seq_env  # noqa: F401 -- registers the environment
from seq2seq_env.adapters import MessageEnv, prompts
from seq2seq_env.tasks.task import Task
from tests.conftest import OverlapScorer, TinyTask

PROMPT = "Translate: {source}"


@pytest.fixture
def env(tiny_task: Task, fake_scorer: OverlapScorer) -> MessageEnv:
    return MessageEnv(tiny_task, fake_scorer, prompt_template=PROMPT)


def test_it_has_the_sources_and_rewards_of_the_environment(
    env: MessageEnv, tiny_task: TinyTask, fake_scorer: OverlapScorer
) -> None:
    tokens = gym.make("Seq2SeqTranslate-v0", task=tiny_task, scorer=fake_scorer)
    for seed in (3, None, None):
        _, shown = tokens.reset(seed=seed)
        prompt, info = env.reset(seed=seed)
        assert prompt == f"Translate: {shown['source_text']}"
        assert info == {name: shown[name] for name in ("source_text", "source_index", "hypothesis", "score")}
        target = tiny_task.known[info["source_text"]] + " one"
        for token in tiny_task.tokenizer.encode_targets([target])[0]:
            _, reward, _, _, shown = tokens.step(token)
        score, info = env.step(target)
        assert (score, info["score"], info["hypothesis"]) == (reward, reward, target)
        assert 0 < score < 1


def test_a_source_is_chosen_and_an_episode_ends_once(env: MessageEnv) -> None:
    assert env.reset(options={"source_index": 2})[1]["source_index"] == 2
    assert env.reset(options={"source": "hund"})[0] == "Translate: hund"
    with pytest.raises(TypeError, match="the translation is a list; give a str"):
        env.step([])  # type: ignore[arg-type]
    assert env.step("dog")[0] == 1
    with pytest.raises(ResetNeeded, match="the episode has ended or not begun"):
        env.step("dog")
    with pytest.raises(ValueError, match="reset does not know option 'row'; choose one of source_index, source"):
        env.reset(options={"row": 1})


def test_prompts_are_rows_of_a_data_set(tiny_task: Task) -> None:
    rows = prompts(tiny_task, "test", prompt_template=PROMPT, messages=True)
    assert len(rows) == tiny_task.size("test")
    source = tiny_task.split("test").sources[1]
    assert rows[1] == {
        "prompt": [{"role": "user", "content": f"Translate: {source}"}],
        "source": source,
        "source_index": 1,
    }
    assert prompts(tiny_task)[0]["prompt"] == tiny_task.split("train").sources[0]

"""The vector environment, beside scalar ones."""

from __future__ import annotations

import doctest
import inspect
import re
import warnings
from collections.abc import Sequence
from inspect import Parameter, signature
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import seq2seq_env.vector_env
from seq2seq_env import Constraint, Scorer, Seq2SeqTranslateEnv, Seq2SeqTranslateVectorEnv, Task
from seq2seq_env.mdp.definition import Observation
from tests.pickling import sent
from tests.seq2seq_env.episodes import EOS, PAD, native, scalars
from tests.seq2seq_env.equality import same


def written_words(observation: Observation) -> NDArray[np.float32]:
    """A potential with a different value for every prefix."""
    assert observation["prefix"].ndim == 2
    weights = np.linspace(0.1, 1.0, observation["prefix"].shape[1])
    return (observation["prefix"] @ weights + observation["prefix_length"][:, 0]).astype(np.float32)


class LengthScorer:
    fingerprint = "length"

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        return np.array([1 / (1 + len(text)) for text in hypotheses], dtype=np.float32)


class CountingScorer(LengthScorer):
    def __init__(self) -> None:
        self.calls: list[int] = []

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        self.calls.append(len(sources))
        return super().score(sources, hypotheses)


ARGUMENTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "short": {"max_target_length": 3},
    "terminating": {"max_target_length": 3, "limit_terminates": True},
    "shaped": {"potential": written_words},
    "penalty": {"masked_action_penalty": 0.5, "info_scorers": {"length": LengthScorer()}},
    "constrained": {
        "constraint": Constraint(frozenset(range(4, 9)), prefix=(3, 12)),
        "masked_action_penalty": 1.0,
        "potential": written_words,
    },
    "truncating": {"long_source": "truncate"},
}


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("name", ARGUMENTS)
@settings(deadline=None, max_examples=12)
@given(data=st.data())
def test_it_equals_scalar_environments_step_for_step(
    name: str, mode: AutoresetMode, tiny_task: Task, fake_scorer: Scorer, data: st.DataObject
) -> None:
    arguments, size = ARGUMENTS[name], data.draw(st.integers(1, 5))
    ours = native(tiny_task, fake_scorer, size, autoreset_mode=mode, **arguments)
    theirs = scalars(tiny_task, fake_scorer, size, mode, **arguments)
    seed: Any = data.draw(st.one_of(st.integers(0, 2**31), st.lists(st.integers(0, 9), min_size=size, max_size=size)))
    options: dict[str, Any] = data.draw(
        st.sampled_from([{}, {"source_index": 3}, {"source": "rot haus"}, {"target_prefix": "red car"}])
    )
    assert same(ours.reset(seed=seed, options=dict(options)), theirs.reset(seed=seed, options=dict(options)))
    masked = "masked_action_penalty" in arguments
    dtype = data.draw(st.sampled_from([np.int64, np.int32]))
    tokens = st.sampled_from([EOS, EOS, 3, 12, *range(2, PAD + masked)])
    forced = bool(options.get("target_prefix"))
    for _ in range(data.draw(st.integers(1, 30))):
        actions = np.array(data.draw(st.lists(tokens, min_size=size, max_size=size)), dtype=dtype)
        if forced and not masked:
            masks = ours.action_masks()
            actions = np.where(masks[np.arange(size), actions], actions, masks.argmax(1))
        stepped = ours.step(actions)
        wanted = theirs.step(actions)
        assert same(stepped, wanted)
        ended = stepped[2] | stepped[3]
        if mode is AutoresetMode.DISABLED and ended.any():
            again = {"reset_mask": ended}
            assert same(ours.reset(options=dict(again)), theirs.reset(options=dict(again)))


def test_sentences_without_references_are_a_split_like_others(monolingual_task: Task, fake_scorer: Scorer) -> None:
    envs = Seq2SeqTranslateVectorEnv(4, task=monolingual_task, scorer=fake_scorer, split="source-only")
    _, infos = envs.reset(seed=0)
    drawn = [monolingual_task.split("source-only").sources[row] for row in infos["source_index"]]
    assert infos["source_text"].tolist() == drawn


def test_gymnasium_makes_it_and_the_vectorised_scalar_one(tiny_task: Task, fake_scorer: Scorer) -> None:
    made = {
        mode: gym.make_vec(
            "Seq2SeqTranslate-v0", num_envs=3, vectorization_mode=mode, task=tiny_task, scorer=fake_scorer
        )
        for mode in ("vector_entry_point", "sync", "async")
    }
    assert isinstance(
        gym.make_vec("Seq2SeqTranslate-v0", task=tiny_task, scorer=fake_scorer).unwrapped, Seq2SeqTranslateVectorEnv
    )
    assert made["vector_entry_point"].metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    first = {mode: envs.reset(seed=5) for mode, envs in made.items()}
    rng = np.random.default_rng(0)
    for mode in ("sync", "async"):
        assert made[mode].observation_space == made["vector_entry_point"].observation_space
        assert made[mode].action_space == made["vector_entry_point"].action_space
        assert same(first[mode][0], first["vector_entry_point"][0])
    for _ in range(20):
        actions = rng.integers(0, PAD, size=3)
        steps = {mode: envs.step(actions) for mode, envs in made.items()}
        assert same(steps["vector_entry_point"], steps["sync"])
        assert same(steps["vector_entry_point"][:4], steps["async"][:4])
    for envs in made.values():
        envs.close()


def test_it_takes_the_arguments_of_the_scalar_environment_with_the_same_defaults() -> None:
    scalar, vector = (
        {name: each.default for name, each in signature(env).parameters.items()}
        for env in (Seq2SeqTranslateEnv, Seq2SeqTranslateVectorEnv)
    )
    assert scalar == {name: vector[name] for name in scalar}
    assert scalar.pop("unknown") is vector.pop("unknown") is Parameter.empty
    assert vector.keys() - scalar.keys() == {"num_envs", "autoreset_mode", "copy"}
    documented = re.findall(
        r"^\| `(\w+)`  *\| ", (inspect.getdoc(Seq2SeqTranslateEnv) or "").partition("## Arguments")[2], re.M
    )
    assert set(documented) == scalar.keys()


def test_one_scorer_call_for_all_that_end_in_a_step(tiny_task: Task) -> None:
    scorer = CountingScorer()
    envs = native(tiny_task, scorer, 6)
    envs.reset(seed=0)
    envs.step(np.full(6, 2))
    assert scorer.calls == []
    envs.step(np.array([EOS, 2, EOS, 2, 2, EOS]))
    assert scorer.calls == [3]
    _, rewards, terminations, _, infos = envs.step(np.full(6, EOS))
    assert scorer.calls == [3, 3]
    np.testing.assert_array_equal(terminations, [False, True, False, True, True, False])
    np.testing.assert_array_equal(rewards > 0, terminations)
    np.testing.assert_array_equal(infos["score"] >= 0, terminations)


class FailingScorer(LengthScorer):
    def __init__(self) -> None:
        self.fails = True

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        if self.fails:
            raise TimeoutError("busy")
        return super().score(sources, hypotheses)


def test_a_failure_in_a_step_leaves_nothing_to_go_on_with(tiny_task: Task) -> None:
    scorer = FailingScorer()
    arguments: dict[str, Any] = {"task": tiny_task, "scorer": scorer}
    scalar, envs = Seq2SeqTranslateEnv(**arguments), Seq2SeqTranslateVectorEnv(2, **arguments)
    scalar.reset(seed=0)
    envs.reset(seed=0)
    for step in (lambda: scalar.step(EOS), lambda: envs.step(np.array([EOS, 2]))):
        with pytest.raises(TimeoutError):
            step()
        with pytest.raises(ResetNeeded):
            step()
    with pytest.raises(ResetNeeded):
        envs.reset(options={"reset_mask": np.array([True, False])})
    scorer.fails = False
    envs.reset(seed=0)
    assert envs.step(np.array([EOS, 2]))[2].tolist() == [True, False]


def test_options_may_differ_by_episode(tiny_task: Task, fake_scorer: Scorer) -> None:
    envs = native(tiny_task, fake_scorer, 3)
    _, infos = envs.reset(options={"source_index": [2, 0, 1]})
    assert infos["source_index"].tolist() == [2, 0, 1]
    _, infos = envs.reset(options={"source": ["rot", "blau", "rot haus"], "target_prefix": ["red", "", "red house"]})
    assert infos["source_text"].tolist() == ["rot", "blau", "rot haus"]
    assert infos["source_index"].tolist() == [-1, -1, -1]
    assert infos["action_mask"].sum(1).tolist() == [1, PAD, 1]
    assert envs.action_masks().sum(1).tolist() == [1, PAD, 1]
    drawn = envs.action_space.sample(infos["action_mask"])
    assert infos["action_mask"][np.arange(3), drawn].all()


def test_after_a_masked_reset_infos_tell_of_what_it_started_and_masks_of_all(
    tiny_task: Task, fake_scorer: Scorer
) -> None:
    envs = native(tiny_task, fake_scorer, 3, autoreset_mode="Disabled")
    envs.reset(seed=0)
    _, _, terminations, _, _ = envs.step(np.array([2, EOS, 2]))
    _, infos = envs.reset(options={"reset_mask": terminations})
    assert infos["_action_mask"].tolist() == [False, True, False]
    assert infos["action_mask"].sum(1).tolist() == [0, PAD, 0]
    assert envs.action_masks().sum(1).tolist() == [PAD, PAD, PAD]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"seed": [1, 2]}, ValueError, "seed has 2 values for 3 environments"),
        ({"options": {"source_index": [1, 2]}}, ValueError, "source_index has 2 values for 3 environments"),
        ({"options": {"source_index": [1, 2, 24]}}, IndexError, "source_index 24 is not in 0..23"),
        ({"options": {"index": 1}}, ValueError, "does not know option 'index'"),
        ({"options": {"source": "rot", "source_index": 1}}, ValueError, "both name a source"),
        ({"options": {"reset_mask": [True, False, True]}}, TypeError, "'reset_mask' is [True, False, True]"),
        ({"options": {"reset_mask": np.zeros(3, bool)}}, ValueError, "shape (3,) and 0 True"),
        ({"options": {"reset_mask": np.ones(2, bool)}}, ValueError, "shape (2,) and 2 True; give shape (3,)"),
        ({"options": {"target_prefix": 3}}, TypeError, "'target_prefix' is 3"),
        ({"options": {"target_prefix": "red " * 12}}, ValueError, "prefix has 12 tokens and the length limit is 12"),
    ],
)
def test_bad_resets_are_refused_and_the_episodes_go_on(
    tiny_task: Task, fake_scorer: Scorer, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    envs = native(tiny_task, fake_scorer, 3)
    before = envs.reset(seed=0)[1]["source_text"].tolist()
    with pytest.raises(error, match=re.escape(message)):
        envs.reset(**arguments)
    assert envs.step(np.full(3, 2))[4]["source_text"].tolist() == before


def test_steps_need_episodes(tiny_task: Task, fake_scorer: Scorer) -> None:
    envs = native(tiny_task, fake_scorer, 2, autoreset_mode="Disabled", render_mode="ansi")
    with pytest.raises(ResetNeeded, match="call reset"):
        envs.step(np.full(2, 2))
    with pytest.raises(ResetNeeded, match="call reset"):
        envs.render()
    with pytest.raises(ResetNeeded, match="call reset\\(\\) without reset_mask first"):
        envs.reset(options={"reset_mask": np.array([True, False])})
    envs.reset(seed=0)
    envs.step(np.array([2, EOS]))
    with pytest.raises(ResetNeeded, match="episode 1 of 2 has ended"):
        envs.step(np.full(2, 2))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"num_envs": 0}, ValueError, "num_envs is 0"),
        ({"num_envs": 1, "autoreset_mode": "later"}, ValueError, "later"),
        ({"num_envs": 1, "render_mode": "rgb"}, TypeError, "no render_mode 'rgb'"),
        ({"num_envs": 1, "spilt": "test"}, TypeError, "has no argument 'spilt'; did you mean 'split'?"),
    ],
)
def test_bad_arguments_are_refused(
    tiny_task: Task, fake_scorer: Scorer, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        Seq2SeqTranslateVectorEnv(task=tiny_task, scorer=fake_scorer, **arguments)


def test_rendered_as_the_scalar_one(tiny_task: Task, fake_scorer: Scorer, capsys: pytest.CaptureFixture[str]) -> None:
    ours = native(tiny_task, fake_scorer, 3, render_mode="ansi")
    theirs = scalars(tiny_task, fake_scorer, 3, AutoresetMode.NEXT_STEP, render_mode="ansi")
    for envs in (ours, theirs):
        envs.reset(seed=0)
        envs.step(np.array([2, EOS, 5]))
    assert ours.render() == theirs.render()
    ours.render_mode = "rgb_array"
    frames = ours.render()
    pictured = scalars(tiny_task, fake_scorer, 3, AutoresetMode.NEXT_STEP, render_mode="rgb_array")
    pictured.reset(seed=0)
    pictured.step(np.array([2, EOS, 5]))
    np.testing.assert_array_equal(frames, pictured.render())
    human = native(tiny_task, fake_scorer, 2, render_mode="human")
    human.reset(options={"source": ["rot", "blau"]})
    assert capsys.readouterr().out == "source      rot\nhypothesis  \n\nsource      blau\nhypothesis  \n\n"
    assert human.render() is None
    silent = native(tiny_task, fake_scorer, 1)
    silent.reset()
    with pytest.warns(UserWarning, match="without a render mode"):
        assert silent.render() is None


def test_pickled_episodes_go_on_the_same(tiny_task: Task, fake_scorer: Scorer) -> None:
    envs = native(tiny_task, fake_scorer, 4, autoreset_mode=AutoresetMode.SAME_STEP)
    envs.reset(seed=1)
    envs.step(np.array([3, EOS, 5, 6]))
    copy = sent(envs)
    for actions in ([4, EOS, EOS, 7], [5, 5, 5, EOS], [EOS] * 4):
        assert same(envs.step(np.array(actions)), copy.step(np.array(actions)))


def test_generators_are_those_of_scalar_environments(tiny_task: Task, fake_scorer: Scorer) -> None:
    envs = native(tiny_task, fake_scorer, 3)
    envs.reset(seed=[4, None, 6])
    assert envs.np_random_seed[::2] == (4, 6)
    scalar = Seq2SeqTranslateEnv(tiny_task, fake_scorer)
    scalar.reset(seed=6)
    assert envs.np_random[2].random() == scalar.np_random.random()
    with pytest.raises(TypeError):
        envs.reset(seed=1.5)  # type: ignore[arg-type]


def test_gymnasiums_vector_wrappers_compose(tiny_task: Task, fake_scorer: Scorer) -> None:
    wrappers = gym.wrappers.vector
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        envs = wrappers.NormalizeReward(wrappers.RecordEpisodeStatistics(native(tiny_task, fake_scorer, 2)))
        envs.reset(seed=0)
        envs.step(np.array([2, 2]))
        *_, infos = envs.step(np.array([EOS, 2]))
    assert infos["episode"]["l"].tolist() == [2, 0]


def test_the_documented_example_runs() -> None:
    [example] = [
        t for t in doctest.DocTestFinder().find(seq2seq_env.vector_env) if t.name.endswith("Seq2SeqTranslateVectorEnv")
    ]
    result = doctest.DocTestRunner().run(example)
    assert result.attempted > 5
    assert result.failed == 0


def test_equality_of_the_tests_tells_apart() -> None:
    assert data_equivalence({"a": np.zeros(2)}, {"a": np.zeros(2)})
    assert not same({"a": np.zeros(2)}, {"a": np.zeros(2, dtype=np.float32)})
    assert not same(np.array(["a", None], dtype=object), np.array(["a", "b"], dtype=object))

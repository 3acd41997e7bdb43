"""The arithmetic task: splits apart, the same from the same seed, a checker as scorer and oracle."""

from __future__ import annotations

import gymnasium as gym
import pytest

import seq2seq_env  # noqa: F401  # registers the environment
from seq2seq_env.scorers import load_scorer
from seq2seq_env.tasks import load_task
from seq2seq_env.tasks.arithmetic.problems import solve
from seq2seq_env.tasks.task import Task
from tests.pickling import sent

SIZES = {"train_size": 60, "source_only_size": 60, "validation_size": 30, "test_size": 30}


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("arithmetic", events=4, **SIZES)


def test_no_calculation_is_in_two_splits(task: Task) -> None:
    calculations = {name: {solve(problem).text for problem in task.split(name).sources} for name in task.splits}
    assert len(task.splits) == 4
    assert sum(map(len, calculations.values())) == len(set().union(*calculations.values()))


def test_a_seed_repeats_and_a_row_needs_no_other(task: Task) -> None:
    again, other = (load_task("arithmetic", seed=seed, events=4, **SIZES) for seed in (0, 1))
    assert again.pair("test", 29) == (task.split("test").sources[29], task.split("test").references[29])
    assert again.fingerprint == task.fingerprint != other.fingerprint
    assert other.pair("test", 29) != again.pair("test", 29)
    assert task.pair("source-only", 0)[1] is None
    assert sent(again).fingerprint == task.fingerprint


def test_every_text_is_known_token_by_token(task: Task) -> None:
    tokenizer = task.tokenizer
    for name in task.splits:
        split = task.split(name)
        for texts, limit in ((split.sources, task.max_source_length), (split.references, task.max_target_length)):
            rows = tokenizer.encode(texts)
            assert tokenizer.decode(rows) == texts
            assert all(tokenizer.unk_id not in row and len(row) <= limit for row in rows)


def test_references_are_right_and_rewarded_in_the_environment(task: Task) -> None:
    test = task.split("test")
    scorer, oracle = load_scorer("arithmetic-checker"), task.oracle
    assert oracle is not None
    assert scorer.score(test.sources, test.references).tolist() == oracle(test.sources, test.references).tolist()
    assert oracle(test.sources, test.references).all()
    assert not oracle(test.sources, ["answer 0"] * 30).any()
    assert task.wordings(test.sources[0]) == [test.references[0]]
    env = gym.make("Seq2SeqTranslate-v0", task=task, split="test")
    env.reset(options={"source_index": 3})
    reward = terminated = 0
    for token in task.tokenizer.encode_targets([test.references[3]])[0]:
        _, reward, terminated, _, _ = env.step(token)  # type: ignore[assignment]
    assert (reward, terminated) == (1.0, True)


def counted(first: int, then: str) -> str:
    return f"Anna has {first} apples. Anna {then} How many apples does Anna have now?"


def test_a_problem_without_a_right_answer_is_refused() -> None:
    checker = load_scorer("arithmetic-checker")
    right = [
        counted(5, "loses 5 of them."),
        counted(10**9 - 2, "buys 1 more."),
        counted(5, "loses 9 of them. Ben gives Anna 6 more."),
    ]
    assert checker.score(right, ["answer 0", "answer 999999999", "answer 2"]).tolist() == [1, 1, 1]
    for wrong, answer in ((counted(5, "loses 30 of them."), -25), (counted(10**9 - 1, "buys 1 more."), 10**9)):
        message = (
            rf"the answer to 'Anna has .*' is {answer}, which no hypothesis can give; score problems whose answers"
        )
        with pytest.raises(ValueError, match=message):
            checker.score([right[0], wrong], [f"answer {answer}", f"answer {answer}"])
    with pytest.raises(ValueError, match="is no problem of the task arithmetic"):
        checker.score(["Das Haus ist rot."], ["a red house"])  # no answer either


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"events": 5}, "events is 5; give 1 to 4"),
        ({"test_size": 0}, "test_size is 0; give 1 or more"),
        ({"prompt": "{source}\n"}, "prompt is for a pretrained model's tokenizer"),
        ({"max_tokens": 1}, "leaves no room for a source"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_task("arithmetic", **options)

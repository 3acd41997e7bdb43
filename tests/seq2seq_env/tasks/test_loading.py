"""How tasks are found by name, and how a name or an option that does not exist is refused."""

from __future__ import annotations

import subprocess
import sys

import pytest

from seq2seq_env.tasks import TASKS, Split, Task, load_task


def test_every_registered_task_loads_under_its_own_name() -> None:
    for name in TASKS.keys() - {"text-files", "hub"}:  # which need data
        task = load_task(name, seed=3)
        assert isinstance(task, Task)
        assert task.name == name


def test_options_and_seed_reach_the_task() -> None:
    task = load_task("phrasebook-de-en", seed=5, train_size=7, validation_size=6, test_size=5, noise=0.0)
    assert [task.size(split) for split in ("train", "validation", "test")] == [7, 6, 5]
    assert task.split("train").sources != load_task("phrasebook-de-en", seed=6, train_size=7).split("train").sources


def test_an_unknown_task_is_refused_with_the_good_names() -> None:
    with pytest.raises(ValueError, match=r"no task 'phrasebok'; choose one of .*phrasebook-de-en"):
        load_task("phrasebok")


def test_an_unknown_option_is_refused_with_the_good_ones() -> None:
    with pytest.raises(TypeError, match=r"'phrasebook-de-en' has no option 'nois'; it has seed, regime, .*noise"):
        load_task("phrasebook-de-en", nois=0.1)


def test_an_option_value_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"noise is 2; it is a share, between 0 and 1"):
        load_task("phrasebook-de-en", noise=2)


def test_a_split_must_be_aligned() -> None:
    with pytest.raises(ValueError, match="2 sources but 1 references"):
        Split("train", ["a", "b"], ["c"])
    assert repr(Split("test", ["a"], ["b"])) == "Split('test', 1 pairs)"


def test_pair_and_size_of_a_plain_task_read_the_split(tiny_task: Task) -> None:
    split = tiny_task.split("validation")
    assert tiny_task.size("validation") == len(split)
    assert tiny_task.pair("validation", 2) == (split.sources[2], split.references[2])


def test_loading_and_judging_needs_neither_torch_nor_transformers() -> None:
    program = (
        "import sys; from seq2seq_env.tasks import load_task\n"
        "task = load_task('phrasebook-de-en', train_size=2, validation_size=2, test_size=2)\n"
        "split = task.split('test'); assert task.oracle(split.sources, split.references).tolist() == [1.0, 1.0]\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)

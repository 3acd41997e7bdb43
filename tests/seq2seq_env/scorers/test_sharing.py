"""Scorers that the environments of one process share."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from seq2seq_env import Seq2SeqTranslateEnv, Seq2SeqTranslateVectorEnv, Task
from seq2seq_env.scorers import SCORERS, LearnedScorer
from seq2seq_env.scorers.description import write_description
from seq2seq_env.scorers.sharing import shared_scorer

SHIPPED = Path(__file__).parents[3] / "seq2seq_env" / "scorers" / "phrasebook_qe"


class NamedScorer:
    """Counts how many of it there were."""

    fingerprint = "named"
    count = 0

    def __init__(self) -> None:
        type(self).count += 1

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        return np.full(len(sources), 0.5, dtype=np.float32)


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> type[NamedScorer]:
    monkeypatch.setitem(SCORERS, "named", lambda device: NamedScorer())
    monkeypatch.setattr(NamedScorer, "count", 0)
    return NamedScorer


def test_environments_have_one_scorer_of_a_name(tiny_task: Task, named: type[NamedScorer]) -> None:
    envs = [Seq2SeqTranslateEnv(tiny_task, "named", info_scorers={"again": "named"}) for _ in range(8)]
    vector = Seq2SeqTranslateVectorEnv(4, task=tiny_task, scorer="named")
    assert named.count == 1
    assert {id(env.scorer) for env in envs} == {id(vector.scorer)}
    del envs, vector
    gc.collect()
    Seq2SeqTranslateEnv(tiny_task, "named")
    assert named.count == 2


def test_a_folder_that_was_written_anew_is_another_scorer(
    tiny_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "scorer"
    shutil.copytree(SHIPPED, folder)
    first = shared_scorer(folder, tiny_task)
    assert isinstance(first, LearnedScorer)
    monkeypatch.chdir(tmp_path)
    assert shared_scorer("scorer", tiny_task) is first
    os.utime(folder / "config.json", ns=(1, 1))
    second = shared_scorer(folder, tiny_task)
    assert second is not first
    assert shared_scorer(str(folder), tiny_task) is second


def test_a_specification_is_shared_by_what_it_says(tiny_task: Task) -> None:
    first = shared_scorer("process: batch_size=7 run it", tiny_task)
    assert shared_scorer("process: batch_size=7 run it", tiny_task) is first
    assert shared_scorer("process: batch_size=8 run it", tiny_task) is not first


def test_what_lies_deeper_and_what_is_named_counts_too(
    tiny_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = tmp_path / "outer" / "part"
    shutil.copytree(SHIPPED, part)
    write_description(tmp_path / "outer", {"kind": "ensemble", "scorers": ["part", "phrasebook-qe"]})
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("outer", "learned: outer/part", "ensemble: phrasebook-qe outer")):
        first = shared_scorer(name, tiny_task)
        assert shared_scorer(name, tiny_task) is first
        os.utime(part / "config.json", ns=(number, number))
        assert shared_scorer(name, tiny_task) is not first
    program = tmp_path / "score.py"
    program.touch()
    first = shared_scorer("process: python score.py", tiny_task)
    os.utime(program, ns=(1, 1))
    assert shared_scorer("process: python score.py", tiny_task) is not first


def test_a_scorer_is_loaded_from_where_it_was_named(
    tiny_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(SHIPPED, tmp_path / "scorer")
    monkeypatch.chdir(tmp_path)
    scorers = [shared_scorer("scorer", tiny_task), LearnedScorer("scorer")]
    monkeypatch.chdir("/")
    for scorer in scorers:
        assert scorer.score(["Guten Morgen."], ["Good morning."]).size == 1


def test_what_is_no_scorer_is_refused_each_time(tiny_task: Task) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="no scorer 'nobody'"):
            shared_scorer("nobody", tiny_task)

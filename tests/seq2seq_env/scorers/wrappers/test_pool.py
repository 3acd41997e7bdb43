from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seq2seq_env.scorers import PoolScorer, ScorerProcessError, load_scorer
from tests.digest_scorer import Digest, bits
from tests.pickling import sent

SOURCES = [f"{'long ' * (row % 7)}source {row % 20}" for row in range(60)]
HYPOTHESES = ["hypothesis"] * 60


ROOT = Path(__file__).parents[4]
PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from tests.fragile_scorer import main; main(sys.argv[2])"


@pytest.fixture(scope="module")
def marks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("marks")


@pytest.fixture(scope="module")
def pool(marks: Path) -> Iterator[PoolScorer]:
    name = shlex.join(["process:", "retries=0", sys.executable, "-c", PROGRAM, str(ROOT), str(marks)])
    made = PoolScorer(load_scorer(name), name, processes=2, batch_size=8, retries=1)
    yield made
    made.close()


def asked(marks: Path) -> dict[str, list[str]]:
    """What each process was asked for."""
    return {file.name: file.read_text().splitlines() for file in marks.iterdir() if file.name != "fallen"}


@pytest.mark.filterwarnings("ignore:the scorer .* is started again")
def test_a_pool_gives_the_scores_and_survives_its_processes(pool: PoolScorer, marks: Path) -> None:
    scores = pool.score(SOURCES, HYPOTHESES)
    assert bits(scores) == bits(Digest().score(SOURCES, HYPOTHESES))
    by_process = asked(marks)
    assert len(by_process) == 2
    everything = [pair for pairs in by_process.values() for pair in pairs]
    assert len(everything) == len(set(everything)) == len(set(SOURCES))
    lengths = [[len(pair) for pair in pairs] for pairs in by_process.values()]
    assert lengths == [sorted(each, reverse=True) for each in lengths]

    again = pool.score(["fall once", *SOURCES], ["x", *HYPOTHESES])
    assert bits(again[1:]) == bits(scores)
    with pytest.raises(
        ScorerProcessError,
        match=r"4 of 20 pairs were not scored; (?s:.*)ScorerProcessError: (?s:.*)\nthis scorer has fallen$",
    ):
        pool.score([*(f"good {row}" for row in range(19)), "fall"], ["y"] * 20)
    before = sum(len(pairs) for pairs in asked(marks).values())
    good = [f"good {row}" for row in range(19)]
    assert bits(pool.score(good, ["y"] * 19)) == bits(Digest().score(good, ["y"] * 19))
    assert sum(len(pairs) for pairs in asked(marks).values()) - before == 3
    assert len(pool.score([], [])) == 0


def test_a_pool_is_named_like_any_scorer() -> None:
    pool = load_scorer("pool: processes=3 batch_size=64 'ensemble: phrasebook-qe'")
    assert isinstance(pool, PoolScorer)
    assert pool.processes == 3
    assert pool.fingerprint == load_scorer("ensemble: phrasebook-qe").fingerprint
    assert sent(pool).fingerprint == pool.fingerprint
    with pytest.raises(ValueError, match="processes is 0; give at least 1"):
        load_scorer("pool: processes=0 phrasebook-qe")
    with pytest.raises(ValueError, match="batch_size is 0; give 1 or more"):
        load_scorer("pool: batch_size=0 phrasebook-qe")
    with pytest.raises(ValueError, match="pool: is followed by 2 scorers"):
        load_scorer("pool: phrasebook-qe other")


def test_what_is_another_scorer_without_its_task_is_refused() -> None:
    with pytest.raises(ScorerProcessError, match="'arithmetic-checker' is another one in a process of its own"):
        PoolScorer(Digest(), "arithmetic-checker", processes=1, retries=0).score(["a"], ["b"])
    with pytest.raises(ValueError, match="device is 'cuda:1', and a pool takes all GPUs in turn"):
        PoolScorer(Digest(), "arithmetic-checker", device="cuda:1")

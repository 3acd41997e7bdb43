from __future__ import annotations

from collections.abc import Iterator
from threading import Lock

import pytest

from seq2seq_env.scorers import PoolScorer, ScorerProcessError, load_scorer
from tests.digest_scorer import Digest, bits
from tests.fragile_scorer import Fragile
from tests.pickling import sent

SOURCES = [f"{'long ' * (row % 7)}source {row % 20}" for row in range(60)]
HYPOTHESES = ["hypothesis"] * 60


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PoolScorer]:
    made = PoolScorer(Fragile(tmp_path_factory.mktemp("marks")), processes=2, batch_size=8, retries=1)
    yield made
    made.close()


def asked(pool: PoolScorer) -> dict[str, list[str]]:
    """What each process was asked for."""
    assert isinstance(pool.scorer, Fragile)
    return {file.name: file.read_text().splitlines() for file in pool.scorer.marks.iterdir() if file.name != "fallen"}


@pytest.mark.filterwarnings("ignore:the scorer .* is started again")
def test_a_pool_gives_the_scores_and_survives_its_processes(pool: PoolScorer) -> None:
    scores = pool.score(SOURCES, HYPOTHESES)
    assert bits(scores) == bits(Digest().score(SOURCES, HYPOTHESES))
    by_process = asked(pool)
    assert len(by_process) == 2
    everything = [pair for pairs in by_process.values() for pair in pairs]
    assert len(everything) == len(set(everything)) == len(set(SOURCES))
    lengths = [[len(pair) for pair in pairs] for pairs in by_process.values()]
    assert lengths == [sorted(each, reverse=True) for each in lengths]

    again = pool.score(["fall once", *SOURCES], ["x", *HYPOTHESES])
    assert bits(again[1:]) == bits(scores)
    with pytest.raises(
        ScorerProcessError, match=r"4 of 20 pairs were not scored; .*\nRuntimeError: this scorer has fallen$"
    ):
        pool.score([*(f"good {row}" for row in range(19)), "fall"], ["y"] * 20)
    before = sum(len(pairs) for pairs in asked(pool).values())
    good = [f"good {row}" for row in range(19)]
    assert bits(pool.score(good, ["y"] * 19)) == bits(Digest().score(good, ["y"] * 19))
    assert sum(len(pairs) for pairs in asked(pool).values()) - before == 3
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


def test_what_cannot_be_pickled_is_told_before_a_process_starts() -> None:
    scorer = Digest()
    scorer.lock = Lock()  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="cannot be sent to a pool's processes"):
        PoolScorer(scorer).score(["a"], ["b"])

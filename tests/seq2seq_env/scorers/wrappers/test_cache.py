"""Cached scores: what is asked for, what is kept, and who shares it."""

from __future__ import annotations

import copy
import doctest
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import seq2seq_env.scorers.wrappers.cache
from seq2seq_env.scorers import CachedScorer, Scorer, checked_scores
from tests.digest_scorer import Digest, bits
from tests.pickling import sent

ROOT = Path(__file__).parents[4]


class Constant:
    fingerprint = "constant"

    def __init__(self, score: float) -> None:
        self.value = score

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        return np.full(len(sources), self.value, dtype=np.float32)


TEXT = st.text(alphabet="ab\0\x01 ä", max_size=3)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=8)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(calls=st.lists(PAIRS, max_size=6), max_entries=st.integers(1, 5))
def test_any_calls_give_what_the_scorer_gives(calls: list[list[tuple[str, str]]], max_entries: int) -> None:
    scorer = Digest()
    cached = CachedScorer(scorer, max_entries=max_entries)
    for pairs in calls:
        sources, hypotheses = [s for s, _ in pairs], [h for _, h in pairs]
        assert bits(cached.score(sources, hypotheses)) == bits(Digest().score(sources, hypotheses))
    assert cached.hits + cached.misses == sum(map(len, calls))
    assert cached.misses == sum(map(len, scorer.calls))


@settings(derandomize=True, deadline=None, max_examples=25)
@given(calls=st.lists(st.tuples(PAIRS, st.booleans(), st.booleans()), max_size=6), max_entries=st.integers(1, 5))
def test_any_calls_on_a_file_ask_once_for_a_pair(
    tmp_path_factory: pytest.TempPathFactory,
    calls: list[tuple[list[tuple[str, str]], bool, bool]],
    max_entries: int,
) -> None:
    """Two scorers share the file, and each cache is sometimes left and made anew."""
    path = tmp_path_factory.mktemp("cache") / "scores.sqlite"
    scorers = [Digest("one"), Digest("two")]
    caches = [CachedScorer(scorer, path, max_entries) for scorer in scorers]
    for pairs, which, anew in calls:
        if anew:
            caches[which] = CachedScorer(scorers[which], path, max_entries)
        sources, hypotheses = [s for s, _ in pairs], [h for _, h in pairs]
        wanted = Digest(scorers[which].fingerprint).score(sources, hypotheses)
        assert bits(caches[which].score(sources, hypotheses)) == bits(wanted)
    for scorer in scorers:
        asked = [pair for call in scorer.calls for pair in call]
        assert len(asked) == len(set(asked))


def test_it_is_a_scorer_with_the_fingerprint_of_the_wrapped() -> None:
    cached = CachedScorer(Digest())
    assert isinstance(cached, Scorer)
    assert cached.fingerprint == "digest-1"
    assert checked_scores(cached, [], []).shape == (0,)
    with pytest.raises(TypeError, match="wrap a single sentence in a list"):
        CachedScorer(Digest()).score("abc", "abc")
    with pytest.raises(ValueError, match="give one for each"):
        cached.score(["a", "b"], ["x"])
    with pytest.raises(ValueError, match="max_entries is 0; a cache keeps at least 1 score"):
        CachedScorer(Digest(), max_entries=0)


def test_new_pairs_are_asked_for_in_one_call_and_once_each() -> None:
    scorer = Digest()
    cached = CachedScorer(scorer)
    cached.score(["a"], ["x"])
    scores = cached.score(["b", "a", "b", "c", "b"], ["y", "x", "y", "x", "z"])
    assert scorer.calls == [[("a", "x")], [("b", "y"), ("c", "x"), ("b", "z")]]
    assert scores[0] == scores[2] != scores[4]
    assert (cached.hits, cached.misses) == (2, 4)
    assert repr(cached) == "CachedScorer(Digest, path=None, max_entries=100000, hits=2, misses=4)"


def test_pairs_that_join_to_the_same_text_differ() -> None:
    scorer = Digest()
    pairs = [("a", "bc"), ("ab", "c"), ("", "abc"), ("abc", ""), ("a\0b", "c"), ("a", "\0bc")]
    CachedScorer(scorer).score([s for s, _ in pairs], [h for _, h in pairs])
    assert scorer.calls == [pairs]


def test_the_least_recently_used_score_leaves_first() -> None:
    scorer = Digest()
    cached = CachedScorer(scorer, max_entries=2)
    for text in ("a", "b", "a", "c", "a", "b", "c"):
        cached.score([text], [text])
    # c drove out b, which was used before a; then b drove out c, and c drove out a.
    assert [pair[0] for (pair,) in scorer.calls] == ["a", "b", "c", "b", "c"]


def test_a_call_of_more_pairs_than_fit_keeps_the_last() -> None:
    scorer = Digest()
    cached = CachedScorer(scorer, max_entries=2)
    texts = ["a", "b", "c", "d"]
    assert bits(cached.score(texts, texts)) == bits(Digest().score(texts, texts))
    cached.score(["c", "d"], ["c", "d"])
    assert len(scorer.calls) == 1


@pytest.mark.parametrize("bad", [float("nan"), -0.5, 1.5, float("inf")])
def test_a_bad_score_is_an_error_and_not_kept(tmp_path: Path, bad: float) -> None:
    scorer = Constant(bad)
    cached = CachedScorer(scorer, tmp_path / "scores.sqlite")
    with pytest.raises(ValueError, match=r"Constant gave pair 0 the score .*, not a number in \[0, 1\]"):
        cached.score(["a"], ["x"])
    assert (cached.hits, cached.misses) == (0, 0)
    scorer.value = 0.5
    assert cached.score(["a"], ["x"]).tolist() == [0.5]


@pytest.mark.parametrize("value", [0.0, -0.0, 1.0, 1e-45, 0.1])
def test_a_file_keeps_every_bit(tmp_path: Path, value: float) -> None:
    first = CachedScorer(Constant(value), tmp_path / "scores.sqlite").score(["a"], ["x"])
    cached = CachedScorer(Constant(0.75), tmp_path / "scores.sqlite")
    assert bits(cached.score(["a"], ["x"])) == bits(first) == bits(np.asarray([value], dtype=np.float32))
    assert (cached.hits, cached.misses) == (1, 0)


def test_a_file_is_asked_for_many_pairs_at_once(tmp_path: Path) -> None:
    texts = [str(i) for i in range(2500)]
    first = CachedScorer(Digest(), tmp_path / "scores.sqlite").score(texts, texts)
    cached = CachedScorer(Constant(0.0), tmp_path / "scores.sqlite")
    cached.scorer.fingerprint = "digest-1"  # type: ignore[misc]
    assert bits(cached.score(texts[::-1], texts[::-1])) == bits(first[::-1])


def test_copies_and_pickles_share_the_file_but_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cached = CachedScorer(Digest(), "scores.sqlite", max_entries=7)
    scores = cached.score(["a"], ["x"])
    monkeypatch.chdir("/")
    for other in (sent(cached), copy.deepcopy(cached), copy.copy(cached)):
        assert (other.path, other.max_entries) == (tmp_path / "scores.sqlite", 7)
        assert (other.hits, other.misses) == (0, 0)
        assert bits(other.score(["a"], ["x"])) == bits(scores)
        assert (other.hits, other.misses) == (1, 0)


def test_threads_share_a_cache(tmp_path: Path) -> None:
    cached = CachedScorer(Digest(), tmp_path / "scores.sqlite", max_entries=5)
    failed: list[object] = []

    def work(offset: int) -> None:
        try:
            for i in range(40):
                texts = [str((offset * 3 + i + j) % 20) for j in range(3)]
                assert bits(cached.score(texts, texts)) == bits(Digest().score(texts, texts))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert cached.hits + cached.misses == 6 * 40 * 3


class Drifting:
    """Another score in every call; the first two calls wait for each other."""

    fingerprint = "drifting"

    def __init__(self) -> None:
        self.calls = 0
        self.together = threading.Barrier(2)

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        self.together.wait(60)
        self.calls += 1
        return np.full(len(sources), self.calls / 8, dtype=np.float32)


@pytest.mark.parametrize(("caches", "has_file"), [(1, False), (1, True), (2, True)])
def test_a_pair_that_two_ask_for_at_once_has_the_first_score(tmp_path: Path, caches: int, has_file: bool) -> None:
    """Two caches on a file are two processes to each other."""
    scorer = Drifting()
    shared = [CachedScorer(scorer, tmp_path / "scores.sqlite" if has_file else None) for _ in range(caches)] * 2
    given: list[list[int]] = []

    def ask(cached: CachedScorer) -> None:
        given.append(bits(cached.score(["a"], ["x"])))

    threads = [threading.Thread(target=ask, args=(cached,)) for cached in shared[:2]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scorer.calls == 2
    assert given == [bits(shared[0].score(["a"], ["x"]))] * 2
    assert bits(shared[-1].score(["a"], ["x"])) == given[0]


PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from seq2seq_env.scorers import CachedScorer
from tests.digest_scorer import Digest, bits
cached = CachedScorer(Digest(), sys.argv[2], max_entries=3)
print("ready", flush=True)
sys.stdin.readline()
for i in range(int(sys.argv[3]), int(sys.argv[4])):
    texts = [str(i), str(i + 1)]
    assert bits(cached.score(texts, texts)) == bits(Digest().score(texts, texts))
    print(i, flush=True)
"""


def started(path: Path, first: int, last: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(ROOT), str(path), str(first), str(last)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_processes_share_a_file_from_its_making_on(tmp_path: Path) -> None:
    path = tmp_path / "scores.sqlite"
    processes = [started(path, first, first + 60) for first in (0, 30, 60)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:  # all make the file at once
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (0, "")
    texts = [str(i) for i in range(121)]
    cached = CachedScorer(Digest(), path)
    assert bits(cached.score(texts, texts)) == bits(Digest().score(texts, texts))
    assert (cached.hits, cached.misses) == (121, 0)


def test_a_killed_process_leaves_a_whole_file(tmp_path: Path) -> None:
    process = started(tmp_path / "scores.sqlite", 0, 100_000)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    while process.stdout.readline() != "50\n":
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    texts = [str(i) for i in range(52)]
    cached = CachedScorer(Digest(), tmp_path / "scores.sqlite")
    assert bits(cached.score(texts, texts)) == bits(Digest().score(texts, texts))
    assert (cached.hits, cached.misses) == (52, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # pytest's own process may have threads
def test_a_fork_shares_the_file_even_while_threads_score(tmp_path: Path) -> None:
    cached = CachedScorer(Digest(), tmp_path / "scores.sqlite", max_entries=1)
    ended = threading.Event()

    def work() -> None:
        i = 0
        while not ended.is_set():
            cached.score([str(i % 50)], ["parent"])
            i += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for child in range(5):
            process = os.fork()
            if process == 0:
                # The lock is free, or this would hang or fail.
                texts = [f"{child}-{i}" for i in range(20)]
                right = bits(cached.score(texts, texts)) == bits(Digest().score(texts, texts))
                os._exit(0 if right else 1)
            assert os.waitpid(process, 0)[1] == 0
    finally:
        ended.set()
        thread.join()
    texts = [f"{child}-{i}" for child in range(5) for i in range(20)]
    other = CachedScorer(Digest(), tmp_path / "scores.sqlite")
    other.score(texts, texts)
    assert (other.hits, other.misses) == (100, 0)


def test_the_example_in_the_documentation() -> None:
    [example] = [
        test
        for test in doctest.DocTestFinder().find(seq2seq_env.scorers.wrappers.cache)
        if test.name.endswith("CachedScorer")
    ]
    result = doctest.DocTestRunner().run(example)
    assert result.attempted == 3
    assert result.failed == 0

"""A task and a scorer small enough to reason about by hand, shared by all tests."""

from __future__ import annotations

import atexit
import gc
import os
from collections.abc import Callable, Generator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from seq2seq_env.tasks.task import SOURCE_ONLY, Oracle, Split, Task
from seq2seq_env.tokenization.pretrained_tokenizer import PretrainedTokenizer
from seq2seq_env.tokenization.tokenizer import Tokenizer

# Networks of 16 features gain nothing from a second thread, and lose much where other programs want the cores. Set
# before PyTorch is imported, for the processes that tests start, too.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Under "uv run", Ray's workers would run in what uv makes of a copy of the working directory, where there may be no uv.
# Set before Ray is imported.
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")

GERMAN = ["eins", "zwei", "drei", "rot", "blau", "haus", "auto", "hund"]
ENGLISH = ["one", "two", "three", "red", "blue", "house", "car", "dog"]


class TinyTask(Task):
    """Word-for-word translation of three-word phrases: 'zwei rot haus' is 'two red house'."""

    name = "tiny"
    fingerprint = "tiny-1"
    max_source_length = 12
    max_target_length = 12
    default_scorer = None

    def __init__(self) -> None:
        numbers, colours, nouns = range(3), range(3, 5), range(5, 8)
        triples = [(n, c, m) for m in nouns for c in colours for n in numbers]
        pairs = [(" ".join(GERMAN[i] for i in t), " ".join(ENGLISH[i] for i in t)) for t in triples]
        pairs += [(f"{GERMAN[c]} {GERMAN[m]}", f"{ENGLISH[c]} {ENGLISH[m]}") for c in colours for m in nouns]
        pairs += [(GERMAN[i], ENGLISH[i]) for i in range(8)]
        pairs += [(f"{GERMAN[n]} {GERMAN[m]}", f"{ENGLISH[n]} {ENGLISH[m]}") for n in (0, 1) for m in nouns]
        cuts = {"train": pairs[:24], "validation": pairs[24:31], "test": pairs[31:]}
        self._splits = {k: Split(k, [s for s, _ in v], [t for _, t in v]) for k, v in cuts.items()}
        self.known = dict(pairs)
        self.tokenizer = Tokenizer.from_words(GERMAN + ENGLISH)

    def split(self, name: str) -> Split:
        return self._splits[name]

    @property
    def oracle(self) -> Oracle:
        return self._exact_match

    def _exact_match(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        exact = [float(self.known.get(s) == h) for s, h in zip(sources, hypotheses, strict=True)]
        return np.asarray(exact, dtype=np.float32)


class MonolingualTask(TinyTask):
    """The tiny task, in which nobody has translated the last 6 of its 24 training sources."""

    name, fingerprint = "monolingual", "monolingual-1"
    has_source_only = True

    def __init__(self) -> None:
        super().__init__()
        train = self._splits["train"]
        self._splits["train"] = Split("train", train.sources[:18], train.references[:18])
        self._splits[SOURCE_ONLY] = Split(SOURCE_ONLY, train.sources[18:], [])


class OverlapScorer:
    """Share of distinct words that hypothesis and known reference have in common (Jaccard)."""

    fingerprint = "overlap-1"

    def __init__(self, task: TinyTask) -> None:
        self.known = task.known

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        scores = []
        for source, hypothesis in zip(sources, hypotheses, strict=True):
            wanted, got = set(self.known[source].split()), set(hypothesis.split())
            scores.append(len(wanted & got) / len(wanted | got))
        return np.asarray(scores, dtype=np.float32)


class PretrainedTask(TinyTask):
    """The tiny task in the tokens of a pretrained model."""

    def __init__(self, folder: Path, **languages: str) -> None:
        super().__init__()
        self.tokenizer = PretrainedTokenizer(folder, **languages)
        self.max_source_length = self.max_target_length = 20
        self.fingerprint = f"tiny-{folder.name}"


@pytest.fixture(scope="session")
def pretrained_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folder of a tiny pretrained model, by what it is: made once."""
    root = tmp_path_factory.mktemp("pretrained")

    # Imports PyTorch, which reads the number of threads then.
    from tests.tiny_models import save_pretrained

    @cache
    def make(name: str) -> Path:
        return save_pretrained(name, root / name, GERMAN + ENGLISH)

    return make


@pytest.fixture(scope="session")
def pretrained_task(pretrained_folder: Callable[[str], Path]) -> Callable[[str], PretrainedTask]:
    """The tiny task in its tokens."""
    from tests.tiny_models import OPTIONS

    @cache
    def make(name: str) -> PretrainedTask:
        return PretrainedTask(pretrained_folder(name), **OPTIONS[name])

    return make


@pytest.fixture(scope="session")
def tiny_task() -> TinyTask:
    return TinyTask()


@pytest.fixture(scope="session")
def monolingual_task() -> MonolingualTask:
    return MonolingualTask()


@pytest.fixture(scope="session")
def fake_scorer(tiny_task: TinyTask) -> OverlapScorer:
    return OverlapScorer(tiny_task)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes minutes or hours; runs only where -m asks for it")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Without a look for garbage, a seventh of the time; nor is any later among what is imported, which stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        atexit.register(gc.unfreeze)  # at the end nanobind calls leaked what is frozen
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is slow, unless an expression of -m decides on it."""
    if "slow" in config.option.markexpr:
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in slow]

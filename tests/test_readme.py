"""Every code block of the documentation runs, or where it cannot, its commands' options and its imports are parsed.

``tests/documentation/pages.py`` says how pages mark blocks. The blocks of a page run in one folder, which holds a small
finished run in ``runs/growing_batch`` and aligned text in ``data``. ``pytest -m slow`` runs the slow ones.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from seq2seq_env.extras import is_installed
from tests.documentation.interpreter import CHECKOUT, FAST, Interpreter, Outcome
from tests.documentation.pages import Block, Mode, Page, documentation
from tests.documentation.reading import Reading

PAGES = {page.name: page for page in documentation(CHECKOUT)}
PRELOADED = (
    "experiments.growing_batch",
    "experiments.compare_agents",
    "matplotlib.pyplot",
    # What a first policy or a first training imports: twenty seconds, in every child that has one.
    "accelerate",
    "transformers.models.marian.modeling_marian",
    "d3rlpy",
)

ReadingOf = Callable[[str], Reading]


def blocks(*modes: Mode) -> list[ParameterSet]:
    return [
        pytest.param(block, id=block.place, marks=[pytest.mark.slow] if "run" in modes and block.mode == "slow" else [])
        for page in PAGES.values() for block in page.blocks if block.mode in modes
    ]  # fmt: skip


@pytest.fixture(scope="module")
def reading_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReadingOf]:
    """The reading of a page, begun when its first block is asked for."""
    with ExitStack() as ends:
        interpreter = ends.enter_context(
            Interpreter([name for name in PRELOADED if is_installed(name.partition(".")[0])])
        )

        @cache
        def tiny_run() -> Path:
            folder = tmp_path_factory.mktemp("tiny_run")
            program = ["-m", "tests.documentation.tiny_run", str(folder)]
            with interpreter.connect() as child:
                made = interpreter.ask(child, folder, FAST, program=program)
            assert not made.failed, made.output
            return folder

        def begin(folder: Path) -> list[Path]:
            shutil.copytree(tiny_run(), folder, dirs_exist_ok=True)
            (folder / "experiments").symlink_to(CHECKOUT / "experiments")
            return [folder / "runs" / "growing_batch"]

        @cache
        def reading(name: str) -> Reading:
            for other in begun:  # pages are read one after another, and an open session takes much memory
                other.close()
            begun.append(Reading(PAGES[name], tmp_path_factory.mktemp("page"), interpreter, begin))
            ends.callback(begun[-1].close)
            return begun[-1]

        begun: list[Reading] = []
        yield reading


def succeeds(block: Block, outcome: Outcome) -> None:
    if outcome.failed:
        pytest.fail(f"{block.place}, {block.language}:\n\n{block.code}\n{outcome.output.strip()}", pytrace=False)


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.name)
def test_fences_and_marks_are_clear(page: Page) -> None:
    assert page.faults == []


@pytest.mark.parametrize("block", blocks("run", "slow"))
def test_block_runs(block: Block, reading_of: ReadingOf) -> None:
    succeeds(block, reading_of(block.page).run(block))


@pytest.mark.parametrize("block", blocks("slow", "parse"))
def test_block_parses(block: Block, reading_of: ReadingOf) -> None:
    succeeds(block, reading_of(block.page).parse(block))

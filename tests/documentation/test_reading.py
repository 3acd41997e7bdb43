"""That a block which fails, or whose options are wrong, fails; on a checkout of one small program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.documentation.interpreter import Interpreter
from tests.documentation.pages import read_page
from tests.documentation.reading import Reading

PROGRAM = '''
"""A program."""

from dataclasses import dataclass
from pathlib import Path

import tyro


@dataclass
class Config:
    size: int = 1
    out: Path = Path("runs/toy")

    def check(self) -> None:
        if self.size > 9:
            raise ValueError(f"size is {self.size}")


if __name__ == "__main__":
    config = tyro.cli(Config)
    if (config.out / "size").exists():
        raise FileExistsError("a run is there")
    config.out.mkdir(parents=True, exist_ok=True)
    (config.out / "size").write_text(str(config.size))
    print("did the work")
'''

Read = Callable[[str], Reading]


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Interpreter]:
    root = tmp_path_factory.mktemp("checkout")
    (root / "experiments").mkdir()
    (root / "experiments" / "toy.py").write_text(PROGRAM)
    (root / "experiments" / "idle.py").write_text("print('no options')")
    with Interpreter(root=root) as interpreter:
        yield interpreter


@pytest.fixture
def read(interpreter: Interpreter, tmp_path: Path) -> Iterator[Read]:
    readings = []

    def begin(folder: Path) -> list[Path]:
        (folder / "runs" / "toy").mkdir(parents=True)
        (folder / "runs" / "toy" / "size").write_text("a stand-in")
        (folder / "experiments").symlink_to(interpreter.root / "experiments")
        return [folder / "runs" / "toy"]

    def read(text: str) -> Reading:
        page = read_page("page.md", text)
        assert page.faults == []
        readings.append(Reading(page, tmp_path, interpreter, begin))
        return readings[-1]

    yield read
    for reading in readings:
        reading.close()


def fences(*blocks: str) -> str:
    return "\n\n".join(f"```{block}\n```" for block in blocks)


def test_blocks_share_a_folder_and_a_session_in_the_order_of_the_page(read: Read) -> None:
    reading = read(
        fences(
            "python\nfrom pathlib import Path\nx = 2\nPath('a').write_text('1')",
            "bash\nuv run experiments/toy.py --size $(cat a) --out b | grep work",
            "python\nassert Path('b/size').read_text() == '1'\nprint(x)",
        )
    )
    last = reading.run(reading.page.blocks[-1])  # which runs those before it
    assert (last.failed, last.output) == (False, "2\n")
    assert "did the work" in reading.run(reading.page.blocks[1]).output
    (reading.folder / "a").unlink()
    assert not reading.run(reading.page.blocks[0]).failed
    assert not (reading.folder / "a").exists(), "a block ran twice"


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("python\nx = 1\nassert x == 2", 'page.md", line 3'),
        ("python\nimport warnings\nwarnings.warn('old', DeprecationWarning)", "DeprecationWarning: old"),
        ("python\nimport os\nos._exit(3)", "the interpreter died"),
        ("python\nraise SystemExit('no')", "no"),
        ("bash\nfalse\ntrue", "exit code 1"),
        ("bash\nfalse | true", "exit code 1"),
        ("bash\nuv run experiments/toy.py --sise 1", "--sise"),
        ("bash\nuv run experiments/toy.py | cat", "a run is there"),
        ("bash\nuv run experiments/toy.py --size $size", "size: unbound variable"),
        ("bash\nuv sync", "cannot run in a test"),
        ("bash\nuv run python -c 'raise OSError(1)'", "OSError: 1"),
    ],
)
def test_a_failing_block_fails(block: str, message: str, read: Read) -> None:
    reading = read(fences(block))
    outcome = reading.run(reading.page.blocks[0])
    assert outcome.failed
    assert message in outcome.output


def test_a_page_goes_on_after_a_block_that_fails_or_dies(read: Read) -> None:
    reading = read(
        fences("python\nx = 1\nassert x == 2", "python\nprint(x)", "python\nimport os\nos._exit(3)", "python\n1")
    )
    assert [reading.run(block).failed for block in reading.page.blocks] == [True, False, True, False]


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("bash\nuv run experiments/toy.py --sise 1", "--sise"),
        ("bash\nfor n in 1 x; do uv run python experiments/toy.py --size $n; done", "invalid literal"),
        ("bash\nuv run torchrun --nproc_per_node 2 experiments/toy.py --size 10", "size is 10"),
        ("bash\nuv run experiments/missing.py", "missing.py"),
        ("bash\nuv run experiments/idle.py", "ended without parsing its options"),
        ("bash\nuv run python -m seq2seq_env.nothing", "nothing"),
        ("bash\npython -c 'from seq2seq_env import nothing'", "module 'seq2seq_env' has no 'nothing'"),
        ("python\nx =", "SyntaxError"),
        ("python\nfrom seq2seq_env.tasks import NoSuchTask", "has no 'NoSuchTask'"),
        ("python\nimport seq2seq_env.nothing", "no module 'seq2seq_env.nothing'"),
    ],
)
def test_a_block_that_does_not_parse_fails(block: str, message: str, read: Read) -> None:
    reading = read("<!-- test: parse, a cluster -->\n" + fences(block))
    outcome = reading.parse(reading.page.blocks[0])
    assert outcome.failed
    assert message in outcome.output


@pytest.mark.parametrize(
    "block",
    [
        "bash\nuv run experiments/toy.py --size 9 &&\n  uv run experiments/toy.py --help",
        "bash\ngit clone x && cd x && uv sync",
        "python\nimport comet\nfrom seq2seq_env import load_task, tasks\nraise OSError",
    ],
)
def test_parsing_does_no_work(block: str, read: Read) -> None:
    reading = read("<!-- test: parse, a cluster -->\n" + fences(block))
    assert not reading.parse(reading.page.blocks[0]).failed
    assert (reading.folder / "runs" / "toy" / "size").read_text() == "a stand-in"


def test_a_slow_block_makes_its_run_in_place_of_the_stand_in(read: Read) -> None:
    reading = read("<!-- test: slow -->\n" + fences("bash\nuv run experiments/toy.py", "bash\nls runs/toy"))
    assert not reading.run(reading.page.blocks[1]).failed  # without the slow one
    assert (reading.folder / "runs" / "toy" / "size").read_text() == "a stand-in"
    outcome = reading.run(reading.page.blocks[0])
    assert not outcome.failed, outcome.output
    assert (reading.folder / "runs" / "toy" / "size").read_text() == "1"


def test_a_block_that_hangs_is_ended(interpreter: Interpreter, tmp_path: Path) -> None:
    outcome = interpreter.shell("sleep 60", tmp_path, seconds=0.5)
    assert (outcome.failed, "not done after" in outcome.output) == (True, True)
    with interpreter.connect() as child:
        outcome = interpreter.ask(child, tmp_path, 0.5, code="import time; time.sleep(60)", page="page.md", line=1)
    assert (outcome.failed, "not done after" in outcome.output) == (True, True)

"""Imports go one way: experiments -> agents -> buffers -> seq2seq_env."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("experiments", "agents", "buffers", "seq2seq_env")


def imported_modules(path: Path, root: Path) -> Iterator[tuple[int, str]]:
    """Line and absolute module name of each import in a file, wherever in the file it stands."""
    package = path.relative_to(root).parent.parts
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            yield node.lineno, ".".join([*base, *([node.module] if node.module else [])])


def wrong_imports(root: Path) -> list[str]:
    """Imports from a room further up, or from the tests."""
    wrong = []
    for rank, room in enumerate(ROOMS):
        forbidden = {*ROOMS[:rank], "tests"}
        for path in sorted((root / room).rglob("*.py")):
            for line, module in imported_modules(path, root):
                if module.split(".")[0] in forbidden:
                    wrong.append(f"{path.relative_to(root).as_posix()}:{line} imports {module}")
    return wrong


def test_imports_go_one_way() -> None:
    assert all((ROOT / room / "__init__.py").is_file() for room in ROOMS)
    assert wrong_imports(ROOT) == []


@pytest.mark.parametrize(
    ("path", "line", "module"),
    [
        ("seq2seq_env/env.py", "import buffers.storage.shard", "buffers.storage.shard"),
        ("buffers/growing/grow.py", "from agents import policy", "agents"),
        ("agents/bc.py", "def f():\n    from experiments.compare import g", "experiments.compare"),
        ("agents/deep/er.py", "from ...experiments import g", "experiments"),
        ("experiments/run.py", "from tests.conftest import TinyTask", "tests.conftest"),
    ],
)
def test_an_import_the_other_way_is_found(tmp_path: Path, path: str, line: str, module: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(line)
    (tmp_path / "experiments").mkdir(exist_ok=True)
    (tmp_path / "experiments" / "good.py").write_text(
        "import agents, buffers.storage.shard\nfrom seq2seq_env import Task"
    )
    assert wrong_imports(tmp_path) == [f"{path}:{line.count(chr(10)) + 1} imports {module}"]


def test_the_environment_imports_no_deep_learning_library() -> None:
    program = (
        "import sys, seq2seq_env, seq2seq_env.env, seq2seq_env.scorers, seq2seq_env.tasks, seq2seq_env.wrappers\n"
        "print(*sorted({'torch', 'transformers', 'accelerate', 'tensorflow'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.split() == []

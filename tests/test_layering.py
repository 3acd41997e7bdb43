"""Imports go one way: between rooms, between the wings of a room, and between modules."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("experiments", "agents", "buffers", "seq2seq_env")

WINGS = {
    "experiments": (
        "experiments.cli", "experiments", "experiments.examples", "experiments.benchmarks",
        "experiments.benchmarks.planted_holes", "experiments.datasets", "experiments.people", "experiments.paper",
        "experiments.reports", "experiments.reports.page", "experiments.reports.tables", "experiments.runs",
        "experiments.scorer_training", "experiments.command_line", "experiments.names",
    ),
    "agents": (
        "agents.cli", "agents.d3rlpy_adapter", "agents.off_policy", "agents", "agents.training", "agents.sampling",
        "agents.policy",
    ),
    "buffers": ("buffers.admin", "buffers.interop", "buffers.growing", "buffers", "buffers.storage"),
    "seq2seq_env": (
        "seq2seq_env.play", "seq2seq_env.adapters", "seq2seq_env.wrappers", "seq2seq_env.env",
        "seq2seq_env.vector_env", "seq2seq_env.mdp",
        "seq2seq_env.constraint", "seq2seq_env.scorers.pool_worker",
        "seq2seq_env.scorers.sharing", "seq2seq_env.scorers.loading",
        "seq2seq_env.scorers", "seq2seq_env.scorers.wrappers", "seq2seq_env.scorers.predictor_estimator",
        "seq2seq_env.scorers.models", "seq2seq_env.scorers.spec", "seq2seq_env.scorers.description",
        "seq2seq_env.scorers.folds", "seq2seq_env.scorers.scorer", "seq2seq_env.tasks.loading",
        "seq2seq_env.tasks.corpora", "seq2seq_env.tasks.phrasebook", "seq2seq_env.tasks.arithmetic",
        "seq2seq_env.tasks", "seq2seq_env.tasks.task", "seq2seq_env.models",
        "seq2seq_env.tokenization", "seq2seq_env.bleu_tokenizer", "seq2seq_env.chrf", "seq2seq_env.publishing",
        "seq2seq_env.hub",
        "seq2seq_env.messages", "seq2seq_env.options", "seq2seq_env.suggestions", "seq2seq_env.ranges",
        "seq2seq_env.extras", "seq2seq_env.installation", "seq2seq_env",
    ),
}  # fmt: skip
"""Of each room, packages and single modules from the top down: an import leads to a later one, or stays in its own.

A module belongs to the longest name that holds it. What a package's ``__init__`` and ``__main__`` import is free.
"""


class Import(NamedTuple):
    """Where an import stands, and what it leads to, both as dotted names of modules."""

    path: str
    line: int
    module: str
    target: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} imports {self.target}"


def modules(root: Path) -> dict[str, Path]:
    paths = [path for room in ROOMS for path in sorted((root / room).rglob("*.py"))]
    return {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


@cache
def homes(package: Path) -> dict[str, str]:
    """The module of each name that a package's stub offers, so that a lazy name counts as an import of its module."""
    stub = package / "__init__.pyi"
    if not stub.is_file():
        return {}
    nodes = [node for node in ast.parse(stub.read_text("utf-8")).body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name: str(node.module) for node in nodes for alias in node.names}


def imports(root: Path) -> Iterator[Import]:
    """Every import of a module of ours or of the tests, wherever in its file it stands."""
    known = modules(root)
    for module, path in known.items():
        parent = path.relative_to(root).parent.parts
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = parent[: len(parent) - node.level + 1] if node.level else ()
                package = ".".join([*base, *([node.module] if node.module else [])])
                offered = homes(root.joinpath(*package.split(".")))
                names = [f"{package}.{offered.get(alias.name, alias.name)}" for alias in node.names]
                targets = [name if name in known else package for name in names]
            else:
                continue
            for target in dict.fromkeys(targets):
                if target.split(".")[0] in (*ROOMS, "tests") and target != module:
                    yield Import(path.relative_to(root).as_posix(), node.lineno, module, target)


def wing(module: str) -> tuple[str, int]:
    """Room of a module, and the place of its wing in it."""
    room = module.split(".")[0]
    holders = [name for name in WINGS.get(room, ()) if f"{module}.".startswith(f"{name}.")]
    return room, WINGS[room].index(max(holders, key=len)) if holders else 0


def wrong_imports(root: Path) -> list[str]:
    """Imports from a room or a wing further up, or from the tests."""
    wrong = []
    for each in imports(root):
        (room, place), (target_room, target_place) = wing(each.module), wing(each.target)
        free = Path(each.path).stem in ("__init__", "__main__")
        if room == target_room:
            upwards = target_place < place and not free
        else:
            upwards = target_room == "tests" or ROOMS.index(target_room) < ROOMS.index(room)
        if upwards:
            wrong.append(str(each))
    return wrong


def circle(root: Path) -> list[str]:
    """Modules that import one another in a circle, one circle of those there are; packages' own files are left out."""
    known = modules(root)
    graph: dict[str, set[str]] = {}
    for each in imports(root):
        if all(name in known and known[name].stem != "__init__" for name in (each.module, each.target)):
            graph.setdefault(each.module, set()).add(each.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_imports_go_one_way() -> None:
    assert all((ROOT / room / "__init__.py").is_file() for room in ROOMS)
    assert wrong_imports(ROOT) == []


def test_no_modules_import_each_other() -> None:
    assert circle(ROOT) == []


def test_every_wing_is_there_and_has_its_place() -> None:
    known = modules(ROOT)
    assert [name for names in WINGS.values() for name in names if name not in known] == []
    folders = {name.rpartition(".")[0] for name in known if name.count(".") > 1}
    assert folders - {name for names in WINGS.values() for name in names} == set()


@pytest.mark.parametrize(
    ("path", "line", "target"),
    [
        ("seq2seq_env/env.py", "import buffers.storage.shard", "buffers.storage.shard"),
        ("buffers/growing/grow.py", "from agents import policy", "agents"),
        ("agents/bc.py", "def f():\n    from experiments.compare import g", "experiments.compare"),
        ("agents/deep/er.py", "from ...experiments import g", "experiments"),
        ("experiments/run.py", "from tests.conftest import TinyTask", "tests.conftest"),
        ("agents/policy/lora.py", "from agents.training.loop import train", "agents.training.loop"),
        ("buffers/storage/shard.py", "from buffers import Slice", "buffers.slices"),
        ("agents/training/loop.py", "from agents import bc", "agents.bc"),
    ],
)
def test_an_import_the_other_way_is_found(tmp_path: Path, path: str, line: str, target: str) -> None:
    files = {
        "experiments/good.py": "import agents, buffers.storage.shard\nfrom seq2seq_env import Task",
        "agents/bc.py": "",
        "agents/training/loop.py": "",
        "buffers/slices.py": "from buffers.storage.shard import Shard",
        "buffers/__init__.pyi": "from .slices import Slice",
        path: line,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert wrong_imports(tmp_path) == [f"{path}:{line.count(chr(10)) + 1} imports {target}"]


def test_a_circle_is_found(tmp_path: Path) -> None:
    for name, text in {
        "a": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from agents.b import B",
        "b": "def f():\n    from agents.c import C",
        "c": "import agents.a",
        "d": "import agents.a",
    }.items():
        (tmp_path / "agents").mkdir(exist_ok=True)
        (tmp_path / "agents" / f"{name}.py").write_text(text)
    assert set(circle(tmp_path)) == {"agents.a", "agents.b", "agents.c"}


def test_the_environment_imports_no_deep_learning_library() -> None:
    program = (
        "import sys, seq2seq_env, seq2seq_env.env, seq2seq_env.scorers, seq2seq_env.tasks, seq2seq_env.wrappers\n"
        "print(*sorted({'torch', 'transformers', 'accelerate', 'tensorflow'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.split() == []

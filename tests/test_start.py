"""What a command or an import loads: no deep-learning library before it is used."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("experiments", "agents", "buffers", "seq2seq_env")
LAZY = ("agents", "buffers", "buffers.interop", "seq2seq_env", "seq2seq_env.scorers")

HEAVY = {
    "accelerate", "ctranslate2", "d3rlpy", "datasets", "matplotlib", "minari", "pandas", "peft", "pyarrow", "ray",
    "sacrebleu", "scipy", "sklearn", "tensorboard", "torch", "transformers",
}  # fmt: skip


def commands() -> list[list[str]]:
    """Module of each file that runs by itself, and subcommand of each that has some."""
    found = []
    for path in sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        text = path.read_text("utf-8")
        if 'if __name__ == "__main__":' in text:
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
            subcommands = re.findall(r'tyro\.conf\.subcommand\("([\w-]+)"\)', text)
            found += [[module], *([module, name] for name in subcommands)]
    return found


def started(*arguments: str) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """Python with some arguments, and what is heavy of the packages that it began to import."""
    result = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments], capture_output=True, text=True, check=False, cwd=ROOT
    )
    imported = re.findall(r"^import time: .*\| +(\w+)", result.stderr, re.MULTILINE)
    return result, HEAVY & set(imported)


def test_commands_are_found() -> None:
    found = [" ".join(command) for command in commands()]
    assert {"experiments.growing_batch", "buffers info", "agents", "seq2seq_env.scorers calibrate"} <= set(found)


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_help_loads_nothing_heavy(command: list[str]) -> None:
    result, heavy = started("-m", *command, "--help")
    assert (result.returncode, heavy) == (0, set()), result.stderr[-2000:]
    assert result.stdout.startswith("usage: ")


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (["experiments.growing_batch", "--engine", "nope"], "--engine"),
        (["experiments.growing_batch", "--preset", "nope"], "there is no preset 'nope'"),
        (["experiments.compare_agents", "--improve.schedule", "nope"], "--improve.schedule"),
        (["experiments.train_scorer", "--no-such-option"], "no-such-option"),
        (["agents", "translate", "--method", "nope"], "--method"),
        (["buffers", "export", "nowhere", "--to", "nope"], "--to"),
    ],
)
def test_a_wrong_option_is_answered_as_fast(command: list[str], named: str) -> None:
    result, heavy = started("-m", *command)
    assert result.returncode in (1, 2)
    assert named in result.stderr
    assert heavy == set()


def test_what_is_heavy_is_seen() -> None:
    assert started("-c", "import scipy.sparse")[1] == {"scipy"}


@pytest.mark.parametrize("package", LAZY)
def test_an_import_by_itself_loads_nothing_heavy(package: str) -> None:
    result, heavy = started("-c", f"import {package}")
    assert (result.returncode, heavy) == (0, set())


def test_a_buffer_needs_pytorch_for_batches_alone() -> None:
    names = "set(buffers.__all__) - {'Batches', 'TokenBatch'}"
    result, heavy = started("-c", f"import buffers; [getattr(buffers, name) for name in {names}]")
    assert (result.returncode, heavy) == (0, set())


def test_the_main_options_are_known_without_pytorch() -> None:
    names = "AGENTS, ComputeType, Decoding, Engine, LoRA, Method, PolicyConfig, TrainingConfig"
    result, heavy = started("-c", f"from agents import {names}")
    assert (result.returncode, heavy) == (0, set())


@pytest.mark.parametrize("package", LAZY)
def test_every_name_is_what_its_module_has(package: str) -> None:
    module = importlib.import_module(package)
    stub = ast.parse((ROOT / package.replace(".", "/") / "__init__.pyi").read_text("utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    names = {alias.name: f"{package}.{node.module}" for node in imports for alias in node.names}
    listed = [ast.literal_eval(node.value) for node in stub.body if isinstance(node, ast.Assign)]
    assert [sorted(each) for each in listed] == [sorted(names)] == [sorted(module.__all__)]
    assert set(names) <= set(dir(module))
    for name, home in names.items():
        assert getattr(module, name) is getattr(importlib.import_module(home), name)


@pytest.mark.parametrize(("name", "module"), [("coverage", "coverage"), ("grow", "growing.grow")])
def test_a_module_does_not_hide_its_function(name: str, module: str) -> None:
    program = f"import buffers.{module}, buffers.growing_batch; assert callable(buffers.{name}), buffers.{name}"
    result, _ = started("-c", program)
    assert result.returncode == 0, result.stderr[-500:]

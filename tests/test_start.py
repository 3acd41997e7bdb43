"""What a command or an import loads: no deep-learning library before it is used."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.documentation.interpreter import CHECKOUT, FAST, Interpreter, Outcome

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
        # An example in one file is read from its first line to its last, imports and all; a worker has no options.
        if 'if __name__ == "__main__":' in text and path.parent.name != "examples" and path.stem != "pool_worker":
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
            subcommands = re.findall(r'tyro\.conf\.subcommand\("([\w-]+)"\)', text)
            found += [[module], *([module, name] for name in subcommands)]
    return found


WATCHED = """
import runpy, sys
module, *arguments = sys.argv[1:]
sys.argv = [module, *arguments]
try:
    if module.startswith("import "):
        exec(module)
    else:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
finally:
    print("loaded:", *sys.modules)
"""

Started = Callable[..., tuple[Outcome, set[str]]]


@pytest.fixture(scope="module")
def started() -> Iterator[Started]:
    """Runs a module with arguments, or a statement of imports, and says which heavy packages that began to import."""
    with Interpreter(("tyro", "numpy")) as interpreter:

        def start(*arguments: str) -> tuple[Outcome, set[str]]:
            with interpreter.connect() as child:
                outcome = interpreter.ask(child, CHECKOUT, FAST, program=["-c", WATCHED, *arguments])
            loaded = outcome.output.rpartition("loaded:")[2].split()
            return outcome, HEAVY & {name.partition(".")[0] for name in loaded}

        yield start


def test_commands_are_found() -> None:
    found = [" ".join(command) for command in commands()]
    assert {"experiments.growing_batch", "buffers info", "agents", "seq2seq_env.scorers calibrate"} <= set(found)


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_help_loads_nothing_heavy(started: Started, command: list[str]) -> None:
    outcome, heavy = started(*command, "--help")
    assert (outcome.failed, heavy) == (False, set()), outcome.output
    assert outcome.output.startswith("usage: ")


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
def test_a_wrong_option_is_answered_as_fast(started: Started, command: list[str], named: str) -> None:
    outcome, heavy = started(*command)
    assert outcome.failed
    assert named in outcome.output
    assert heavy == set()


def test_what_is_heavy_is_seen(started: Started) -> None:
    assert started("import scipy.sparse")[1] == {"scipy"}


@pytest.mark.parametrize("package", LAZY)
def test_an_import_by_itself_loads_nothing_heavy(started: Started, package: str) -> None:
    outcome, heavy = started(f"import {package}")
    assert (outcome.failed, heavy) == (False, set())


def test_a_buffer_needs_pytorch_for_batches_alone(started: Started) -> None:
    names = "set(buffers.__all__) - {'Batches', 'TokenBatch'}"
    outcome, heavy = started(f"import buffers; [getattr(buffers, name) for name in {names}]")
    assert (outcome.failed, heavy) == (False, set())


def test_the_main_options_are_known_without_pytorch(started: Started) -> None:
    names = "AGENTS, ComputeType, Decoding, Engine, LoRA, PolicyConfig, TrainingConfig"
    outcome, heavy = started(f"import agents; from agents import {names}")
    assert (outcome.failed, heavy) == (False, set())


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
def test_a_module_does_not_hide_its_function(started: Started, name: str, module: str) -> None:
    program = f"import buffers.{module}, buffers.growing_batch; assert callable(buffers.{name}), buffers.{name}"
    outcome, _ = started(program)
    assert not outcome.failed, outcome.output

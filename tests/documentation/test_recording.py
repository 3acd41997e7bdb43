from __future__ import annotations

from pathlib import Path

import pytest

from tests.documentation.commands import program, without_uv
from tests.documentation.interpreter import CHECKOUT
from tests.documentation.recording import record

BLOCK = r"""
git clone https://example.org/x && cd x && python3 -m venv .venv && .venv/bin/pip install uv
for seed in 0 1; do OMP_NUM_THREADS=1 .venv/bin/uv run experiments/a.py --seed $seed --out "runs/seed $seed"; done
uv run --extra lora --with 'x<2' experiments/a.py --pretrained one \
  --task text-files  # a remark
... --pretrained two ...
policy=runs/mine
zcat news.gz | uv run python -m agents translate --policy $policy > news.json
uv run torchrun --nproc_per_node 2 experiments/a.py --seed 3
accelerate launch --num_processes 2 -m experiments.a
uv run rest list tasks
... regimes
uv run pytest tests/test_readme.py::test_block_runs
"""


def test_a_block_is_the_programs_that_a_shell_would_start(tmp_path: Path) -> None:
    found = record(BLOCK, tmp_path, CHECKOUT)
    assert found.faults == []
    assert found.programs == [
        ["experiments/a.py", "--seed", "0", "--out", "runs/seed 0"],
        ["experiments/a.py", "--seed", "1", "--out", "runs/seed 1"],
        ["experiments/a.py", "--pretrained", "one", "--task", "text-files"],
        ["experiments/a.py", "--pretrained", "two"],
        ["-m", "agents", "translate", "--policy", "runs/mine"],
        ["experiments/a.py", "--seed", "3"],
        ["-m", "experiments.a"],
        ["-m", "experiments.cli", "list", "tasks"],
        ["-m", "experiments.cli", "regimes"],
    ]


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("for x in 1; do ls", "syntax error"),
        ("uv run experiments/a.py --out $out", "out: unbound variable"),
        ("frobnicate --hard", "frobnicate: no command that the documentation may call"),
        ("uv run frobnicate", "frobnicate: no command that the documentation may call"),
        ("... --seed 1", "'...' stands for the program before it, and there is none"),
        ("uv run python -m agents translate < nowhere.de", "nowhere.de: No such file"),
        ("uv run pytest tests/test_nothing.py", "there is no tests/test_nothing.py"),
    ],
)
def test_what_no_shell_makes_sense_of_is_a_fault(code: str, fault: str, tmp_path: Path) -> None:
    assert fault in "\n".join(record(code, tmp_path, CHECKOUT).faults)


@pytest.mark.parametrize(
    ("command", "ours"),
    [
        ("uv run -m buffers info x", ["-m", "buffers", "info", "x"]),
        ("uv run --group docs -- python experiments/a.py -x", ["experiments/a.py", "-x"]),
        ("env A=1 uv run ./experiments/a.py", ["./experiments/a.py"]),
        ("uv run python -m pytest", None),
        ("uv run python score.py", None),
        ("uv run python -c pass x", ["-c", "pass", "x"]),
        ("uv sync --group docs", None),
        ("torchrun", None),
        ("uv run", None),
    ],
)
def test_a_program_of_ours_is_told_from_others(command: str, ours: list[str] | None) -> None:
    assert program(without_uv(command.split())) == ours

"""JoeyNMT as its users run it: the data and configuration that it is given, and how its failure is told."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from agents import PolicyConfig
from experiments.benchmarks.joeynmt_baseline import joeynmt_epoch

ROWS = [{"input_ids": [5, 6, 0], "labels": [7, 0]}, {"input_ids": [8, 0], "labels": [9, 9, 0]}]


def test_joeynmt_trains_two_epochs_of_which_the_second_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def train(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        config = json.loads(Path(command[4]).read_text())
        assert config["training"]["epochs"] == 2
        assert Path(config["data"]["train"] + ".src").read_text() == "w5 w6\nw8\n"
        assert Path(config["data"]["train"] + ".trg").read_text() == "w7\nw9 w9\n"
        log = "".join(
            f"Epoch {n}, total training loss: 1, num. of seqs: 2, num. of tokens: 5, {n}.25[sec]\n" for n in (1, 2)
        )
        return subprocess.CompletedProcess(command, 0, stdout=log, stderr="")

    monkeypatch.setattr(subprocess, "run", train)
    assert joeynmt_epoch(Path("python"), PolicyConfig(), 10, ROWS, 64)() == 2.25


def test_joeynmt_that_fails_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'no module named joeynmt' >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(RuntimeError, match=r"did not train.*no module named joeynmt"):
        joeynmt_epoch(broken, PolicyConfig(), 10, ROWS, 64)()

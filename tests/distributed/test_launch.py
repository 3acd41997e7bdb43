"""`torchrun` with two processes does what one does."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from agents import Agent, Seq2SeqPolicy
from tests.distributed.one_run import main
from tests.tiny_models import tiny_policy_config

ROOT = Path(__file__).parents[2]


def test_two_processes_grow_the_same_bytes_and_learn_the_same_weights(tmp_path: Path, tiny_task: object) -> None:
    config = tiny_policy_config(decoder_layers=1, dropout=0.0)  # each process draws dropout for itself
    policy = Seq2SeqPolicy.from_config(tiny_task.tokenizer, config, seed=3)  # type: ignore[attr-defined]
    policy.save(tmp_path / "start")
    main(tmp_path / "start", tmp_path / "alone")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += [str(Path(__file__).with_name("one_run.py")), str(tmp_path / "start"), str(tmp_path / "together")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    alone, together = tmp_path / "alone", tmp_path / "together"
    grown, again = (
        {path.name: path.read_bytes() for path in (out / "buffer").glob("*.h5")} for out in (alone, together)
    )
    assert len(grown) == 6
    assert again == grown
    start = load_file(tmp_path / "start" / "model.safetensors")
    for name, folder in itertools.product(("filtered-bc", "awr"), (together, together / "fsdp")):
        found, wanted = (json.loads((path / f"{name}.json").read_text()) for path in (folder, alone))
        assert (found["processes"], wanted["processes"]) == (2, 1)
        assert found["held"] == 1 if folder == together else 0.5 <= found["held"] < 0.52
        assert found["steps"] == wanted["steps"]
        for row, expected in zip(found["rows"], wanted["rows"], strict=True):
            assert row == pytest.approx(expected, abs=1e-4)
        learned, other = (load_file(path / name / "model.safetensors") for path in (alone, folder))
        moved = sum(float((learned[key] - start[key]).square().sum()) for key in learned)
        apart = sum(float((learned[key] - other[key]).square().sum()) for key in learned)
        assert moved > 1e-2
        assert apart < 1e-6 * moved
    straight, resumed = (Agent.load(together / way / "awr") for way in ("fsdp", "resumed"))
    assert resumed.policy.fingerprint == straight.policy.fingerprint

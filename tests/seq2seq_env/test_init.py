"""The package: what its import costs, and the names at its top."""

from __future__ import annotations

import subprocess
import sys

import pytest

import seq2seq_env.env

# Processor time, because the machine of a test run may be shared.
PROGRAM = """
import gymnasium as gym, seq2seq_env, sys, time
env = gym.make("Seq2SeqTranslate-v0")
seconds = time.process_time()
assert not {"torch", "transformers"} & set(sys.modules), "a deep-learning library was imported"
print(seconds)
"""


def test_the_default_environment_is_ready_soon() -> None:
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert float(result.stdout) < 3.0


def test_every_public_name_is_importable_from_the_top() -> None:
    assert {"Scorer", "Seq2SeqTranslateEnv", "Split", "Task", "Tokenizer", "load_scorer", "load_task"} <= set(
        dir(seq2seq_env)
    )
    for name in seq2seq_env.__all__:
        assert getattr(seq2seq_env, name).__name__ == name
    with pytest.raises(AttributeError, match="attribute make"):
        getattr(seq2seq_env, "make")  # noqa: B009

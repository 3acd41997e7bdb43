"""Whole runs of decoder-only policies: a pretrained one on text of a user's own, and a new one on arithmetic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agents import PolicyConfig, Seq2SeqPolicy, TrainingConfig
from experiments.growing_batch import Config, growing_batch
from experiments.runs.experiment import Experiment
from experiments.runs.script import execute
from seq2seq_env.tasks.task import Task
from tests.conftest import ENGLISH, GERMAN
from tests.tiny_decoder_only import OPTIONS, save_decoder_only

TRAINING = TrainingConfig(
    learning_rate=1e-2, max_tokens=200, tokens_per_batch=64, warmup_tokens=10, evaluate_every=200, progress=False
)
CONFIG = Config(
    grow_steps=1, improve_steps=1, sources=6, candidates=3, filter="percentile", filter_values=(50,),
    supervised=TRAINING, improve=TRAINING, device="cpu", arms=(),
)  # fmt: skip


def no_report(run: Experiment[Any]) -> None:
    """Plots take longer than these runs."""


def test_a_pretrained_one_reads_its_own_prompt(tiny_task: Task, tmp_path: Path) -> None:
    for name in ("train", "validation", "test"):
        split = tiny_task.split(name)
        (tmp_path / f"{name}.de").write_text("\n".join(split.sources) + "\n")
        (tmp_path / f"{name}.en").write_text("\n".join(split.references) + "\n")
    model = save_decoder_only("llama", tmp_path / "model", GERMAN + ENGLISH)
    options = {"folder": str(tmp_path), "source": "de", "target": "en", "max_tokens": "28", "chat": "yes"}
    options["prompt"] = OPTIONS["llama"]["prompt"]
    config = Config(**vars(CONFIG) | {
        "task": "text-files", "task_options": options, "pretrained": str(model), "scorer": "arithmetic-checker",
        "out": tmp_path / "run", "grow_steps": 0,
    })  # fmt: skip
    execute(config, growing_batch, no_report)


def test_a_new_one_is_rewarded_by_the_exact_checker(tmp_path: Path) -> None:
    sizes = PolicyConfig(architecture="decoder-only", d_model=16, num_heads=2, decoder_layers=1, ffn_dim=32)
    options = {"train_size": "20", "source_only_size": "10", "validation_size": "4", "test_size": "4", "events": "1"}
    config = Config(**vars(CONFIG) | {
        "task": "arithmetic", "task_options": options, "policy": sizes, "out": tmp_path / "run",
    })  # fmt: skip
    execute(config, growing_batch, no_report)
    policy = Seq2SeqPolicy.load(tmp_path / "run" / "checkpoints" / "g1i1")
    assert type(policy.model).__name__ == "LlamaForCausalLM"
    assert json.loads((tmp_path / "run" / "config.json").read_text())["policy"]["architecture"] == "decoder-only"

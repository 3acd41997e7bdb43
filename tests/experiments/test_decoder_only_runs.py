"""Whole runs of decoder-only policies: a pretrained one on text of a user's own, and a new one on arithmetic."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents import PolicyConfig, Seq2SeqPolicy, TrainingConfig
from experiments.growing_batch import Config, growing_batch
from experiments.runs.experiment import Experiment
from experiments.runs.script import execute
from experiments.runs.supervised import new_policy
from seq2seq_env.tasks import Task, load_task
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
    prompt = {"prompt": OPTIONS["llama"]["prompt"], "chat": "yes"}
    options = {"folder": str(tmp_path), "source": "de", "target": "en", "max_tokens": "28"}
    config = replace(CONFIG, task="text-files", task_options=options | prompt, pretrained=str(model))
    task = load_task("text-files", **config.options_of_task())
    policy = new_policy(config, task)
    assert policy.tokenizer.decode([policy.start[1:]])[0].endswith("assistant\n")
    assert policy.max_source_length >= max(map(len, policy.encode(task.split("train").sources)))
    with pytest.raises(ValueError, match="noise on sources would fall on their prompt, too; leave source_drop"):
        replace(config, improve=replace(TRAINING, source_blank=0.1)).with_sources(task)
    short = config.options_of_task() | {"max_tokens": "8"}
    with pytest.raises(ValueError, match=r"the text around a source takes .* max_tokens 8 leaves no room for a source"):
        load_task("text-files", **short)
    with pytest.raises(ValueError, match="is a decoder-only model, which reads a prompt; give the option prompt"):
        load_task("text-files", tokenizer=str(model), **options)


def test_a_new_one_is_rewarded_by_the_exact_checker(tmp_path: Path) -> None:
    sizes = PolicyConfig(architecture="decoder-only", d_model=16, num_heads=2, decoder_layers=1, ffn_dim=32)
    options = {"train_size": "20", "source_only_size": "10", "validation_size": "4", "test_size": "4", "events": "1"}
    config = replace(CONFIG, task="arithmetic", task_options=options, policy=sizes, out=tmp_path / "run")
    execute(config, growing_batch, no_report)
    policy = Seq2SeqPolicy.load(tmp_path / "run" / "checkpoints" / "g1i1")
    assert type(policy.model).__name__ == "LlamaForCausalLM"
    assert json.loads((tmp_path / "run" / "config.json").read_text())["policy"]["architecture"] == "decoder-only"

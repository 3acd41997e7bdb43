"""Experiments of seconds on the tiny task, for the tests of all that works on one."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, get_args

from agents import PolicyConfig, TrainingConfig
from experiments import compare_agents, growing_batch
from experiments.runs.arms import Arm
from experiments.runs.evaluation import Evaluator
from experiments.runs.experiment import Experiment
from experiments.runs.run_folder import RunFolder
from experiments.runs.settings import Settings
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks import Task

C = TypeVar("C", bound=Settings)

POLICY = PolicyConfig(
    d_model=16, num_heads=2, encoder_layers=1, decoder_layers=1, ffn_dim=32, max_source_length=12, max_target_length=12
)
TRAINING = TrainingConfig(
    learning_rate=5e-3, max_tokens=1_500, tokens_per_batch=128, warmup_tokens=100, evaluate_every=500, progress=False
)
GROWING = growing_batch.Config(
    grow_steps=1,
    improve_steps=2,
    sources=12,
    candidates=4,
    filter="threshold",
    filter_values=(0.2, 0.4),
    arms=get_args(Arm),
    jobs=1,
    policy=POLICY,
    supervised=TRAINING,
    improve=replace(TRAINING, max_tokens=400, evaluate_every=200),
    device="cpu",
)
COMPARING = compare_agents.Config(
    agents=("bc", "filtered-bc", "dpo"),
    seeds=2,
    sources=12,
    filter="percentile",
    filter_values=(50.0,),
    policy=POLICY,
    supervised=TRAINING,
    improve=replace(TRAINING, max_tokens=300, evaluate_every=150),
    device="cpu",
)


def begin(config: C, folder: Path, task: Task, scorer: Scorer, judge: Scorer | None = None) -> Experiment[C]:
    """An experiment in a folder, as a script begins it after its checks."""
    evaluator = Evaluator(
        task, scorer, judge=judge, temperature=config.temperature, seed=config.seed, beams=config.beams
    )
    facts = {"task": task.name, "task_fingerprint": task.fingerprint, "scorer_fingerprint": scorer.fingerprint}
    return Experiment(config, task, evaluator, RunFolder(folder, config.recorded() | facts))


def copy_of(run: Experiment[C], folder: Path) -> Experiment[C]:
    """The same run elsewhere, in which nothing was measured in this process."""
    shutil.copytree(run.folder.path, folder)
    again = begin(run.config, folder, run.task, run.evaluator.scorer)
    return replace(again, folder=RunFolder(folder, run.folder.config))


def results(run: Experiment[C]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.folder.path / "results.json").read_text())
    return found

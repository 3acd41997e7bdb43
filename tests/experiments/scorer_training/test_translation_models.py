"""Translation models of a predictor-estimator, trained one after the other or side by side."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from agents import PolicyConfig, Seq2SeqPolicy, TrainingConfig
from experiments.scorer_training import translation_models
from experiments.scorer_training.translation_models import Recipe, TranslationModel, train_models
from seq2seq_env.tasks import Task

NETWORK = PolicyConfig(d_model=16, num_heads=2, encoder_layers=1, decoder_layers=1, ffn_dim=32, max_source_length=12,
                       max_target_length=12)  # fmt: skip
TRAINING = TrainingConfig(max_tokens=500, evaluate_every=100, progress=False)


@pytest.fixture
def recipe(tiny_task: Task) -> Recipe:
    return Recipe(tiny_task.tokenizer, seed=3)


def models(task: Task, folder: Path) -> list[TranslationModel]:
    pairs, held_out = task.split("train"), task.split("validation")
    sides = (pairs.sources, held_out.sources), (pairs.references, held_out.references)
    (sources, few_sources), (targets, few_targets) = sides
    forward = TranslationModel(sources, targets, folder / "forward", NETWORK, TRAINING, (few_sources, few_targets))
    return [forward, TranslationModel(targets, sources, folder / "backward", NETWORK, TRAINING)]


def test_side_by_side_gives_what_one_after_the_other_gives(recipe: Recipe, tiny_task: Task, tmp_path: Path) -> None:
    for processes in (1, 2):
        train_models(recipe, models(tiny_task, tmp_path / str(processes)), processes)
    for side in ("forward", "backward"):
        one, two = (Seq2SeqPolicy.load(tmp_path / str(processes) / side) for processes in (1, 2))
        assert one.fingerprint == two.fingerprint


def test_a_model_is_as_it_was_at_the_lowest_held_out_loss(
    recipe: Recipe, tiny_task: Task, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forward, backward = models(tiny_task, tmp_path)
    # Nothing carries over to sentences of another language, so that the loss on them soon rises.
    others = ["zq"] * 3, ["qz qz qz qz"] * 3
    training = replace(TRAINING, learning_rate=2e-2, warmup_tokens=1, max_tokens=20_000, patience=2)
    train_models(recipe, [replace(forward, training=training, held_out=others), backward], 1)
    first, second = [line.strip() for line in capsys.readouterr().out.splitlines() if "target tokens in" in line]
    tokens, best = (int(number.replace(",", "")) for number in re.findall(r"^([\d,]+) of|after ([\d,]+):", first)
                    for number in number if number)  # fmt: skip
    # Two evaluations, each after a hundred tokens and the rest of a batch.
    assert 200 <= tokens - best < 1_000
    assert tokens < 10_000
    assert "held-out loss" not in second


def test_what_was_made_of_the_same_is_kept(
    recipe: Recipe, tiny_task: Task, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = models(tiny_task, tmp_path)
    train_models(recipe, wanted[:1], 1)
    train_models(recipe, wanted, 1)
    assert "translation models: 1 made before, 1 to train" in capsys.readouterr().out
    (tmp_path / "forward" / "made.json").write_text("{")
    train_models(recipe, wanted, 1)
    assert "translation models: 1 made before, 1 to train" in capsys.readouterr().out


def die(recipe: Recipe, model: TranslationModel) -> str:
    os._exit(9)


def test_a_worker_that_dies_is_named(
    recipe: Recipe, tiny_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(translation_models, "_train_in_worker", die)
    with pytest.raises(ChildProcessError, match=r"train fewer at a time \(--estimator.processes 1\)"):
        train_models(recipe, models(tiny_task, tmp_path), 2)


def test_an_error_of_a_worker_is_raised(recipe: Recipe, tiny_task: Task, tmp_path: Path) -> None:
    (tmp_path / "backward").write_text("a file in the way")
    with pytest.raises(OSError, match="backward"):
        train_models(recipe, models(tiny_task, tmp_path), 2)
    assert not list(tmp_path.rglob("*.part"))

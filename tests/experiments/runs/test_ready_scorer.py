"""Scorers that are ready: an own one of the same options and texts, and counts of words that say something."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from experiments.growing_batch import Config
from experiments.runs.ready_scorer import own_config, own_folder, ready_scorer
from seq2seq_env.atomic_files import write_json
from seq2seq_env.tasks import load_task
from seq2seq_env.tokenization.subwords import train_subwords


def write_report(config: Config, **more: Any) -> None:
    own_folder(config).mkdir(exist_ok=True)
    write_json(own_folder(config) / "report.json", {"config": own_config(config).recorded(), **more})


def test_a_scorer_of_other_texts_is_not_taken(files: dict[str, str], tmp_path: Path) -> None:
    """Neither as it is nor, near chance, refused for what the texts of before were."""
    config = Config(task="text-files", task_options=files, out=tmp_path / "run")
    before = load_task("text-files", **files)
    assert ready_scorer(config, before) is None
    write_report(config, task_fingerprint=before.fingerprint)
    assert ready_scorer(config, before) == str(tmp_path / "run-scorer")
    for ending in ("de", "en"):
        with (tmp_path / f"train.{ending}").open("a") as file:
            file.write("noch einer\n")
    now = load_task("text-files", **files)
    write_report(config, task_fingerprint=before.fingerprint, agreement={"samples": {"pairwise": 0.5}})
    said = (
        f"the scorer in {str(tmp_path / 'run-scorer')!r} was made of other texts than task 'text-files' has now; "
        "delete that folder, and one is made of these, or name another --out"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        ready_scorer(config, now)


def test_an_older_report_says_nothing_of_the_texts(files: dict[str, str], tmp_path: Path) -> None:
    config = Config(task="text-files", task_options=files, out=tmp_path / "run")
    write_report(config)
    assert ready_scorer(config, load_task("text-files", **files)) == str(tmp_path / "run-scorer")


def test_a_pretrained_policys_tokenizer_is_none_of_its_texts(files: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "tokenizer").mkdir()
    train_subwords(["zwei rote haus two red house"], 40).save(tmp_path / "tokenizer")
    config = Config(
        task="text-files", task_options=files | {"tokenizer": str(tmp_path / "tokenizer")}, out=tmp_path / "run"
    )
    task, own = load_task("text-files", **config.task_options), load_task("text-files", **files)
    assert task.fingerprint != own.fingerprint
    write_report(config, task_fingerprint=own.fingerprint)
    assert ready_scorer(config, task) == str(tmp_path / "run-scorer")


def test_counts_of_misaligned_files_are_no_reward_unless_forced(files: dict[str, str], tmp_path: Path) -> None:
    for name in ("validation", "test"):
        for ending in ("de", "en"):
            (tmp_path / f"{name}.{ending}").unlink()
    lines = (tmp_path / "train.en").read_text().splitlines()
    Random(0).shuffle(lines)
    (tmp_path / "train.en").write_text("".join(f"{line}\n" for line in lines))
    options = files | {"held_out": "40"}
    config = Config(task="text-files", task_options=options, scorer="lexical:", out=tmp_path / "run")
    task = load_task("text-files", **options)
    with pytest.raises(ValueError, match=r"the scorer 'lexical:' is near chance: .* with --force-scorer$"):
        ready_scorer(config, task)
    assert ready_scorer(replace(config, force_scorer=True), task) == "lexical:"

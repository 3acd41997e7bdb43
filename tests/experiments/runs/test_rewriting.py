"""Rewriting within a run: what joins the data, what is recorded, and how it goes on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from agents import Seq2SeqPolicy
from buffers import Best, GrowingBatchBuffer, Threshold
from experiments.growing_batch import Config, grow_step
from experiments.reports.report import _rewrites
from experiments.runs.experiment import Experiment
from experiments.runs.improve_data import DataConfig
from experiments.runs.rewriting import rewrites
from experiments.runs.run_folder import RunFolder


def test_what_is_refused_is_rewritten_once_and_joins_the_batch(
    finished_run: Experiment[Config], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(finished_run.folder.path, tmp_path / "run"))
    config = replace(finished_run.config, data=DataConfig(rewrite=True, rewrite_value_tokens=100))
    run = replace(finished_run, config=config, folder=RunFolder(folder, finished_run.folder.config, ()))
    policy = Seq2SeqPolicy.load(folder / "checkpoints" / "g0i0")
    kept = Threshold(0.4)
    batch = grow_step(run, policy, 1, kept)
    plain = GrowingBatchBuffer(folder / "buffer").select(grow_step=(0, 1))
    samples = plain.where(~plain.is_reference).distinct()
    refused = int((samples.rewards <= 0.4).sum())
    assert refused
    assert len(batch) == len(plain) + refused
    (row,) = rewrites(run.folder, 1)
    assert (row["samples"], row["rewritten"]) == (len(samples), refused)
    assert row["passed"] == int((batch.rewards[len(plain) :] > 0.4).sum())
    _, _, table = _rewrites([row])
    assert f"| 1 | {len(samples)} | {refused} |" in table
    assert "rewriting" in GrowingBatchBuffer(folder / "rewrites").shards[0].provenance.sampler
    capsys.readouterr()
    assert len(grow_step(run, policy, 1, kept)) == len(batch)
    assert "Rewrite 1" not in capsys.readouterr().out
    assert len(grow_step(replace(run, config=finished_run.config), policy, 1, kept)) == len(plain)


def test_nothing_refused_is_nothing_rewritten(finished_run: Experiment[Config], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished_run.folder.path, tmp_path / "run"))
    config = replace(finished_run.config, data=DataConfig(rewrite=True))
    run = replace(finished_run, config=config, folder=RunFolder(folder, finished_run.folder.config, ()))
    policy = Seq2SeqPolicy.load(folder / "checkpoints" / "g0i0")
    assert len(grow_step(run, policy, 1, Best(99))) == len(GrowingBatchBuffer(folder / "buffer"))
    assert rewrites(run.folder, 1)[0]["rewritten"] == 0

"""Value networks that are trained once for several learning rates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents import Seq2SeqPolicy, ValueAgent
from buffers import GrowingBatchBuffer, Threshold
from experiments.runs.experiment import Experiment
from experiments.runs.prepared_values import PreparedValues
from experiments.runs.trials import Trial, train
from seq2seq_env.tasks import Task
from tests.experiments.tiny_experiment import COMPARING, begin


def test_a_reused_value_network_gives_the_same_training_and_is_paid_for(
    finished_run: Experiment[Any],
    tiny_task: Task,
    fake_scorer: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = {"value_tokens": 400}
    run = begin(replace(COMPARING, agent_options={"iql": few, "awr": few}), tmp_path / "run", tiny_task, fake_scorer)
    policy = Seq2SeqPolicy.load(finished_run.folder.checkpoint("g0i0"))
    batch = GrowingBatchBuffer(finished_run.folder.path / "buffer").select()
    known, trials = PreparedValues(), [Trial("iql", "own", "tiny-v0", rate) for rate in (1e-3, 5e-3)]
    alone: Any = train(run, trials[1], policy, batch, [Threshold(0.2)], with_last=True)
    calls = list[str]()
    prepare = ValueAgent.prepare

    def counting(self: ValueAgent, *arguments: Any) -> None:
        calls.append(self.name)
        prepare(self, *arguments)

    monkeypatch.setattr(ValueAgent, "prepare", counting)
    first, second = list[Any](
        train(run, trial, policy, batch, [Threshold(0.2)], with_last=True, prepared=known) for trial in trials
    )
    assert calls == ["iql"]
    assert first["reused"] == {}
    assert second["prepare_seconds"] == first["prepare_seconds"] == second["reused"]["wall_seconds"]
    assert str(second["value_report"]) == str(alone["value_report"])  # with NaN
    assert second["steps"][0] | {"seconds": 0} == alone["steps"][0] | {"seconds": 0}
    train(run, Trial("awr", "own", "tiny-v0", 1e-3), policy, batch, [Threshold(0.2)], with_last=True, prepared=known)
    assert calls == ["iql", "awr"]

"""Grow and Improve on the tiny task; run alone, or by each process of ``torchrun``.

Usage: ``python one_run.py START OUT``, with a policy's checkpoint in START.
"""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import PartialState  # type: ignore[import-untyped]

from agents import Agent, Seq2SeqPolicy, TrainingConfig, make_agent
from buffers import ByRank, GrowingBatchBuffer, Slice, Threshold, grow
from tests.conftest import OverlapScorer, TinyTask


def main(start: Path, out: Path) -> None:
    """Leave OUT/buffer, and of the first process OUT/{agent} and OUT/{agent}.json; of several, with FSDP, too."""
    state = PartialState(cpu=True)
    task = TinyTask()
    policy = Seq2SeqPolicy.load(start)
    buffer = GrowingBatchBuffer(out / "buffer", task=task)
    grow(
        policy,
        OverlapScorer(task),
        task,
        buffer,
        grow_step=1,
        candidates=4,
        temperature=0.8,
        seed=5,
        sources_per_shard=4,
        workers=ByRank(state),
        progress=False,
    )
    training = TrainingConfig(
        learning_rate=3e-3,
        tokens_per_batch=96,
        max_tokens=900,
        warmup_tokens=0,
        evaluate_every=300,
        precision="fp32",  # bf16 rounds a half batch's sums otherwise than a whole one's
        progress=False,
    )
    data = buffer.select(Threshold(0.3))
    for name in ("filtered-bc", "awr"):
        improve(name, policy, data, training, out)
        if state.num_processes > 1:
            sharded = replace(training, fsdp=True)
            improve(name, policy, data, sharded, out / "fsdp")
    if state.num_processes > 1:
        killed_and_resumed("awr", policy, data, sharded, out / "resumed")
        for error in (FloatingPointError("not finite"), ValueError("no number"), KeyError("lost")):
            for each in (training, sharded):
                failed_evaluation(error, policy, data, each)
    if state.num_processes > 1:
        # Who leaves while the other still talks to it may be aborted by gloo's threads.
        state.wait_for_everyone()
        torch.distributed.destroy_process_group()


def new_agent(name: str, policy: Seq2SeqPolicy) -> Agent:
    """Of a copy of the policy."""
    return make_agent(name, policy.clone(), **({} if name == "filtered-bc" else {"value_tokens": 300}))


def improve(name: str, policy: Seq2SeqPolicy, data: Slice, training: TrainingConfig, out: Path) -> None:
    """An Improve step, which the first process keeps; all processes end with the same weights."""
    state, agent = PartialState(), new_agent(name, policy)
    asked: list[float] = []
    held: list[int] = []

    def evaluate(policy: Seq2SeqPolicy) -> float:
        policy.translate(["eins zwei"])  # it is a whole policy wherever it is asked
        asked.append(float(len(asked)))
        return asked[-1]

    def log(metric: str, value: float, tokens: int) -> None:
        tensors: list[Any] = [*agent.policy.model.parameters()]
        held.append(sum(p.to_local().numel() if hasattr(p, "to_local") else p.numel() for p in tensors))

    agent.prepare(data, training)
    report = agent.improve(data, training, evaluate, log)
    assert bool(asked) == state.is_main_process
    with torch.no_grad():
        norm = sum(float(p.double().square().sum()) for p in agent.policy.model.parameters())
    norms = [0.0] * state.num_processes
    if state.num_processes > 1:
        torch.distributed.all_gather_object(norms, norm)
        assert norms == [norm] * state.num_processes
    if state.is_main_process:
        agent.save(out / name)
        rows = [[row.tokens, row.loss, row.evaluation] for row in report.history]
        weights = sum(p.numel() for p in agent.policy.model.parameters())
        found = {"processes": state.num_processes, "steps": report.steps, "rows": rows, "held": max(held) / weights}
        (out / f"{name}.json").write_text(json.dumps(found))


class Killed(BaseException):
    """In all processes alike."""


def killed_and_resumed(name: str, policy: Seq2SeqPolicy, data: Slice, training: TrainingConfig, out: Path) -> None:
    """The same Improve step, killed in its third row of the history and gone on with; the first process keeps it."""
    kept, killed, again = out / f"{name}.safetensors", new_agent(name, policy), new_agent(name, policy)

    def kill(metric: str, value: float, tokens: int) -> None:
        if tokens > 400:
            raise Killed

    for agent in (killed, again):
        agent.prepare(data, training)
    with contextlib.suppress(Killed):
        killed.improve(data, training, None, kill, kept)
    assert kept.is_file()
    again.improve(data, training, None, None, kept)
    if PartialState().is_main_process:
        again.save(out / name)


def failed_evaluation(error: Exception, policy: Seq2SeqPolicy, data: Slice, training: TrainingConfig) -> None:
    """An Improve step whose second evaluation fails, which only the first process sees: all end, with whole weights."""
    state, agent, asked = PartialState(), new_agent("filtered-bc", policy), iter((0.1,))

    def evaluate(policy: Seq2SeqPolicy) -> float:
        for value in asked:
            return value
        raise error

    kind = type(error) if state.is_main_process or not isinstance(error, KeyError) else RuntimeError
    with pytest.raises(kind, match=str(error.args[0])):
        agent.improve(data, training, evaluate)
    assert agent.policy.fingerprint == policy.fingerprint  # the best that was evaluated


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

"""Grow and Improve on the tiny task; run alone, or by each process of ``torchrun``.

Usage: ``python one_run.py START OUT``, with a policy's checkpoint in START.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from accelerate import PartialState  # type: ignore[import-untyped]

from agents import Seq2SeqPolicy, TrainingConfig, make_agent
from buffers import ByRank, GrowingBatchBuffer, Threshold, grow
from tests.conftest import OverlapScorer, TinyTask


def main(start: Path, out: Path) -> None:
    """Leave OUT/buffer, and of the first process OUT/{agent} and OUT/{agent}.json."""
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
    for name in ("filtered-bc", "awr"):
        agent = make_agent(name, policy.clone(), **({} if name == "filtered-bc" else {"value_tokens": 300}))
        data = buffer.select(Threshold(0.3))
        agent.prepare(data, training)
        asked: list[float] = []

        def evaluate(policy: Seq2SeqPolicy, asked: list[float] = asked) -> float:
            asked.append(float(len(asked)))
            return asked[-1]

        report = agent.improve(data, training, evaluate)
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
            found = {"processes": state.num_processes, "steps": report.steps, "rows": rows}
            (out / f"{name}.json").write_text(json.dumps(found))
    if state.num_processes > 1:
        # Who leaves while the other still talks to it may be aborted by gloo's threads.
        state.wait_for_everyone()
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

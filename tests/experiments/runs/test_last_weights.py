"""Last weights: seen, set for a moment, and kept where others are the best."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from agents import Seq2SeqPolicy, make_agent
from agents.policy.action_values import with_action_head
from experiments.runs.last_weights import LastWeights, keep_last, last_translations
from experiments.runs.stages import original_data, train
from seq2seq_env.tasks import Task
from tests.experiments.tiny_experiment import GROWING, POLICY, begin


def test_the_last_weights_come_back_for_a_moment(tiny_task: Task) -> None:
    policy = Seq2SeqPolicy.from_config(tiny_task.tokenizer, POLICY, seed=0)
    last = LastWeights(lambda _: 0.5)
    assert not last.seen
    assert last(policy) == 0.5
    seen = policy.fingerprint
    with torch.no_grad():
        next(policy.model.parameters()).add_(1.0)
    best = policy.fingerprint
    with last.of(policy):
        assert policy.fingerprint == seen
    assert policy.fingerprint == best != seen
    # An agent of d3rlpy's trains another network, and puts the policy's own back where it made nothing better.
    own = policy.model
    policy.model = with_action_head(own, 1.0, None)
    last(policy)
    trained, policy.model = policy.model, own
    with last.of(policy):
        assert policy.model is trained
    assert policy.model is own
    assert policy.fingerprint == best


def test_the_last_weights_of_a_training_that_was_killed_at_its_very_end_are_kept(
    tiny_task: Task, fake_scorer: Any, tmp_path: Path
) -> None:
    run = begin(GROWING, tmp_path / "run", tiny_task, fake_scorer)
    kept, lasts, files = set(), [], []
    for _ in range(2):  # the second goes on from the state that the first leaves
        falling = iter([0.5, 0.4, 0.3, 0.2, 0.1])
        agent = make_agent("bc", Seq2SeqPolicy.from_config(tiny_task.tokenizer, POLICY, seed=0))
        last = LastWeights(lambda _, values=falling: next(values))  # type: ignore[misc]
        facts = train(run, agent, original_data(tiny_task), GROWING.improve, "g1i1", GROWING.lora, last)
        lasts.append(last.seen)
        keep_last(run, "g1i1", agent.policy, facts, last)
        with last.of(agent.policy):
            kept.add(agent.policy.fingerprint)
        assert agent.policy.fingerprint not in kept
        file = run.folder.path / "hypotheses" / "last.g1i1.jsonl"
        files.append(file.read_text())
        file.unlink()
    assert lasts == [True, False]
    assert len(kept) == 1
    assert files[0] == files[1]
    run.folder.finish("g1i1", [facts])
    assert last_translations(run.folder.path, "g1i1") == "hypotheses/last.g1i1.jsonl"

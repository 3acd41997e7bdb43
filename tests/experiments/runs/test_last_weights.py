"""Last weights: seen, set for a moment, and kept where others are the best."""

from __future__ import annotations

import torch

from agents import Seq2SeqPolicy
from agents.policy.action_values import with_action_head
from experiments.runs.last_weights import LastWeights
from seq2seq_env.tasks import Task
from tests.experiments.tiny_experiment import POLICY


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

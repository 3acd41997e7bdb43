"""A decision process small enough to solve by hand.

One source; two tokens, each "one" or "two", then the end. The behaviour policy tosses a fair coin for each token, and
every outcome is in the data equally often, so that expectations over the data are exact:

    sequence    one one    one two    two one    two two
    reward        0.2        1.0        0.4        0.4

Under the behaviour policy Q(one) = 0.6, Q(two) = 0.4, V(start) = 0.5; the best sequence is "one two".
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from agents import Agent, Seq2SeqPolicy, TrainingConfig, ValueNetwork, make_agent
from buffers import Slice, Trajectories

ONE, TWO, END = 10, 11, 0
SEQUENCES = {"oo": (ONE, ONE), "ot": (ONE, TWO), "to": (TWO, ONE), "tt": (TWO, TWO)}
REWARDS = {"oo": 0.2, "ot": 1.0, "to": 0.4, "tt": 0.4}
TRAINING = TrainingConfig(
    learning_rate=5e-3,
    schedule="linear",
    tokens_per_batch=200,
    max_tokens=15_000,
    warmup_tokens=500,
    evaluate_every=15_000,
    weight_decay=0.0,
    progress=False,
)

# A batch of pairs, or of a source's distinct candidates, is one group: as many steps need fewer tokens.
GROUPED = replace(TRAINING, max_tokens=1_000, evaluate_every=1_000, warmup_tokens=60)

# d3rlpy draws transitions with replacement, so that expectations over the data need many steps.
TRANSITIONS = replace(TRAINING, learning_rate=3e-3, tokens_per_batch=128, max_tokens=32_000, evaluate_every=32_000)

VALUE = {"value_tokens": 30_000, "value_learning_rate": 5e-3}


def tabular(counts: dict[str, int], pad_id: int) -> Slice:
    """So many trajectories of each sequence, all of source "one"."""
    names = [name for name, count in counts.items() for _ in range(count)]
    size = len(names)
    return Slice.from_trajectories(
        Trajectories(
            source_index=np.zeros(size, dtype=np.int64),
            offsets=np.arange(size + 1, dtype=np.int64) * 3,
            tokens=np.array([[*SEQUENCES[name], END] for name in names], dtype=np.int32).ravel(),
            log_prob=np.tile(np.log(np.array([0.5, 0.5, 1.0], dtype=np.float32)), size),
            terminated=np.ones(size, dtype=bool),
            reward=np.array([REWARDS[name] for name in names], dtype=np.float32),
            is_reference=np.zeros(size, dtype=bool),
            source_rows=np.zeros(1, dtype=np.int64),
            source_offsets=np.array([0, 2], dtype=np.int64),
            source_tokens=np.array([2, END], dtype=np.int32),
        ),
        pad_id,
    )


def probabilities(policy: Seq2SeqPolicy) -> dict[str, float]:
    targets = [[*tokens, END] for tokens in SEQUENCES.values()]
    rows = policy.log_probs(policy.encode(["eins"] * len(targets)), targets)
    return {name: math.exp(row.sum()) for name, row in zip(SEQUENCES, rows, strict=True)}


def improved(name: str, behaviour: Seq2SeqPolicy, data: Slice, **options: object) -> Agent:
    agent = make_agent(name, behaviour.clone(), **options)
    agent.improve(data, TRAINING)
    return agent


def improved_in_groups(name: str, behaviour: Seq2SeqPolicy, data: Slice, **options: object) -> Agent:
    agent = make_agent(name, behaviour.clone(), **options)
    agent.improve(data, GROUPED)
    return agent


def values(value: ValueNetwork, data: Slice) -> dict[str, list[float]]:
    """``V`` before each token of each sequence."""
    (batch,) = data.where(np.arange(len(data)) % 8 == 0).batches(10_000, seed=0, shuffle=False)
    return dict(zip(SEQUENCES, value(batch).tolist(), strict=True))

"""Results of the benchmark by hand, as a contributor's file has them."""

from __future__ import annotations

from typing import Any

from experiments.reports.benchmark_cells import MEASURES
from experiments.reports.benchmark_check import Rules

DATASET = "phrasebook-lowres-mixed-v1"

CONFIG: dict[str, Any] = {
    "seed": 0,
    "learning_rates": [1e-3, 3e-3],
    "improve": {"max_tokens": 1_000, "tokens_per_batch": 100, "evaluate_every": 500},
}

RULES = Rules(CONFIG, 2, {DATASET: "a" * 64}, (DATASET,), ("bc", "filtered-bc"))


def run(seed: int, greedy: float = 0.8) -> dict[str, Any]:
    return {
        "seed": seed, "commit": "c" * 40, "start": f"policy {seed}", "base": 0.5,
        "quality": dict.fromkeys(MEASURES, greedy), "tokens": 1_040, "best_tokens": 1_000,
        "value_tokens": 0, "training_seconds": 5.0, "seconds": 12.0, "cpu_seconds": 9.0,
        "network_mib": 4.0, "entropy_matched": True, "failed": False,
    }  # fmt: skip


def record(agent: str = "bc", greedy: float = 0.8) -> dict[str, Any]:
    """Of a file that is right."""
    cell = {"dataset": DATASET, "agent": agent, "tried": {"0.001": 0.7, "0.003": 0.6},
            "runs": [run(0, greedy), run(1, greedy)]}  # fmt: skip
    policies = [
        {"dataset": DATASET, "agent": agent, "seed": seed, "learning_rate": 1e-3, "oracle": 0.7 + seed / 100,
         "reward": 0.8, "estimates": {"fitted Q": 0.6 + seed / 100}, "effective_samples": 5.0, "samples": 40}
        for seed in (0, 1)
    ]  # fmt: skip
    return {
        "config": CONFIG, "regimes": {"lowres-v1": {"task_fingerprint": "t", "scorer_fingerprint": "s"}},
        "datasets": {DATASET: {"contents": "a" * 64, "status": "the published texts", "regime": "lowres-v1"}},
        "cells": [cell], "policies": policies, "left_out": {},
    }  # fmt: skip

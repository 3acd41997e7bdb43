from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from agents import Seq2SeqPolicy
from experiments.datasets.behaviours import behaviour_names
from experiments.datasets.starts import STARTS, is_shipped, load_start, save_start
from seq2seq_env.tasks import Task


def test_a_start_is_nearly_the_policy_that_was_saved(
    policies: Sequence[Seq2SeqPolicy], monolingual_task: Task, tmp_path: Path
) -> None:
    save_start(policies[0], "lowres-v1", 3, tmp_path)
    assert is_shipped("lowres-v1", 3, tmp_path)
    assert not is_shipped("lowres-v1", 4, tmp_path)
    start = load_start("lowres-v1", 3, monolingual_task, tmp_path)
    sources = start.encode(monolingual_task.split("test").sources)
    near, exact = (np.concatenate(each.log_probs(sources, sources)) for each in (start, policies[0]))
    assert near == pytest.approx(exact, abs=0.05)
    with pytest.raises(ValueError, match="no behaviour policy 'lowres-v1-seed4'"):
        load_start("lowres-v1", 4, monolingual_task, tmp_path)


def test_all_seeds_of_a_regime_are_shipped_or_none() -> None:
    regimes = {name.partition("-seed")[0] for name in behaviour_names(STARTS)}
    assert "lowres-v1" in regimes
    assert all(is_shipped(regime, seed) for regime in regimes for seed in range(5))

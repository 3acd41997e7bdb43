from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents import AGENTS, LoRA, PolicyConfig, Seq2SeqPolicy, TrainingConfig
from experiments.compare_agents import BASELINE, Config, Trial, compare, trials
from experiments.reports.comparison import holm, interval, paired_p, stack
from experiments.reports.comparison_report import write_comparison
from experiments.runs.evaluation import Evaluator
from experiments.runs.run_folder import RunFolder
from seq2seq_env.tasks import Task

TRAINING = TrainingConfig(
    learning_rate=5e-3, max_tokens=1_500, tokens_per_batch=128, warmup_tokens=100, evaluate_every=500, progress=False
)
CONFIG = Config(
    agents=("bc", "filtered-bc", "dpo"),
    seeds=2,
    sources=12,
    filter="percentile",
    filter_values=(50.0,),
    policy=PolicyConfig(d_model=16, num_heads=2, encoder_layers=1, decoder_layers=1, ffn_dim=32,
                        max_source_length=12, max_target_length=12),
    supervised=TRAINING,
    improve=replace(TRAINING, max_tokens=300, evaluate_every=150),
    device="cpu",
)  # fmt: skip


def test_trials_are_every_agent_on_its_own_data_and_on_the_filtered_slice() -> None:
    found = trials(replace(CONFIG, seeds=1))
    assert found == [
        Trial("bc", "own", 0),
        Trial("filtered-bc", "own", 0),
        Trial("dpo", "own", 0),
        Trial("dpo", "filtered", 0),
    ]
    assert {trial.agent for trial in trials(replace(CONFIG, agents=tuple(AGENTS)))} == set(AGENTS)


def test_a_comparison_leaves_tables_and_plots_and_resumes(tiny_task: Task, fake_scorer: Any, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run", {"task": "tiny"})
    evaluator = Evaluator(tiny_task, fake_scorer, judge=fake_scorer, temperature=0.8, seed=0)
    compare(CONFIG, tiny_task, evaluator, run)
    run.spend(1.0)
    stages = [trial.stage for trial in trials(CONFIG)]
    write_comparison(run, BASELINE, stages, tiny_task.split("test").references)
    first = (run.path / "comparison.json").read_text()
    results = json.loads(first)
    assert list(results["agents"]) == ["bc", "filtered-bc", "dpo", "dpo (filtered data)"]
    for row in results["agents"].values():
        mean, low, high = row["reward"]
        assert low <= mean <= high
        assert 300 <= row["tokens"] <= 300 + 128
        assert 0 <= row["reward_p"] <= 1
        assert row["judge"] == row["reward"]
    base = run.result(BASELINE)["greedy_texts"]
    for trial in ("bc", "filtered-bc"):
        texts = [run.result(f"{trial}.own.seed{seed}")["steps"][0]["greedy_texts"] for seed in range(2)]
        if all(text == base for text in texts):
            assert results["agents"][trial]["bleu_p"] == 1.0
    assert list(results["same_data"]) == ["dpo (filtered data)"]
    assert [claim["number"] for claim in results["claims"]] == ["2", "3", "4", "7", "7", "10"]
    assert {"bars.png", "reward_oracle.png", "reward_judge.png", "curves.png", "comparison.md"} <= {
        p.name for p in run.path.iterdir()
    }

    (run.path / "stages" / f"{stages[-1]}.json").unlink()
    compare(CONFIG, tiny_task, evaluator, run)
    write_comparison(run, BASELINE, stages, tiny_task.split("test").references)
    repeated = json.loads((run.path / "comparison.json").read_text())["agents"]["dpo (filtered data)"]
    assert repeated["reward"] == results["agents"]["dpo (filtered data)"]["reward"]


def test_a_policy_has_no_divergence_from_itself(tiny_task: Task, fake_scorer: Any, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run", {"task": "tiny"})
    evaluator = Evaluator(tiny_task, fake_scorer, temperature=0.8, seed=0)
    compare(replace(CONFIG, agents=("filtered-bc",), seeds=1), tiny_task, evaluator, run)
    assert run.result(BASELINE)["kl"] == pytest.approx(0, abs=1e-4)
    itself = Seq2SeqPolicy.load(run.checkpoint("g0i0"))
    other = Seq2SeqPolicy.from_config(tiny_task.tokenizer, CONFIG.policy, seed=1)
    assert evaluator.kl(other, itself, "test") > 0.1


def test_the_interval_covers_the_mean_of_seeds_and_sources() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(40):
        values = rng.normal(size=(5, 1)) * 0.1 + rng.normal(size=(1, 60)) + rng.normal(size=(5, 60)) * 0.3
        found = interval(values, seed=trial)
        assert found.mean == pytest.approx(values.mean())
        hits += found.low <= 0 <= found.high
    assert hits >= 34  # 95 % of 40 is 38; fewer than 34 has a chance of about 1 in 100
    same = interval(np.full((3, 4), 0.5))
    assert (same.low, same.high) == (0.5, 0.5)


def test_an_interval_of_nothing_is_refused() -> None:
    for bad in (np.zeros(3), np.zeros((0, 3)), np.full((1, 2), np.nan)):
        with pytest.raises(ValueError, match="give numbers"):
            interval(bad)
    with pytest.raises(ValueError, match="compare on one split"):
        stack([[1.0], [1.0, 2.0]])


def test_paired_tests_see_a_shift_and_not_noise() -> None:
    rng = np.random.default_rng(1)
    before = rng.uniform(size=200)
    noise = rng.normal(size=(3, 200)) * 0.05
    assert paired_p(before + 0.05 + noise, before) < 0.001
    assert paired_p(before + noise - noise.mean(axis=0), before) == pytest.approx(1.0, abs=0.95)
    assert paired_p(np.stack([before, before]), before) == 1.0


def test_holm_by_hand() -> None:
    # 3 * 0.01, then 2 * 0.02, then 0.04, never falling.
    assert holm({"a": 0.04, "b": 0.01, "c": 0.02}) == pytest.approx({"a": 0.04, "b": 0.03, "c": 0.04})
    assert holm({}) == {}


def test_bad_options_are_refused() -> None:
    for config, message in (
        (replace(CONFIG, seeds=0), "seeds is 0"),
        (replace(CONFIG, agents=()), "agents is empty"),
        (replace(CONFIG, agents=("dqn",)), "no agent 'dqn'"),
        (replace(CONFIG, filter_values=(10.0, 20.0)), "filter_values has 2 values"),
        (replace(CONFIG, options={"dpo.eta": 1.0}), "agent 'dpo' has no option 'eta'"),
        (replace(CONFIG, options={"eta": 1.0}), "option 'eta' names no agent"),
        (replace(CONFIG, runs=(Path("nowhere"),)), "no results.json in 'nowhere'"),
    ):
        with pytest.raises((ValueError, OSError), match=message):
            config.check()


def test_what_is_not_installed_is_missed_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("ctranslate2", "d3rlpy", "peft"):
        monkeypatch.setitem(sys.modules, module, None)
    for config, message in (
        (replace(CONFIG, agents=("bc", "d3rlpy-bc")), "agent 'd3rlpy-bc' needs d3rlpy, which is not installed"),
        (replace(CONFIG, lora=LoRA(rank=2)), "--lora.rank needs peft, which is not installed"),
        (replace(CONFIG, engine="ctranslate2"), "--engine ctranslate2 needs ctranslate2, which is not installed"),
    ):
        with pytest.raises(ImportError, match=message):
            config.check()

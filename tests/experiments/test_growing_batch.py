from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray

from agents import PolicyConfig, Seq2SeqPolicy, TrainingConfig
from buffers import GrowingBatchBuffer
from experiments.growing_batch import Config, growing_batch, report
from experiments.reports.report import summary, write_report
from experiments.runs.evaluation import Evaluator
from experiments.runs.run_folder import RunFolder
from experiments.runs.script import execute
from seq2seq_env.extras import EXTRAS
from seq2seq_env.scorers import LearnedScorer, PairEncoder
from seq2seq_env.tasks import Task, load_task

TRAINING = TrainingConfig(
    learning_rate=5e-3, max_tokens=1_500, tokens_per_batch=128, warmup_tokens=100, evaluate_every=500, progress=False
)
CONFIG = Config(
    grow_steps=1,
    improve_steps=2,
    sources=12,
    candidates=4,
    filter="threshold",
    filter_values=(0.2, 0.4),
    policy=PolicyConfig(d_model=16, num_heads=2, encoder_layers=1, decoder_layers=1, ffn_dim=32,
                        max_source_length=12, max_target_length=12),
    supervised=TRAINING,
    improve=replace(TRAINING, max_tokens=400, evaluate_every=200),
    device="cpu",
)  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(
        tmp_path / "run", {"task": "tiny", "agent": CONFIG.agent, "grow_steps": 1, "improve_steps": 2, "seed": 0}
    )


@pytest.fixture
def evaluator(tiny_task: Task, fake_scorer: Any) -> Evaluator:
    return Evaluator(tiny_task, fake_scorer, temperature=0.8, seed=0)


def test_run_leaves_everything_and_resumes_to_the_same(tiny_task: Task, evaluator: Evaluator, run: RunFolder) -> None:
    growing_batch(CONFIG, tiny_task, evaluator, run)
    run.spend(60.0)
    write_report(run, evaluator, "cpu")
    results = json.loads((run.path / "results.json").read_text())
    assert [(row["grow"], row["improve"], row["split"], row["decode"]) for row in results["steps"]] == [
        (g, i, split, decode)
        for g, i in ((0, 0), (1, 1), (1, 2))
        for split, decode in (("validation", "sample"), ("test", "sample"), ("test", "greedy"))
    ]
    assert {"reward", "oracle", "bleu", "chrf", "length_ratio", "threshold", "kept_fraction", "sources_without_data",
            "distinct_samples", "train_tokens", "seconds"} <= results["steps"][0].keys()  # fmt: skip
    spent = sum(row["train_tokens"] for row in results["steps"] if row["improve"] and row["split"] == "validation")
    assert 0 <= results["control"][0]["train_tokens"] - spent <= 128
    assert {"steps.png", "rewards.png", "data.png", "reward_oracle.png", "results.md"} <= {
        p.name for p in run.path.iterdir()
    }
    buffer = GrowingBatchBuffer(run.path / "buffer")
    assert len(buffer.select(grow_step=1)) == 12 * 4
    assert buffer.select(grow_step=0).is_reference.tolist() == [True] * 24

    last = Seq2SeqPolicy.load(run.checkpoint("g1i2")).fingerprint
    (run.path / "stages" / "g1i2.json").unlink()
    growing_batch(CONFIG, tiny_task, evaluator, run)
    assert Seq2SeqPolicy.load(run.checkpoint("g1i2")).fingerprint == last
    # Nothing is left to do, and nothing has been measured in this process: the report must still come out.
    fresh = Evaluator(tiny_task, evaluator.scorer, temperature=0.8, seed=0)
    run.spend(30.0)
    write_report(run, fresh, "cpu")
    assert json.loads((run.path / "results.json").read_text())["summary"]["seconds"] == 90.0


def test_without_the_extra_report_a_run_has_tables_and_neither_plots_nor_logs(
    tiny_task: Task, evaluator: Evaluator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in EXTRAS["report"]:
        monkeypatch.setitem(sys.modules, module, None)
    run = RunFolder(tmp_path / "run", {"task": "tiny", "agent": "bc", "grow_steps": 0, "improve_steps": 2, "seed": 0})
    growing_batch(replace(CONFIG, grow_steps=0), tiny_task, evaluator, run)
    run.spend(60.0)
    write_report(run, evaluator, "cpu")
    assert {path.name for path in run.path.iterdir()} == {
        "config.json", "stages", "checkpoints", "results.json", "results.md"
    }  # fmt: skip
    assert ".png" not in (run.path / "results.md").read_text()


def test_an_agent_with_a_value_network_resumes_with_it(tiny_task: Task, evaluator: Evaluator, run: RunFolder) -> None:
    config = replace(CONFIG, agent="bvmpo", agent_options={"value_tokens": 400, "eta": 0.2}, control=False)
    growing_batch(config, tiny_task, evaluator, run)
    last = run.checkpoint("g1i2")
    assert {"prior", "value", "temperature"} <= {path.name for path in last.iterdir()}
    before = Seq2SeqPolicy.load(last).fingerprint, (last / "temperature" / "temperature.json").read_text()
    prior = Seq2SeqPolicy.load(last / "prior").fingerprint
    assert prior == Seq2SeqPolicy.load(run.checkpoint("g0i0")).fingerprint
    (run.path / "stages" / "g1i2.json").unlink()
    growing_batch(config, tiny_task, evaluator, run)
    assert (Seq2SeqPolicy.load(last).fingerprint, (last / "temperature" / "temperature.json").read_text()) == before


def test_a_filter_that_keeps_nothing_says_so_and_goes_on(
    tiny_task: Task, evaluator: Evaluator, run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    config = replace(CONFIG, filter_values=(0.98, 0.99), sources=2, candidates=1)

    class Strict:
        fingerprint = "strict"

        def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
            return evaluator.scorer.score(sources, hypotheses) * np.float32(0.5)

    growing_batch(config, tiny_task, Evaluator(tiny_task, Strict(), temperature=0.8, seed=0), run)
    assert capsys.readouterr().out.count("the filter keeps nothing of 26 trajectories") == 2
    assert run.result("g1i2")[0]["train_tokens"] == 0
    before, after = (Seq2SeqPolicy.load(run.checkpoint(stage)) for stage in ("g0i0", "g1i2"))
    assert before.fingerprint == after.fingerprint


def test_two_text_files_and_a_scorer_make_a_report(
    tiny_task: Task, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("train", "validation", "test"):
        split = tiny_task.split(name)
        for ending, lines in (("de", split.sources), ("en", split.references)):
            (tmp_path / f"{name}.{ending}").write_text("\n".join(lines) + "\n")
    options = {"folder": str(tmp_path), "source": "de", "target": "en", "max_tokens": "12"}
    tokenizer = load_task("text-files", **options).tokenizer
    sizes: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 16, "num_labels": 1}
    network = transformers.BertConfig(
        vocab_size=tokenizer.vocab_size, pad_token_id=tokenizer.pad_id, num_hidden_layers=1, num_attention_heads=2,
        **sizes,
    )  # fmt: skip
    made: Any = transformers.BertForSequenceClassification(network)
    LearnedScorer.save(tmp_path / "scorer", made, PairEncoder.from_tokenizer(tokenizer, 30))
    config = replace(
        CONFIG, task="text-files", task_options=options, scorer=str(tmp_path / "scorer"), out=tmp_path / "run",
        filter="percentile", filter_values=(20, 60), sources=None,
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"too few; give more pairs"):  # to make a scorer of
        execute(replace(config, scorer=None), growing_batch, report)
    execute(config, growing_batch, report)
    assert "train split: 24 of 24 pairs" in capsys.readouterr().out
    results = json.loads((config.out / "results.json").read_text())
    assert results["steps"][-1]["oracle"] is None
    assert results["summary"]["shortfall_closed"] is not None
    with pytest.raises(FileExistsError, match=r"task_options\.max_tokens was '12' and is now '13'"):
        execute(replace(config, task_options=options | {"max_tokens": "13"}), growing_batch, report)


def test_learning_rate_falls_and_schedule_is_one_or_many() -> None:
    config = Config(
        improve_steps=2, grow_steps=2, filter="threshold", filter_values=(0.5, 0.6, 0.7, 0.8), learning_rate_decay=0.5
    )
    assert [step.learning_rate for step in map(config.improve_at, (1, 2))] == [
        config.improve.learning_rate, config.improve.learning_rate * 0.5,
    ]  # fmt: skip
    assert [[f.value for f in schedule] for schedule in config.schedules(2)] == [[0.5, 0.6], [0.7, 0.8]]
    percentiles = Config(filter="percentile", improve_steps=2).schedules(2)
    assert [[f.value for f in schedule] for schedule in percentiles] == [[50, 70], [50, 70]]
    thresholds = Config(improve_steps=3).schedules(3)
    assert [[f.value for f in schedule] for schedule in thresholds] == [[0.8, 0.9, 0.95], *[[0.9, 0.95, 0.99]] * 2]
    assert [len(schedule) for schedule in Config(improve_steps=5).schedules(2)] == [5, 5]
    assert [len(s) for s in replace(config, filter_values=(0.5, 0.6)).schedules(2)] == [2, 2]
    with pytest.raises(ValueError, match="does not rise"):
        replace(config, filter_values=(0.6, 0.5)).schedules(2)
    with pytest.raises(ValueError, match="filter_values has 3 values; give 2"):
        replace(config, filter_values=(0.5, 0.6, 0.7)).schedules(2)


def test_summary_by_hand() -> None:
    def rows(reward: float, oracle: float, bleu: float) -> list[dict[str, Any]]:
        kinds = (("validation", "sample"), ("test", "sample"), ("test", "greedy"))
        return [
            {"split": s, "decode": d, "reward": reward, "oracle": oracle, "judge": judge, "bleu": bleu, "chrf": 1.0}
            for s, d in kinds
        ]

    judge: float | None = None
    reranked = {"mean": 0.55, "best": 0.95}
    found = summary(rows(0.6, 0.5, 40.0) + rows(0.8, 0.6, 41.0), rows(0.65, 0.5, 40.0), reranked)
    assert found["shortfall_closed"] == pytest.approx(0.5)
    assert found["shortfall_closed_above_control"] == pytest.approx(0.375)
    assert found["oracle_gain_to_reward_gain"] == pytest.approx(0.5)
    assert found["greedy_bleu_change"] == pytest.approx(1.0)
    assert found["gap_to_best_of_n_closed"] == pytest.approx(0.25 / 0.4)
    assert "judge_after" not in found
    judge = 0.3
    found = summary(rows(0.6, 0.5, 40.0), [], {"mean": 0.5, "best": 0.5})
    assert (found["judge_before"], found["judge_after"]) == (0.3, 0.3)
    assert found["gap_to_best_of_n_closed"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"agent_options": {"eta": 0.1}}, "agent 'filtered-bc' has no option 'eta'; it takes none"),
        ({"agent": "bvmpo", "agent_options": {"eta": 0.0}}, "eta is 0.0; give a number above 0"),
        ({"agent": "magic"}, "no agent 'magic'; choose one of "),
        ({"task": "klingon"}, "no task 'klingon'; choose one of hub, phrasebook-de-en, text-files"),
        ({"scorer": "oracle-of-delphi"}, "oracle-of-delphi"),
        ({"filter": "luck"}, "unknown filter 'luck'; choose from threshold, percentile, interpolation"),
        ({"temperature": 0.0}, "temperature is 0"),
        ({"start": Path("run"), "pretrained": "model"}, "both --start and --pretrained name the policy"),
        ({"candidates": 0}, "candidates is 0; give 1 or more"),
        ({"filter_values": (0.9, 0.8, 0.7)}, "does not rise"),
        ({"filter_values": (0.9,)}, "filter_values has 1 values; give 3"),
        ({"learning_rate_decay": 1.5}, "learning_rate_decay is 1.5"),
        ({"device": "abacus"}, "device 'abacus' is not there"),
    ],
)
def test_bad_options_are_refused_before_anything_is_made(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises((ValueError, OSError), match=re.escape(message)):
        execute(replace(Config(out=tmp_path / "run", device="cpu"), **options), growing_batch, report)
    assert not (tmp_path / "run").exists()


def test_the_command_ends_with_one_sentence_and_an_exit_code(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "experiments.growing_batch", "--out", str(tmp_path / "run"), "--agent", "magic"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines()[-1].startswith("error: there is no agent 'magic'")
    assert "Traceback" not in ended.stderr


def test_torch_is_left_as_it_was(tiny_task: Task, evaluator: Evaluator, run: RunFolder) -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    growing_batch(replace(CONFIG, control=False, improve_steps=1, filter_values=(0.2,)), tiny_task, evaluator, run)
    assert torch.equal(torch.get_rng_state(), state)

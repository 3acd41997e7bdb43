"""Whole runs of growing_batch.py: what they leave, how they go on, and what they refuse."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray

from agents import Seq2SeqPolicy, agent_class
from agents.policy.policy_folder import policy_folder
from buffers import GrowingBatchBuffer, Threshold
from experiments.growing_batch import Config, growing_batch, narrowed, new_agent, report
from experiments.runs.arms import Arm, arm_data, arm_stage
from experiments.runs.experiment import Experiment
from experiments.runs.improve_data import DataConfig
from experiments.runs.run_folder import read_lines
from experiments.runs.script import execute, main
from experiments.scorer_training.estimator_config import EstimatorConfig
from seq2seq_env.extras import EXTRAS
from seq2seq_env.scorers import LearnedScorer, PairEncoder
from seq2seq_env.tasks import Task, load_task
from tests.experiments.tiny_experiment import GROWING, begin, copy_of, results


def test_every_stage_is_measured_on_every_split(finished_run: Experiment[Config]) -> None:
    steps = results(finished_run)["steps"]
    assert [(row["grow"], row["improve"], row["split"], row["decode"]) for row in steps] == [
        (g, i, split, decode)
        for g, i in ((0, 0), (1, 1), (1, 2))
        for split, decode in (("validation", "sample"), ("test", "sample"), ("test", "greedy"))
    ]
    assert {"reward", "oracle", "bleu", "chrf", "length_ratio", "threshold", "kept_fraction", "sources_without_data",
            "distinct_samples", "train_tokens", "seconds"} <= steps[0].keys()  # fmt: skip
    assert [row["threshold"] for row in steps] == [None] * 3 + [0.2] * 3 + [0.4] * 3
    kept = [row["kept_fraction"] for row in steps[3:]]
    assert kept[0] >= kept[-1] > 0


def test_the_last_policy_of_a_run_is_rests(finished_run: Experiment[Config]) -> None:
    assert policy_folder(finished_run.folder.path).name == "g1i2"


def test_copies_count_once_or_each(finished_run: Experiment[Config]) -> None:
    batch = GrowingBatchBuffer(finished_run.folder.path / "buffer").select(grow_step=(0, 1))
    copies = batch.where(batch.firsts() == batch.firsts()[-1])
    assert len(replace(GROWING, distinct=True).counted(copies)) == 1
    assert replace(GROWING, distinct=False).counted(copies) is copies
    agent: Any = agent_class("iw-sft")
    assert narrowed(GROWING, agent, copies, seed=0) is copies
    agent = agent_class("filtered-bc")
    assert len(narrowed(GROWING, agent, copies, seed=0)) == 1


def test_the_supervised_policy_is_measured_at_the_last_ones_entropy(finished_run: Experiment[Config]) -> None:
    found = results(finished_run)
    last = next(row for row in found["steps"][::-1] if (row["split"], row["decode"]) == ("test", "sample"))
    reached = found["equal_entropy"]
    assert 0 < reached["temperature"] <= GROWING.temperature
    assert reached["nats"] == pytest.approx(last["nats"], rel=0.1)


def test_translations_of_every_policy_are_kept(finished_run: Experiment[Config]) -> None:
    folder, test = finished_run.folder.path / "hypotheses", finished_run.task.split("test")
    stages = {path.stem for path in folder.iterdir() if not path.stem.startswith("last.")}
    assert stages == {"g0i0", "g1i1", "g1i2", *map(arm_stage, get_args(Arm)), "equal-entropy"}
    rows = read_lines(folder / "g1i2.jsonl")
    assert [row["source"] for row in rows] == test.sources
    assert [row["reference"] for row in rows] == test.references
    last = {row["decode"]: row for row in results(finished_run)["steps"][-2:]}
    for decode in ("sample", "greedy"):
        assert np.mean([row[f"{decode}_reward"] for row in rows]) == pytest.approx(last[decode]["reward"])
        assert np.mean([row[f"{decode}_oracle"] for row in rows]) == pytest.approx(last[decode]["oracle"])


def test_an_arm_can_be_added_to_a_finished_run(finished_run: Experiment[Config], tmp_path: Path) -> None:
    run = copy_of(finished_run, tmp_path / "run")
    before = Seq2SeqPolicy.load(run.folder.checkpoint("control-samples")).fingerprint
    for record in (run.folder.path / "stages").glob("control-samples*.json"):
        record.unlink()
    again = replace(run, config=replace(run.config, arms=("samples",)))
    growing_batch(again)
    assert Seq2SeqPolicy.load(run.folder.checkpoint("control-samples")).fingerprint == before


def test_a_grow_step_joins_samples_of_some_sources_with_all_references(finished_run: Experiment[Config]) -> None:
    buffer = GrowingBatchBuffer(finished_run.folder.path / "buffer")
    samples = buffer.select(grow_step=1)
    assert (len(samples), samples.is_reference.any()) == (12 * 4, np.False_)
    assert buffer.select(grow_step=0).is_reference.tolist() == [True] * 24
    assert np.isfinite(buffer.select(grow_step=(0, 1)).rewards).all()


def test_a_run_goes_on_to_the_same(finished_run: Experiment[Config], tmp_path: Path) -> None:
    run = copy_of(finished_run, tmp_path / "run")
    last = Seq2SeqPolicy.load(run.folder.checkpoint("g1i2")).fingerprint
    (run.folder.path / "stages" / "g1i2.json").unlink()
    growing_batch(run)
    assert Seq2SeqPolicy.load(run.folder.checkpoint("g1i2")).fingerprint == last
    run.folder.spend(30.0)
    report(copy_of(run, tmp_path / "copy"))  # nothing was measured by this evaluator
    found = json.loads((tmp_path / "copy" / "results.json").read_text())
    assert found["summary"]["seconds"] == 90.0
    assert found["steps"][-1]["reward"] == results(finished_run)["steps"][-1]["reward"]


def test_without_the_extra_report_a_run_has_tables_and_neither_plots_nor_logs(
    tiny_task: Task, fake_scorer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in EXTRAS["report"]:
        monkeypatch.setitem(sys.modules, module, None)
    run = begin(replace(GROWING, grow_steps=0), tmp_path / "run", tiny_task, fake_scorer)
    growing_batch(run)
    run.folder.spend(60.0)
    report(run)
    assert {path.name for path in run.folder.path.iterdir()} == {
        "config.json", "stages", "checkpoints", "hypotheses", "report.html", "results.json", "results.md"
    }  # fmt: skip
    assert ".png" not in (run.folder.path / "results.md").read_text()


def test_an_agent_with_a_value_network_resumes_with_it(tiny_task: Task, fake_scorer: Any, tmp_path: Path) -> None:
    config = replace(GROWING, agent="bvmpo", agent_options={"bvmpo": {"value_tokens": 400, "eta": 0.2}}, arms=())
    run = begin(config, tmp_path / "run", tiny_task, fake_scorer)
    growing_batch(run)
    last = run.folder.checkpoint("g1i2")
    assert {"prior", "value", "temperature"} <= {path.name for path in last.iterdir()}
    before = Seq2SeqPolicy.load(last).fingerprint, (last / "temperature" / "scalar.json").read_text()
    prior = Seq2SeqPolicy.load(last / "prior").fingerprint
    assert prior == Seq2SeqPolicy.load(run.folder.checkpoint("g0i0")).fingerprint
    (run.folder.path / "stages" / "g1i2.json").unlink()
    growing_batch(run)
    assert (Seq2SeqPolicy.load(last).fingerprint, (last / "temperature" / "scalar.json").read_text()) == before


def test_with_restarts_every_step_starts_from_the_supervised_policy(
    tiny_task: Task, fake_scorer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQ2SEQ_ENV_CACHE", str(tmp_path / "mirror"))
    data = DataConfig(samples_only=True, most_kept=1)
    config = replace(
        GROWING, restart=True, data=data, filter_values=(0.0, 0.01), learning_rate_decay=1.0, distinct=False,
        improve=replace(GROWING.improve, max_tokens=150, evaluate_every=150, evaluate_first=False),
        arms=("unfiltered",), buffer="memory://restarts/buffer",
    )  # fmt: skip
    run = begin(config, tmp_path / "run", tiny_task, fake_scorer)
    growing_batch(run)
    assert not (run.folder.path / "buffer").exists()
    rows = [run.folder.result(stage)[0] for stage in ("g1i1", "g1i2")]
    assert all(0 < row["kept_fraction"] <= 12 / 72 for row in rows)  # 1 of 4 samples of 12 sources, no reference
    # What the second step learned is what one step from the supervised policy learns.
    agent, batch = new_agent(run), GrowingBatchBuffer("memory://restarts/buffer").select(grow_step=(0, 1))
    training = config.improve_at(2)
    kept = data.limit(data.select(batch, Threshold(0.01), tiny_task.tokenizer), training.seed)
    agent.improve(kept, training, run.evaluator.validation_reward)
    assert Seq2SeqPolicy.load(run.folder.checkpoint("g1i2")).fingerprint == agent.policy.fingerprint


def test_the_last_step_can_be_on_the_original_data(
    monolingual_task: Task, fake_scorer: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = replace(
        GROWING, agent="bc", grow_from="source-only", sources=None, data=DataConfig(True, last_on_pairs=True),
        improve=replace(GROWING.improve, source_drop=0.1, source_shuffle=3), arms=("unfiltered",),
    )  # fmt: skip
    run = begin(config, tmp_path / "run", monolingual_task, fake_scorer)
    growing_batch(run)
    kept = [run.folder.result(stage)[0]["kept_fraction"] for stage in ("g1i1", "g1i2")]
    assert kept == [pytest.approx(24 / 42), pytest.approx(18 / 42)]  # 4 samples of 6 sentences, then 18 pairs
    assert capsys.readouterr().out.count("all data: ") == 2
    for stage in ("g1i2", "control-unfiltered-g1i2"):  # whose reward need not rise
        row = run.folder.result(stage)[0]
        assert row["best_tokens"] == row["train_tokens"] > 0
        assert [tokens for tokens, _ in row["curve"]] == [row["train_tokens"]]


def test_source_only_sentences_are_sampled_and_count_as_no_references(
    monolingual_task: Task, fake_scorer: Any, tmp_path: Path
) -> None:
    config = replace(GROWING, sources=None, filter_values=(0.0, 0.1), arms=("samples",))
    run = begin(config, tmp_path / "run", monolingual_task, fake_scorer)
    growing_batch(run)
    run.folder.spend(1.0)
    report(run)
    buffer, kept = GrowingBatchBuffer(run.folder.path / "buffer"), Threshold(0.1)
    assert buffer.select(grow_step=0).source_index.tolist() == list(range(18))
    assert set(buffer.select(grow_step=1).source_index.tolist()) == set(range(24))
    data = {arm: arm_data(arm, buffer, 1, lambda batch: batch.select(kept)) for arm in get_args(Arm)}
    assert data["unfiltered"].source_index.max() == data["filtered"].source_index.max() == 17
    assert data["samples"].source_index.max() == data["one-grow"].source_index.max() > 17
    assert not data["samples"].is_reference.any()
    assert {row["step"] for row in results(run)["controls"]} == {"samples"}


@pytest.mark.parametrize("restart", [False, True])
def test_a_filter_that_keeps_nothing_ends_a_grow_step_or_warns(
    tiny_task: Task, fake_scorer: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], restart: bool
) -> None:
    class Strict:
        fingerprint = "strict"

        def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
            return np.asarray(fake_scorer.score(sources, hypotheses)) * np.float32(0.5)

    config = replace(
        GROWING, filter_values=(0.98, 0.99), sources=2, candidates=1, arms=("filtered",), restart=restart,
        improve=replace(GROWING.improve, evaluate_first=False),
    )  # fmt: skip
    run = begin(config, tmp_path / "none", tiny_task, Strict())
    with pytest.raises(
        ValueError,
        match=r"step g1i1 has nothing to train on: .*0\.98.* keeps none of 26 targets, whose rewards are up to 0\.",
    ):
        growing_batch(run)
    assert not run.folder.has("g1i1")
    run = begin(replace(config, filter_values=(0.1, 0.99)), tmp_path / "some", tiny_task, Strict())
    growing_batch(run)
    printed = capsys.readouterr().out
    assert printed.count("the filter keeps nothing of 26 trajectories") == 2
    assert printed.count("WARNING: Improve step g1i2 trains nothing: Threshold(tau=0.99) keeps none of 26") == 1
    assert run.folder.result("g1i2")[0]["train_tokens"] == 0
    for arm in ("", "control-filtered-"):
        stages = ("g0i0", f"{arm}g1i1", f"{arm}g1i2")
        supervised, first, second = (Seq2SeqPolicy.load(run.folder.checkpoint(stage)).fingerprint for stage in stages)
        assert supervised != first == second


def test_torch_is_left_as_it_was(tiny_task: Task, fake_scorer: Any, tmp_path: Path) -> None:
    config = replace(GROWING, arms=(), improve_steps=1, filter_values=(0.2,))
    run = begin(config, tmp_path / "run", tiny_task, fake_scorer)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    growing_batch(run)
    assert torch.equal(torch.get_rng_state(), state)


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
    untrained: Any = transformers.BertForSequenceClassification(network)
    LearnedScorer.save(tmp_path / "scorer", untrained, PairEncoder.from_tokenizer(tokenizer, 30))
    config = replace(
        GROWING, task="text-files", task_options=options, scorer=str(tmp_path / "scorer"), out=tmp_path / "run",
        filter="percentile", filter_values=(20, 60), sources=None,
    )  # fmt: skip
    for changes, message in (
        ({"sources": 4_000}, "sources is 4000, and there are 24 to draw from 'train'; give 1 to 24, or None for all"),
        ({"grow_from": "both"}, "grow_from is 'both', and task 'text-files' has no sentences without references"),
    ):
        with pytest.raises(ValueError, match=message):
            execute(replace(config, **changes, scorer=None), growing_batch, report)
        assert not (tmp_path / "run-scorer").exists()
    with pytest.raises(ValueError, match=r"too few; give more pairs"):  # to make a scorer of
        execute(replace(config, scorer=None), growing_batch, report)
    execute(replace(config, sources="auto"), growing_batch, report)
    assert "train split: 24 of 24 pairs" in capsys.readouterr().out
    found = json.loads((config.out / "results.json").read_text())
    assert found["steps"][-1]["oracle"] is None
    assert found["summary"]["shortfall_closed"] is not None
    execute(config, growing_batch, report)  # --sources None is what the default stood for
    with pytest.raises(FileExistsError, match=r"task_options\.max_tokens was '12' and is now '13'"):
        execute(replace(config, task_options=options | {"max_tokens": "13"}), growing_batch, report)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grow_steps": -1}, "grow_steps is -1; give 0 or more"),
        ({"agent_options": {"filtered-bc": {"eta": 0.1}}}, "agent 'filtered-bc' has no option 'eta'; it takes none"),
        ({"agent": "bvmpo", "agent_options": {"bvmpo": {"eta": 0.0}}}, "eta is 0.0; give a number above 0"),
        ({"agent": "magic"}, "no agent 'magic'; choose one of "),
        ({"task": "klingon"}, "no task 'klingon'; choose one of arithmetic, hub, phrasebook-de-en, text-files"),
        ({"scorer": "oracle-of-delphi"}, "oracle-of-delphi"),
        ({"filter_values": (0.9, 0.8, 0.7)}, "does not rise"),
        ({"device": "abacus"}, "device 'abacus' is not there"),
        (
            {"data": DataConfig(last_on_pairs=True), "improve_steps": 1},
            "and there is one; give --improve-steps 2 or mo",
        ),
        *(
            (
                {"agent": agent, "data": DataConfig(last_on_pairs=True)},
                f"agent '{agent}' compares candidates, and the original data of --data.last-on-pairs have one of each",
            )
            for agent in ("dpo", "cpo", "ipo", "kto", "slic", "mrt")
        ),
        ({"scorer": "phrasebook-qe", "estimator": EstimatorConfig(repeats=3)}, "options of --estimator make a scorer"),
    ],
)
def test_bad_options_are_refused_before_anything_is_made(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises((ValueError, OSError), match=re.escape(message)):
        execute(replace(Config(out=tmp_path / "run", device="cpu"), **options), growing_batch, report)
    assert not (tmp_path / "run").exists()


def test_the_command_ends_with_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["growing_batch.py", "--out", str(tmp_path / "run"), "--agent", "magic"])
    with pytest.raises(SystemExit, match=r"^2$"):
        main(Config, "", growing_batch, report)
    assert re.fullmatch(r"error: there is no agent 'magic'; choose one of [^\n]*\n", capsys.readouterr().err)
    assert not (tmp_path / "run").exists()


class Content:
    """A scorer that likes everything."""

    fingerprint = "content"

    def score(self, sources: Any, hypotheses: Any) -> Any:
        return np.ones(len(sources), dtype=np.float32)


def test_a_scorer_that_likes_everything_is_named_in_the_report(tiny_task: Task, tmp_path: Path) -> None:
    run = begin(replace(GROWING, arms=("unfiltered",), improve_steps=1, filter_values=(0.2,)), tmp_path / "run",
                tiny_task, Content())  # fmt: skip
    growing_batch(run)
    run.folder.spend(1.0)
    report(run)
    page = (run.folder.path / "results.md").read_text()
    assert "WARNING: every reward is 1: nothing can be learned from the scorer" in page
    text = (run.folder.path / "results.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)["summary"]["shortfall_closed"] is None

"""What surrounds a script's own work: its defaults, its scorer, its time, its errors."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents import PolicyConfig, Seq2SeqPolicy
from experiments import growing_batch
from experiments.growing_batch import Config
from experiments.runs import script
from experiments.runs.experiment import Experiment
from experiments.scorer_training.estimator_config import EstimatorConfig
from seq2seq_env.atomic_files import write_json
from seq2seq_env.scorers import CrossFittedScorer, load_scorer
from seq2seq_env.tasks import Task, load_task
from tests.experiments.tiny_scorer import QUICK


class Half:
    """Scores that say nothing."""

    fingerprint = "half"

    def score(self, sources: Any, hypotheses: Any) -> Any:
        return np.full(len(sources), 0.5, dtype=np.float32)


def no_report(run: Experiment[Config]) -> None:
    """Plots take longer than the work here."""


def run_command(monkeypatch: pytest.MonkeyPatch, work: Any, *options: str) -> None:
    monkeypatch.setattr(sys, "argv", ["growing_batch.py", "--device", "cpu", *options])
    monkeypatch.setattr(script, "load_scorer", lambda *_, **__: Half())
    script.main(Config, "A run.", work, no_report)


def test_the_work_gets_what_the_options_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Experiment[Config]] = []
    run_command(
        monkeypatch, seen.append, "--seed", "7", "--temperature", "0.6", "--out", str(tmp_path / "run"),
        "--task-options", "train_size", "8", "--improve.learning-rate", "0.5",
    )  # fmt: skip
    (run,) = seen
    assert (run.config.seed, run.config.improve.learning_rate, run.config.device) == (7, 0.5, "cpu")
    assert (run.evaluator.seed, run.evaluator.temperature) == (7, 0.6)
    assert len(run.task.split("train")) == 8
    recorded = json.loads((tmp_path / "run" / "config.json").read_text())
    assert recorded["scorer_fingerprint"] == "half"
    assert recorded["task_fingerprint"] == run.task.fingerprint
    assert not {"out", "device", "preset"} & recorded.keys()
    assert run.folder.result("usage")["seconds"] > 0


def test_the_judge_is_recorded_and_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Experiment[Config]] = []
    run_command(monkeypatch, seen.append, "--judge", "half", "--out", str(tmp_path / "run"))
    assert seen[0].folder.config["judge_fingerprint"] == "half"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("seed is -1; give 0 or more"), "error: seed is -1; give 0 or more"),
        (FloatingPointError("the loss is nan; lower the learning rate"), "error: the loss is nan; lower the"),
        (KeyboardInterrupt(), "130"),
    ],
)
def test_what_goes_wrong_is_one_sentence_and_the_time_is_kept(
    error: BaseException, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(run: Experiment[Config]) -> None:
        raise error

    with pytest.raises(SystemExit, match=sentence):
        run_command(monkeypatch, fail, "--out", str(tmp_path / "run"))
    assert json.loads((tmp_path / "run" / "stages" / "usage.json").read_text())["seconds"] > 0


def test_an_error_of_ours_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(run: Experiment[Config]) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_command(monkeypatch, fail, "--out", str(tmp_path / "run"))


def test_other_options_in_the_same_folder_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = ["--out", str(tmp_path / "run")]
    run_command(monkeypatch, no_report, *out)
    with pytest.raises(SystemExit, match=r"error: .* holds a run of another configuration: seed was 0 and is now 1"):
        run_command(monkeypatch, no_report, "--seed", "1", *out)


def test_192_pairs_fit_the_default_options_before_anything_is_trained(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are drawn from where the default is more; what is asked for is refused before a scorer is made."""
    for ending in ("de", "en"):
        train = tmp_path / f"train.{ending}"
        train.write_text("".join(train.read_text().splitlines(keepends=True)[:192]))
    trained: list[Config] = []

    def own_scorer(config: Config, task: Task) -> str:
        trained.append(config)
        return "made"

    monkeypatch.setattr(script, "own_scorer", own_scorer)
    options = ["--task", "text-files", "--out", str(tmp_path / "run"), "--task-options"]
    options += [text for pair in files.items() for text in pair]
    with pytest.raises(SystemExit, match=r"^error: sources is 4000, and there are 192 to draw from 'train'; give 1 to"):
        run_command(monkeypatch, no_report, *options, "--sources", "4000")
    assert not trained
    seen: list[Experiment[Config]] = []
    run_command(monkeypatch, seen.append, *options)
    run_command(monkeypatch, seen.append, *options, "--sources", "None")  # what the default stands for
    assert [run.config.sources for run in seen] == [None, None]
    assert len(seen[0].task.split("train")) == 192


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--judge", "nobody", "there is no scorer 'nobody'"), ("--start", "no/such", "no/such"),
        ("--start", "run-of-other-texts", "has another tokenizer than task 'text-files'"),
        ("--pretrained", "no/such", "no/such"),
    ],
)  # fmt: skip
def test_what_the_run_cannot_do_is_refused_before_its_scorer_is_made(
    files: dict[str, str], option: str, value: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make_scorer(wanted: Any) -> None:
        raise AssertionError("hours later")

    other = load_task("phrasebook-de-en", train_size=8)
    monkeypatch.chdir(tmp_path)
    policy = PolicyConfig(d_model=8, ffn_dim=8, encoder_layers=1, decoder_layers=1, num_heads=2)
    Seq2SeqPolicy.from_config(other.tokenizer, policy.for_task(other), 0).save(
        tmp_path / "run-of-other-texts" / "checkpoints" / "g0i0"
    )
    monkeypatch.setattr(script, "make_scorer", make_scorer)
    arguments = ["--task", "text-files", "--out", "run", "--device", "cpu", option, value, "--estimator.epochs", "3"]
    arguments += ["--task-options", *(text for pair in files.items() for text in pair)]
    for plan in ([], ["--plan"]):
        with pytest.raises(SystemExit, match=message):
            script.main(Config, "A run.", no_report, no_report, arguments=[*arguments, *plan])


def test_a_plan_refuses_the_scorers_that_the_run_refuses(tmp_path: Path) -> None:
    write_json(tmp_path / "report.json", {"agreement": {"samples": {"pairwise": 0.528}}, "unit_tests": {}})
    options = ["--plan", "--device", "cpu", "--task-options", "train_size", "8"]
    for more, message in (
        (["--scorer", f"guarded: {tmp_path}"], r"^error: .* near chance .* with --force-scorer$"),
        (["--estimator.epochs", "3"], "options of --estimator make a scorer, and the run has 'phrasebook-qe'"),
    ):
        with pytest.raises(SystemExit, match=message):
            script.main(Config, "A run.", no_report, no_report, arguments=[*options, *more])


def test_two_text_files_to_a_finished_report(
    files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("validation", "test"):
        for ending in ("de", "en"):
            (tmp_path / f"{name}.{ending}").unlink()
    config = Config(
        estimator=replace(QUICK, repeats=1), force_scorer=True,
        task="text-files", task_options=files | {"held_out": "12"}, policy=QUICK.predictor, supervised=QUICK.training,
        improve=QUICK.training, grow_steps=1, improve_steps=1, sources=20, device="cpu",
        out=tmp_path / "runs" / "mine",
    )  # fmt: skip
    script.execute(config, growing_batch.growing_batch, growing_batch.report)
    assert (config.out / "results.md").is_file()
    assert "one is made of its pairs first" in capsys.readouterr().out
    assert isinstance(load_scorer(tmp_path / "runs" / "mine-scorer"), CrossFittedScorer)
    # The same command again takes the scorer that is there; one of other options is not taken.
    script.execute(config, growing_batch.growing_batch, no_report)
    assert "one is made of its pairs first" not in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"mine-scorer' was made otherwise; name it with --scorer"):
        script.execute(replace(config, seed=1), growing_batch.growing_batch, no_report)


def test_a_scorer_near_chance_is_no_reward_unless_forced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = tmp_path / "scorer"
    scorer.mkdir()
    write_json(scorer / "report.json", {"agreement": {"samples": {"pairwise": 0.528}}, "unit_tests": {}})
    options = ["--scorer", str(scorer), "--task-options", "train_size", "8", "--out", str(tmp_path / "run")]
    with pytest.raises(SystemExit, match=r"^error: .* near chance .* accuracy 0\.528 .* with --force-scorer$"):
        run_command(monkeypatch, no_report, *options)
    assert not (tmp_path / "run").exists()
    run_command(monkeypatch, no_report, "--force-scorer", *options)


def test_a_pretrained_policys_languages_are_none_of_its_scorers(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[Any] = []
    monkeypatch.setattr(script, "make_scorer", wanted.append)
    monkeypatch.setattr(script, "starting_policy", lambda config, task: None)
    languages = {"source_language": "deu_Latn", "target_language": "eng_Latn", "source_prefix": "", "tokenizer": "x"}
    estimator = EstimatorConfig(epochs=3)
    config = Config(
        task="text-files", task_options=files | languages, pretrained="x", out=tmp_path / "run", estimator=estimator
    )
    assert script.own_scorer(config, load_task("text-files", **files)) == str(tmp_path / "run-scorer")
    assert wanted[0].task_options == files
    assert wanted[0].estimator == estimator


def test_the_folder_of_the_shell_may_be_the_runs(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "make_scorer", lambda wanted: None)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    config = Config(task="text-files", task_options=files, out=Path())
    assert script.own_scorer(config, load_task("text-files", **files)) == str(tmp_path / "here-scorer")

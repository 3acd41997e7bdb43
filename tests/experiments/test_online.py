"""Whole runs of online.py: what they leave, how they go on, and what they refuse."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agents import PPO, Agent, Seq2SeqPolicy
from agents.policy.policy_folder import policy_folder
from experiments import compare_agents, growing_batch
from experiments.command_line.parsing import parse
from experiments.online import STAGE, Config, online, report, sources_of
from experiments.runs.experiment import Experiment
from experiments.runs.run_folder import read_lines
from experiments.runs.script import main
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks import Task
from tests.experiments.tiny_experiment import POLICY, TRAINING, begin

ONLINE = Config(
    sources=6,
    candidates=3,
    max_samples=90,
    policy=POLICY,
    supervised=TRAINING,
    improve=replace(
        TRAINING, learning_rate=1e-3, tokens_per_batch=64, max_tokens=10**5, evaluate_every=300, patience=99
    ),
    device="cpu",
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_task: Task, fake_scorer: Scorer) -> Experiment[Config]:
    run = begin(ONLINE, tmp_path_factory.mktemp("online") / "run", tiny_task, fake_scorer)
    online(run)
    run.folder.spend(1.0)
    report(run)
    return run


def results(run: Experiment[Config]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.folder.path / "results.json").read_text())
    return found


def test_the_folder_is_that_of_a_run(finished: Experiment[Config]) -> None:
    steps = results(finished)["steps"]
    assert [(row["grow"], row["improve"], row["split"], row["decode"]) for row in steps] == [
        (g, i, split, decode)
        for g, i in ((0, 0), (1, 1))
        for split, decode in (("validation", "sample"), ("test", "sample"), ("test", "greedy"))
    ]
    last = steps[-1]
    assert last["samples"] == 90
    assert 90 * 4 < last["train_tokens"] < 90 * 4 * 12  # epochs, tokens a sample
    assert 0 < last["data_reward"] < 1
    assert last["threshold"] is None
    path = finished.folder.path
    assert policy_folder(path).name == STAGE
    assert isinstance(Agent.load(path / "checkpoints" / STAGE), PPO)
    assert not list(path.rglob("*.pkl"))
    assert {each.stem for each in (path / "hypotheses").iterdir()} == {"g0i0", STAGE, "equal-entropy"}
    assert len(read_lines(path / "hypotheses" / f"{STAGE}.jsonl")) == finished.task.size("test")
    text = (path / "results.md").read_text()
    assert text.startswith("# ppo on ")
    assert "ReST" not in text
    seconds = results(finished)["summary"]
    assert {"seconds_sampling", "seconds_scoring", "seconds_batching", "seconds_training"} <= seconds.keys()


def test_a_run_goes_on_to_the_same(
    finished: Experiment[Config], tiny_task: Task, fake_scorer: Scorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(ONLINE, tmp_path / "run", tiny_task, fake_scorer)
    reward, calls = type(run.evaluator).validation_reward, []

    def stop(self: Any, policy: Seq2SeqPolicy) -> float:
        if run.folder.has("g0i0"):
            calls.append(policy)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return reward(self, policy)

    monkeypatch.setattr(type(run.evaluator), "validation_reward", stop)
    with pytest.raises(KeyboardInterrupt):
        online(run)
    assert run.folder.training_state(STAGE).is_file()
    monkeypatch.undo()
    again = begin(ONLINE, tmp_path / "run", tiny_task, fake_scorer)
    online(again)
    assert not run.folder.training_state(STAGE).is_file()
    last, whole = (Agent.load(each.folder.checkpoint(STAGE)).policy.fingerprint for each in (again, finished))
    assert last == whole
    online(begin(ONLINE, tmp_path / "run", tiny_task, fake_scorer))  # finished, and nothing is done again


def test_samples_may_be_of_sentences_without_references(monolingual_task: Task) -> None:
    assert len(sources_of(ONLINE, monolingual_task)) == 24
    assert len(sources_of(replace(ONLINE, grow_from="train"), monolingual_task)) == 18


def refusal(config: Any) -> str:
    with pytest.raises(ValueError, match=r"\w") as error:
        config.check()
    return str(error.value)


def test_an_agent_of_the_other_kind_is_refused_with_its_script() -> None:
    for asked in (growing_batch.Config(agent="ppo"), compare_agents.Config(agents=("bc", "ppo"))):
        assert refusal(asked) == (
            "agent 'ppo' learns online, from samples of the policy as it is, and a stored batch is of the policy as it "
            "was; run experiments/online.py --agent ppo"
        )
    assert refusal(Config(agent="bc")) == (
        "agent 'bc' learns from a stored batch, and online training stores none; run experiments/growing_batch.py "
        "--agent bc, or choose one of ppo, rloo, grpo, mad"
    )
    assert "there is no agent 'pppo'" in refusal(Config(agent="pppo"))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--ppo.kl-target", "0"], "kl_target is 0.0, and only the prior itself is so near the prior; give nats above"),
        (["--agent", "rloo", "--candidates", "1"], "agent 'rloo' compares a source's candidates, and candidates is 1"),
        (["--max-samples", "10"], "max_samples is 10, less than one batch of 64 sources with 4 candidates; give 256"),
        (["--sources", "100000000"], "sources is 100000000, and there are"),
        (["--agent", "bc"], "agent 'bc' learns from a stored batch"),
        (["--improve.source-drop", "0.1"], "agent 'ppo' trains without noise on its sources; leave source_drop"),
        (["--filter", "threshold"], "--filter"),
        (["--auto-sources", "5"], "unrecognized options: --auto-sources"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    arguments: Sequence[str], error: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as stopped:
        main(Config, "", online, report, arguments=[*arguments, "--out", str(out), "--device", "cpu"])
    assert error in " ".join(f"{stopped.value.code} {capsys.readouterr().err}".split())
    assert not out.exists()


def test_several_processes_are_refused(
    tiny_task: Task, fake_scorer: Scorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(ONLINE, tmp_path / "run", tiny_task, fake_scorer)
    monkeypatch.setattr("accelerate.PartialState", lambda: SimpleNamespace(num_processes=2))
    with pytest.raises(ValueError, match="online training runs in one process, and there are 2; start it without"):
        online(run)


def test_a_runs_configuration_is_a_file_of_options(finished: Experiment[Config], tmp_path: Path) -> None:
    config = parse(Config, ["--config", str(finished.folder.path / "config.json"), "--device", "cpu"])
    # All that determines the results, which a progress bar does not.
    trainings = {name: replace(getattr(ONLINE, name), progress=True) for name in ("supervised", "improve")}
    assert config == replace(ONLINE, task="tiny", out=config.out, **trainings)
    with pytest.raises(SystemExit):
        parse(Config, ["--config", str(finished.folder.path / "config.json"), "--print-config"])


def test_the_help_has_no_option_of_stored_batches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(Config, ["--help", "--agent", "ppo"])
    shown = capsys.readouterr().out
    assert "--ppo.kl-target" in shown
    assert "--max-samples" in shown
    for name in Config.UNUSED:
        assert f"--{name.replace('_', '-')}" not in shown

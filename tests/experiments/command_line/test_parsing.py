from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agents.bvmpo import BVMPOConfig
from experiments import compare_agents, growing_batch
from experiments.command_line.parsing import parse
from experiments.scorer_training.make_scorer import ScorerConfig
from seq2seq_env.commands import UsageError


def growing(*arguments: str, **options: Any) -> growing_batch.Config:
    return parse(growing_batch.Config, arguments, **options)


def test_options_of_an_agent_are_typed_and_only_those_that_differ_are_kept() -> None:
    usual = str(BVMPOConfig().rho_bar)
    config = growing("--agent", "bvmpo", "--bvmpo.eta", "0.05", "--bvmpo.value-tokens=7", "--bvmpo.rho-bar", usual)
    assert type(config) is growing_batch.Config
    assert config.agent_options == {"bvmpo": {"eta": 0.05, "value_tokens": 7}}
    assert config.options_of("bvmpo")["eta"] == 0.05
    assert config.recorded()["bvmpo"] == {"eta": 0.05, "value_tokens": 7}
    assert growing() == growing_batch.Config()
    config.check()


def test_options_of_several_agents() -> None:
    given = ["--agents", "dpo", "bvmpo", "d3rlpy-cql", "--dpo.beta", "0.2", "--d3rlpy-cql.alpha", "2"]
    assert parse(compare_agents.Config, given).agent_options == {"dpo": {"beta": 0.2}, "d3rlpy-cql": {"alpha": 2.0}}
    # One that is compared by default need not be named.
    assert parse(compare_agents.Config, ["--gold.u", "0.2"]).agent_options == {"gold": {"u": 0.2}}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--agent", "bvmp"], "there is no agent 'bvmp'; .*; did you mean 'bvmpo'"),
        (["--bvmpo.eta", "0.1"], "--bvmpo.eta is an option of agent 'bvmpo'; choose it with --agent"),
        (
            ["--agent", "bvmpo", "--bvmpo.eat", "0.1"],
            "unrecognized options: --bvmpo.eat, 0.1; did you mean --bvmpo.eta",
        ),
        (["--agent", "bvmpo", "--bvmpo.eta", "x"], "--bvmpo.eta: could not convert string to float: 'x'"),
        (["--agent", "bvmpo", "--bvmpo.eta", "0"], "eta is 0.0; give a number above 0"),
        (["--agent-options", "eta", "0.1"], "unrecognized options: --agent-options"),
        (["--config"], "argument --config: expected one argument"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        growing(*arguments)


def test_a_file_stands_behind_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("agent: bvmpo\nseed: 3\ngrow_steps: 1\nbvmpo: {eta: 0.05}\nimprove: {learning_rate: 1e-3}\n")
    config = growing("--config", str(file), "--seed", "4")
    assert (config.seed, config.grow_steps, config.improve.learning_rate) == (4, 1, 1e-3)
    assert config.agent_options == {"bvmpo": {"eta": 0.05}}
    with pytest.raises(SystemExit, match=r"^0$"):
        growing("--config", str(file), "--seed", "4", "--print-config")
    file.write_text(capsys.readouterr().out)
    assert growing("--config", str(file)) == config
    file.write_text("agent: bc\nbvmpo: {eta: 0.05}\n")
    with pytest.raises(UsageError, match=r"--bvmpo.eta is an option of agent 'bvmpo'"):
        growing("--config", str(file))
    file.write_text("grow_steps: two\n")
    with pytest.raises(UsageError, match=r"error parsing --grow-steps: .*'two'"):
        growing("--config", str(file))


def test_the_record_of_a_run_gives_its_options_again(tmp_path: Path) -> None:
    import json

    config = growing("--agent", "bvmpo", "--bvmpo.eta", "0.05", "--filter-values", "0.1", "0.2", "0.3")
    record = config.recorded() | {"task_fingerprint": "ab", "scorer_fingerprint": "cd"}
    (tmp_path / "config.json").write_text(json.dumps(record))
    assert growing("--config", str(tmp_path / "config.json")) == config


def shown(capsys: pytest.CaptureFixture[str], *arguments: str, **options: Any) -> str:
    with pytest.raises(SystemExit, match=r"^0$"):
        growing(*arguments, prog="rest run", **options)
    return capsys.readouterr().out


def test_the_short_help_has_what_is_used_most(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    short = shown(capsys, "--help", description="A run.\n\nAnd more.", most_used=["seed", "filter"])
    assert "all of them: rest run --help-all" in short
    assert "And more" not in short
    assert [option for option in ("--seed", "--filter", "--config", "--candidates", "--lora") if option in short] == [
        "--seed", "--filter", "--config",
    ]  # fmt: skip
    assert "Filter of what an Improve step keeps. (default: auto)" in " ".join(short.split())
    whole = shown(capsys, "--help-all", most_used=["seed", "filter"])
    assert {"--candidates", "--lora.rank"} <= set(whole.split())
    assert shown(capsys, "--help").split()[5:] == whole.split()[5:]
    assert "Temperature of the advantages" in shown(capsys, "--agent", "bvmpo", "--help-all", most_used=["seed"])
    assert "--bvmpo.eta FLOAT" in shown(capsys, "--agent", "bvmpo", "--help", most_used=["seed"])


def test_other_configurations_have_no_agents() -> None:
    assert parse(ScorerConfig, ["--estimator.folds", "3"]).estimator.folds == 3
    with pytest.raises(UsageError, match=r"unrecognized options: --bvmpo.eta"):
        parse(ScorerConfig, ["--bvmpo.eta", "3"])

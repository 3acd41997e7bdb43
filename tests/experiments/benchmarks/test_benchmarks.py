"""Every benchmark runs through with ``--tiny``, and says in one sentence what baseline is not there."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path

import pytest

from experiments.benchmarks.planted_holes import __main__ as planted_holes
from seq2seq_env.atomic_files import read_json
from seq2seq_env.models import low_precision


def run(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """What a benchmark prints."""
    monkeypatch.setattr(sys, "argv", [name, "--tiny", *options])
    import_module(f"experiments.benchmarks.{name}").main()
    return capsys.readouterr().out


def rows(table: str) -> dict[str, list[float]]:
    """The first number of each cell, by the name in the first column."""
    found = {}
    for line in table.splitlines():
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        numbers = [re.match(r"[-+]?[\d,.]+(e\+\d+)?", cell) for cell in cells]
        if cells and all(numbers):
            found[name] = [float(number[0].replace(",", "")) for number in numbers if number]
    return found


def test_the_oracle(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shown = run("oracle_speed", monkeypatch, capsys)
    rates = {name: float(rate.replace(",", "")) for name, rate in re.findall(r"(\w+): +([\d,]+) hypotheses", shown)}
    assert list(rates) == ["cold", "prepared", "seen"]
    assert rates["cold"] < rates["seen"]


def test_the_environment(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shown = run("environment_speed", monkeypatch, capsys, "--seed", "1")
    table = rows(shown)
    assert list(table) == [
        "scalar", "native vector", "SyncVectorEnv", "native vector / SyncVectorEnv (target 50x)", "benchmark_step",
        "benchmark_vector_step, 2 in a vector",
    ]  # fmt: skip
    assert all(rate > 0 for rates in table.values() for rate in rates)
    assert re.search(r"4 scorer calls for one episode each, over one call for all, .*: [\d.]+x, [\d.]+x", shown)
    assert re.search(r"share of a rollout, 2 episodes of \d+ tokens by a policy of \d\.\d million .*: \d+\.\d%", shown)


def test_a_baseline_that_is_not_there_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"^error: no rl4lms/envs/text_generation/env\.py in .*; clone RL4LMs there$"):
        run("environment_speed", monkeypatch, capsys, "--baseline", str(tmp_path))
    with pytest.raises(
        SystemExit, match=r"^error: JoeyNMT needs the Python of an environment .*; there is no .*python'$"
    ):
        run("training_speed", monkeypatch, capsys, "--joeynmt", str(tmp_path / "python"))


def test_precision(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    table = rows(run("precision_curves", monkeypatch, capsys))
    assert list(table) == ["300", "600", "validation"]
    for fp32, bf16, difference in table.values():
        assert bf16 - fp32 == pytest.approx(difference, abs=1e-3)
    assert table["600"][0] < table["300"][0]


def test_sampling(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ctranslate2")
    monkeypatch.setattr(low_precision, "has_bf16", lambda device: False)
    shown = run("sampling_speed", monkeypatch, capsys, "--cpu-time")
    assert re.search(r"by_generate in batches of [24] sources, of 2, 4", shown)
    names = re.findall(r"(?m)^\| ([^|]+) \| [\d.,e+]+ \(", shown)
    assert names == [
        "generate", "ours, engine transformers", "ours, engine transformers, int8", "ours, engine ctranslate2, int8",
        "ours, engine ctranslate2", "CTranslate2 by itself", "a Grow step of ours",
    ]  # fmt: skip
    assert re.search(r"^transformers int8: sampler KL ", shown, re.MULTILINE)


def test_the_precision_of_a_scorer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(low_precision, "has_bf16", lambda device: False)
    table = rows(run("scorer_precision", monkeypatch, capsys))
    assert list(table) == ["float32", "bfloat16, emulated", "int8"]
    assert 0 < table["bfloat16, emulated"][2] < table["int8"][2] < 0.2


def test_training(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shown = run("training_speed", monkeypatch, capsys)
    table = rows(shown)
    assert table["ours"][1] == 1.0
    assert all(rate > 0 for rate, *_ in table.values())
    assert len(table) == 3
    assert "12 pairs, " in shown


def test_training_in_processes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    table = rows(run("training_processes", monkeypatch, capsys))
    assert list(table) == ["one process"]
    assert table["one process"][0] == table["one process"][4] == 1.0


def test_online_rl(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shown = run("online_speed", monkeypatch, capsys)
    table = rows(shown)
    assert len(table) == 4
    assert table["on generate, whole loop"][-1] == table["on generate, sampling and scoring"][-1] == 1.0
    assert all(rate > 0 for rate, *_ in table.values())
    assert "8 samples, 1 epochs" in shown


def test_updates(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    table = rows(run("update_speed", monkeypatch, capsys, "--agents", "oac"))
    assert table.keys() == {"filtered-bc", "oac"}
    assert table["filtered-bc"][1::2] == [1.0, 1.0]


def test_the_size_of_a_buffer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shown = run("buffer_scale", monkeypatch, capsys)
    assert re.search(r"^1,000 trajectories, [\d,]+ tokens, 4 files, ", shown)
    table = rows(shown)
    assert {"append s", "plain h5py s", "sequential, share of plain h5py"} <= table.keys()
    assert all(value > 0 for (value,) in table.values())


def test_other_buffers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("minari")
    shown = run("buffer_baselines", monkeypatch, capsys, "--baselines", "minari")
    assert "1,000 episodes; minari " in shown
    table = rows(shown)
    assert len(table) > 5
    assert all(theirs > 0 and ours > 0 for theirs, ours, _ in table.values())


def test_grow_at_rising_sizes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shown = run("grow_scaling", monkeypatch, capsys, "--samples", "8")
    assert re.search(r"(?m)^\| 8 \| ", shown)


def test_the_limits(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shown = run("limits", monkeypatch, capsys)
    peaks, stages, shares = (rows(part) for part in shown.split("\n\n"))
    assert {"matrix product fp32, 1 thread", "stream, 2 threads"} <= peaks.keys()
    assert [name.partition(",")[0] for name in stages] == ["batching", "training", "sampling", "scoring"]
    assert stages.keys() == shares.keys()
    for name, (flop, rate, *_) in stages.items():
        assert rate > 0
        assert (flop > 0) == (name != "batching")


def test_planted_holes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    options = ("--arms", "plain", "--out", str(tmp_path))
    shown = run("planted_holes.__main__", monkeypatch, capsys, *options)
    assert "1 of 1 runs." in shown
    assert re.search(r"(?m)^\| plain \| universal \| 1 \| ", shown)
    (record,) = read_json(tmp_path / "planted_holes.json")["runs"]
    assert (record["arm"], record["hole"], list(record["oracle"])) == ("plain", "universal", ["g0i0", "g1i1"])
    # Finished runs are read, not trained, and give the same.
    monkeypatch.setattr(planted_holes, "rest", lambda *_: pytest.fail("trained again"))
    assert run("planted_holes.__main__", monkeypatch, capsys, *options) == shown
    for wrong, said in (
        (("--seeds", "0"), "seeds is 0; give 1 or more"),
        (("--habit-share", "2"), "habit_share is 2.0; give a share above 0"),
        (("--start", str(tmp_path)), "no supervised policy in .*; name runs of growing_batch.py"),
    ):
        with pytest.raises(SystemExit, match=f"^error: {said}"):
            run("planted_holes.__main__", monkeypatch, capsys, *wrong)

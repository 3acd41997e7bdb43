"""``rest benchmark check`` and ``rest benchmark table``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.cli import benchmark
from experiments.cli.benchmark import published_rules
from experiments.datasets.recipes import DATASETS
from experiments.reports.benchmark_results import counts
from tests.experiments.reports.benchmark_files import RULES, record


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[object, str, str]:
    try:
        code: object = benchmark.main(list(map(str, arguments)))
    except SystemExit as end:
        code = end.code
    return code, *capsys.readouterr()


def test_files_are_checked_one_by_one_and_together_and_make_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "published_rules", lambda: RULES)
    one, other, short = (tmp_path / f"{name}.json" for name in ("one", "other", "short"))
    one.write_text(json.dumps(record()))
    other.write_text(json.dumps(record("filtered-bc")))
    lacking = record()
    lacking["cells"][0]["runs"].pop()
    short.write_text(json.dumps(lacking))
    code, shown, _ = call(capsys, "check", one, other)
    assert code == 0
    assert shown.splitlines() == [
        f"{one}: 1 agent, 1 data set, 2 runs: it keeps to the rules",
        f"{other}: 1 agent, 1 data set, 2 runs: it keeps to the rules",
        "together: 2 agents, 1 data set, 4 runs",
    ]
    again = tmp_path / "again.json"
    again.write_text(json.dumps(record(greedy=0.9)))
    left_out = (
        f"{again}: left out, as a file before has the same: bc (2 runs); their greedy true quality differs by 0.1"
    )
    assert left_out in call(capsys, "check", one, again)[1]
    code, shown, _ = call(capsys, "check", short, tmp_path / "none.json")
    assert code == 1
    assert "lacks seed 1 of 2" in shown
    assert "none.json" in shown
    written = list[tuple[str, Path]]()
    monkeypatch.setattr(
        "experiments.reports.benchmark_report.write_benchmark", lambda whole, out: written.append((counts(whole), out))
    )
    code, shown, _ = call(capsys, "table", one, other, again, "--out", tmp_path / "table")
    assert code == 0
    assert left_out in shown
    assert written == [("2 agents, 1 data set, 4 runs", tmp_path / "table")]
    monkeypatch.setattr("experiments.datasets.results.PUBLISHED", tmp_path / "published.json")
    for file, is_published in ((short, False), (one, True)):
        (tmp_path / "table").mkdir(exist_ok=True)
        (tmp_path / "table/benchmark.json").write_text(file.read_text())
        code, _, error = call(capsys, "table", file, "--out", tmp_path / "table", "--publish")
        assert (code == 0, (tmp_path / "published.json").exists()) == (is_published, is_published)
        assert ("is not published, as it breaks the rules in 1 place" in f"{code}{error}") != is_published
    code, _, error = call(capsys, "check")
    assert code == 2
    assert error == "error: files is empty; name at least one benchmark.json\n"


def test_the_published_rules_are_the_defaults_and_the_published_texts() -> None:
    rules = published_rules()
    assert rules.seeds == 5
    assert rules.config["improve"]["max_tokens"] == 90_000
    assert rules.contents.keys() == {name.rpartition("/")[2] for name in DATASETS}

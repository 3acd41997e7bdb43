from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.cli.text_lines import System, check_aligned, read_system, read_text


def test_a_file_of_lines_and_json_lines_are_systems(tmp_path: Path) -> None:
    (tmp_path / "a.en").write_text("one\n\nthree\u2028\n", "utf-8")
    assert read_system(tmp_path / "a.en") == System(str(tmp_path / "a.en"), ["one", "", "three\u2028"])
    rows = [{"source": "eins", "reference": "one", "greedy": "One", "sample": "wan", "greedy_reward": 0.5}]
    path = tmp_path / "b.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_system(path) == System(f"{path} (greedy)", ["One"], ["eins"], ["one"])
    assert read_system(path, "sample").hypotheses == ["wan"]
    path.write_text('{"hypothesis": "one"}\n')
    assert read_system(path) == System(f"{path} (hypothesis)", ["one"])


@pytest.mark.parametrize(
    ("name", "text", "column", "message"),
    [
        ("a.jsonl", '{"greedy": "x"}\n{}\n', None, r"line 2 of '.*' has no text 'greedy'; its columns are $"),
        ("a.jsonl", '{"greedy": 1}\n', "greedy", r"line 1 of '.*' has no text 'greedy'; its columns are greedy"),
        ("a.jsonl", "[1]\n", None, "line 1 of '.*' is no JSON object"),
        ("a.txt", "x\n", "greedy", "has no columns; leave --column out"),
        ("a.txt", "", None, "there is no line in"),
    ],
)
def test_what_is_no_system_is_refused(name: str, text: str, column: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        read_system(tmp_path / name, column)


def test_files_of_different_lengths_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1\n2\n")
    check_aligned({"a": read_text(tmp_path / "a"), "b": ["", ""]})
    with pytest.raises(ValueError, match="numbers of lines: sources 2, hypotheses 1; give one line for each"):
        check_aligned({"sources": ["", ""], "hypotheses": [""]})

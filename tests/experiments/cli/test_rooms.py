"""``rest buffer``: its commands take their options from a file as all others do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from buffers import Provenance, Trajectories, from_jsonl
from buffers.growing_batch import GrowingBatchBuffer
from experiments.cli.console import main
from experiments.cli.rooms import BUFFER_COMMANDS
from tests.buffers.conftest import provenance, trajectories

__all__ = ["provenance", "trajectories"]  # fixtures


@pytest.fixture
def folder(tmp_path: Path, trajectories: Trajectories, provenance: Provenance) -> Path:
    GrowingBatchBuffer(tmp_path / "buffer").append(trajectories, provenance)
    return tmp_path / "buffer"


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[object, str, str]:
    with pytest.raises(SystemExit) as end:
        main(list(map(str, arguments)))
    return end.value.code, *capsys.readouterr()


@pytest.mark.parametrize("name", BUFFER_COMMANDS)
def test_every_buffer_command_prints_the_options_that_it_takes(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    needed = {
        "rescore": ["--scorer", "x"],
        "export": ["--to", "jsonl", "--out", "x.jsonl"],
        "import": ["--from", "trl", "--out", "x", "--reward-range", "-1", "1"],
    }.get(name, [])
    code, text, _ = call(capsys, "buffer", name, folder, *needed, "--json", "--print-config")
    assert code == 0
    (folder.parent / "options.yaml").write_text(text)
    again = call(capsys, "buffer", name, folder, "--config", folder.parent / "options.yaml", "--print-config")
    assert again == (0, text, "")
    assert "json: true" in text


def test_options_of_a_file_stand_behind_those_of_the_command_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A list that ends the file takes in no folder that follows it."""
    options = folder.parent / "options.yaml"
    options.write_text(f"to: jsonl\njson: true\nout: {folder.parent / 'one.jsonl'}\ntask_options: {{folder: data}}\n")
    for out in ("two.jsonl", None):
        changed = ["--out", folder.parent / out] if out else []
        code, shown, complained = call(capsys, "buffer", "export", folder, "--config", options, *changed)
        assert (code, complained) == (0, "")
        place = folder.parent / (out or "one.jsonl")
        assert json.loads(shown)["path"] == str(place)
        assert len(from_jsonl(place)) == json.loads(shown)["trajectories"] > 0


def test_a_key_that_is_no_option_is_a_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder.parent / "options.yaml").write_text("untrustd: true\n")
    code, shown, complained = call(capsys, "buffer", "verify", folder, "--config", folder.parent / "options.yaml")
    assert (code, shown) == (2, "")
    assert complained.endswith("has 'untrustd', which is no option; did you mean 'untrusted'?\n")


def test_commands_of_a_buffer_have_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, shown, _ = call(capsys, "buffer", "verify", "--help")
    assert (code, shown.partition("\n")[0][:27]) == (0, "usage: rest buffer verify [")
    assert call(capsys, "buffer")[0] == 2

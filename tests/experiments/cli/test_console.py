from __future__ import annotations

import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from experiments.cli.console import COMMANDS, main

ROOT = Path(__file__).parents[3]


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[object, str, str]:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code, *capsys.readouterr()


def test_the_installed_script_is_this_one() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    module, _, function = scripts["rest"].partition(":")
    assert scripts.keys() == {"rest"}
    assert getattr(import_module(module), function) is main


def test_every_command_is_there() -> None:
    for place, _ in COMMANDS.values():
        module, _, function = place.partition(":")
        assert callable(getattr(import_module(f"experiments.cli.{module}"), function))


def test_the_help_is_one_screen_and_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, shown, _ = call(capsys, "--help")
    assert code == 0
    assert len(shown.splitlines()) <= 40
    assert all(f"\n  {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_help_fits_the_screen(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, shown, _ = call(capsys, name, "--help")
    assert (code, shown.partition("\n")[0][: len(f"usage: rest {name} ")]) == (0, f"usage: rest {name} ")
    assert len(shown.splitlines()) <= 60


def test_the_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    code, shown, _ = call(capsys, "--version")
    assert (code, shown.partition(" ")[0].partition(",")[0]) == (0, "seq2seq-env")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "error: there is no command; choose one of run, compare"),
        (["rnu"], "error: there is no command 'rnu'; choose one of run, .*; did you mean 'run'"),
        (["run", "--agent", "glod"], "error: there is no agent 'glod'; .* did you mean 'gold'"),
        (["run", "--sede", "1"], "error: unrecognized options: --sede, 1; did you mean --seed"),
        (["buffer", "export", "x"], "error: missing from rest buffer export: --to .*"),
        (["buffer", "inof"], "error: there is no command 'inof'; .* did you mean 'info'"),
        (["list", "agentz"], "error: invalid choice 'agentz' .*; did you mean 'agents'"),
        (["score", "--scorer", "x"], "error: .*--sources"),
        (["evaluate"], "error: there are 0 systems; name one file"),
    ],
)
def test_a_command_line_that_cannot_be_meant_ends_with_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import re

    code, shown, complained = call(capsys, *arguments)
    assert (code, shown) == (2, "")
    assert re.match(said, complained), complained
    assert complained.count("\n") == 1


def test_any_other_failure_ends_with_a_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for arguments in (["buffer", "info"], ["translate", "x", "--policy"]):
        code, _, _ = call(capsys, *arguments, str(tmp_path / "none"))
        assert isinstance(code, str)  # which Python prints, to exit with 1
        assert code.startswith("error: ")

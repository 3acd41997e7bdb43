from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
import tyro

from experiments.command_line.refusals import parser_errors, usage_errors
from seq2seq_env.commands import UsageError, command_frame


@dataclass
class Options:
    """Some."""

    steps: int = 1
    """Number of them."""
    kind: Literal["bc", "gold"] = "bc"
    """Which."""

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"steps is {self.steps}; give 0 or more")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--stpes", "3"], "unrecognized options: --stpes, 3; did you mean --steps?; see rest some --help"),
        (["--steps", "x"], "error parsing --steps: invalid literal for int() with base 10: 'x'; see rest some --help"),
        (["--steps", "-3"], "steps is -3; give 0 or more; see rest some --help"),
        (["--steps"], "missing value for argument '--steps'. Expected 1 values; see rest some --help"),
        (["--kind", "glod"], "invalid choice 'glod' for argument '--kind'. Expected one of ('bc', 'gold'); did you "
         "mean 'gold'?; see rest some --help"),
    ],
)  # fmt: skip
def test_what_the_parser_says_in_a_box_is_a_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError) as error, parser_errors():
        tyro.cli(Options, prog="rest some", args=arguments)
    assert str(error.value) == said
    assert capsys.readouterr() == ("", "")


def test_help_passes() -> None:
    with pytest.raises(SystemExit, match=r"^0$"), parser_errors():
        tyro.cli(Options, args=["--help"])


@pytest.mark.parametrize(
    ("error", "code"),
    [(UsageError("no"), 2), (ValueError("no"), "error: no"), (OSError("no"), "error: no"), (KeyboardInterrupt(), 130)],
)
def test_a_users_mistake_is_an_exit_code_and_a_sentence(
    error: BaseException, code: int | str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end, command_frame():
        raise error
    assert end.value.code == code
    printed: dict[int | str, str] = {2: "error: no\n", 130: "stopped\n"}
    assert capsys.readouterr().err == printed.get(code, "")


def test_an_error_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), command_frame():
        raise ZeroDivisionError


def test_what_is_refused_before_any_work_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"no number"), usage_errors():
        raise TypeError("no number")

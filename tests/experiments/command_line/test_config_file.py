from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest
import tyro
import yaml

from experiments.command_line.config_file import file_arguments, file_text


@dataclass(frozen=True)
class Inner:
    """Nested."""

    rate: float = 0.1
    show_bar: bool = True


@dataclass(frozen=True)
class Options:
    """All kinds."""

    steps: Annotated[int, "shown otherwise"] = 1
    name: str | None = None
    values: tuple[float, ...] = ()
    quiet: bool = False
    task_options: dict[str, str] = field(default_factory=dict)
    inner: Inner = field(default_factory=Inner)
    out: Path = Path("runs")
    rest: tyro.conf.Positional[tuple[str, ...]] = ()
    beam: tyro.conf.OmitArgPrefixes[Inner] = field(default_factory=Inner)
    agent_options: dict[str, dict[str, Any]] = field(default_factory=dict)


def read(folder: Path, text: str) -> list[str]:
    (folder / "run.yaml").write_text(text, "utf-8")
    return file_arguments(folder / "run.yaml", Options, ["bvmpo"])


def test_a_mapping_becomes_arguments(tmp_path: Path) -> None:
    text = """
steps: 3
name: -dash
values: [0.5, 1e-3]
quiet: true
task-options: {lowercase: yes, folder: data}
inner: {rate: 0.2, show-bar: false}
beam: {rate: 0.3}
bvmpo: {value_tokens: 5, eta: 0.05}
"""
    assert read(tmp_path, text) == [
        "--steps=3", "--name=-dash", "--values", "0.5", "1e-3", "--quiet", "--task-options", "lowercase", "yes",
        "folder", "data", "--inner.rate=0.2", "--inner.no-show-bar", "--rate=0.3",
        "--bvmpo.value-tokens=5", "--bvmpo.eta=0.05",
    ]  # fmt: skip


def test_the_record_of_a_run_is_taken_without_its_facts(tmp_path: Path) -> None:
    record: dict[str, Any] = {
        "steps": 2,
        "name": None,
        "task_fingerprint": "ab",
        "scorer_fingerprint": "cd",
        "values": [],
    }
    assert read(tmp_path, json.dumps(record)) == ["--steps=2", "--name=None", "--values"]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    own = {"bvmpo": {"eta": 0.1}}
    config = Options(2, None, (0.5,), False, {"a": "b"}, Inner(), Path("x"), ("one",), Inner(), own)
    assert yaml.safe_load(file_text(config)) == {
        "steps": 2, "name": None, "values": [0.5], "quiet": False, "task_options": {"a": "b"},
        "inner": {"rate": 0.1, "show_bar": True}, "out": "x", "beam": {"rate": 0.1, "show_bar": True},
        "bvmpo": {"eta": 0.1},
    }  # fmt: skip
    assert "--bvmpo.eta=0.1" in read(tmp_path, file_text(config))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stesp: 1", r"run.yaml' has 'stesp', which is no option; did you mean 'steps'\?"),
        ("inner: {raet: 1}", r"run.yaml' has 'inner.raet', which is no option; did you mean 'inner.rate'\?"),
        ("agent_options: {}", "has 'agent_options', which is no option"),
        ("rest: [one]", "has 'rest', which is no option"),
        ("gold: {u: 1}", "has 'gold', which is no option$"),
        ("inner: 3", "inner in '.*' is 3; give a mapping of its options"),
        ("steps: {a: 1}", "steps in '.*' is {'a': 1}; give a value"),
        ("quiet: 3", "quiet in '.*' is 3; give true or false"),
        ("bvmpo: 3", "bvmpo in '.*' is 3; give a mapping of its options"),
        ("- steps", "holds no mapping; write options and their values, such as seed: 1"),
        ("", "holds no mapping"),
        ("a: [", r"is no YAML \(while parsing .*\); mend it"),
        ("!!python/object/apply:os.getcwd []", "is no YAML"),
    ],
)
def test_what_is_no_option_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message) as error:
        read(tmp_path, text)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--config '.*none' cannot be read .*; name a file of options"):
        file_arguments(tmp_path / "none", Options, [])

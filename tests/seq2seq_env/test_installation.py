from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from seq2seq_env import installation

ROOT = Path(__file__).parent.parent.parent


def python(*arguments: str, first_on_path: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(first_on_path)}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, env=environment, cwd=first_on_path
    )


@pytest.fixture
def folder_with_agents(tmp_path: Path) -> Path:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "__init__.py").write_text("class Runner: ...")
    return tmp_path


def test_our_own_packages_pass() -> None:
    installation.check_packages(*installation.PACKAGES)


def test_a_script_says_whose_agents_it_found(folder_with_agents: Path) -> None:
    result = python("-m", "experiments.growing_batch", "--help", first_on_path=folder_with_agents)
    foreign = str(folder_with_agents / "agents" / "__init__.py")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        f"ImportError: {foreign!r} is found where seq2seq-env's package 'agents' should be; start Python from another "
        "folder, or rename that one"
    )


def test_the_environment_does_without_the_others(folder_with_agents: Path) -> None:
    result = python("-W", "error", "-c", "import seq2seq_env", first_on_path=folder_with_agents)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_package_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImportError, match="package 'nowhere_to_be_found' is not there; install seq2seq-env again"):
        installation.check_packages("nowhere_to_be_found")


def test_files_that_another_distribution_wrote_over_ours(
    folder_with_agents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "_ROOT", folder_with_agents)
    monkeypatch.setattr(installation, "PACKAGES", ("agents",))
    monkeypatch.setattr(installation, "_file_of", lambda name: folder_with_agents / name / "__init__.py")
    monkeypatch.setattr(
        installation, "packages_distributions", lambda: {"agents": ["openai-agents", "seq2seq-env", "openai-agents"]}
    )
    with pytest.warns(RuntimeWarning, match="^openai-agents wrote its package 'agents' over seq2seq-env's"):
        installation.warn_of_overwritten_packages()
    with pytest.raises(ImportError, match=r"install seq2seq-env in an environment without openai-agents$"):
        installation.check_packages("agents")


def test_a_library_outside_the_tested_versions_is_named_with_both(monkeypatch: pytest.MonkeyPatch) -> None:
    versions: dict[str, Any] = {"seq2seq-env": "0.1.0", "good": "2.1rc1", "new": "3.0"}

    def version(name: str) -> str:
        if name not in versions:
            raise PackageNotFoundError(name)
        return str(versions[name])

    monkeypatch.setattr(installation, "version", version)
    asked = ["good>=2,<3", "new>=2,<3; extra == 'x'", "absent>=1"]
    monkeypatch.setattr(installation, "requires", lambda name: asked)
    with pytest.warns(RuntimeWarning) as caught:
        installation.warn_of_untested_versions()
    assert [str(warning.message) for warning in caught] == [
        "new 3.0 is installed, and seq2seq-env 0.1.0 was tested with new <3,>=2; install one of those versions"
    ]


def test_nothing_is_said_where_the_source_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "DISTRIBUTION", "nowhere-to-be-found")
    installation.warn_of_untested_versions()


@pytest.mark.parametrize("name", ["seq2seq_env", *installation.PACKAGES])
def test_each_package_carries_the_mark_it_is_known_by(name: str) -> None:
    assert installation.DISTRIBUTION in (ROOT / name / "__init__.py").read_text("utf-8")
    assert (ROOT / name / "py.typed").is_file()

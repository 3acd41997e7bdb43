from __future__ import annotations

from pathlib import Path

import pytest

from experiments.cli.dataset import main
from experiments.datasets.recipes import DATASETS
from tests.experiments.datasets.conftest import NAME, as_published, dataset, policies

__all__ = ["as_published", "dataset", "policies"]  # fixtures


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[object, str, str]:
    try:
        code: object = main(list(map(str, arguments)))
    except SystemExit as end:
        code = end.code
    return code, *capsys.readouterr()


def test_every_data_set_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, shown, _ = call(capsys, "list")
    assert code == 0
    assert [line.split()[0] for line in shown.splitlines()] == list(DATASETS)


def test_a_process_that_does_not_write_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("experiments.datasets.making.make", lambda *_, **__: None)
    assert call(capsys, "make", NAME)[:2] == (0, "")


def test_a_data_set_is_copied_checked_and_refused(
    as_published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "copy"
    for arguments in (("download", NAME, "--source", as_published, "--out", out), ("make", NAME, "--out", out),
                      ("check", out)):  # fmt: skip
        code, shown, _ = call(capsys, *arguments)
        assert (code, shown.partition("\n")[0]) == (0, f"{out}: {NAME}: the published data set, byte for byte")
    shard = out / "g001-s00000.h5"
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    code, _, _ = call(capsys, "check", out)
    assert isinstance(code, str)
    assert "it was changed" in code
    assert call(capsys, "mak")[0] == 2

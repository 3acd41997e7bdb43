"""Both campaigns run through with ``--tiny``, and end well."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from buffers.storage.sandbox import Sandbox
from tests.fault_injection import crash_campaign, fuzz_shards
from tests.fault_injection.hostile_shards import HARMED
from tests.fault_injection.shard_originals import originals


def test_a_campaign_of_kills(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["crash_campaign", "--tiny"])
    with pytest.raises(SystemExit) as end:
        crash_campaign.main()
    assert end.value.code == 0
    assert len(re.findall(r"1 of 1 byte-identical after \d kills", capsys.readouterr().out)) > 1


def test_a_campaign_of_hostile_files(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["fuzz_shards", "--tiny"])
    with pytest.raises(SystemExit) as end:
        fuzz_shards.main()
    assert end.value.code == 0
    assert "30 cases in " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("by_the_sandbox", "outcome"),
    [
        ("refused", "refused"),
        (HARMED, HARMED),
        ("accepted", "accepted in the sandbox, not in a process that reads cases"),
    ],
)
def test_a_case_that_ended_its_reader_fails_where_the_sandbox_accepts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_the_sandbox: str, outcome: str
) -> None:
    monkeypatch.setattr(fuzz_shards, "exercise", lambda *_: by_the_sandbox)
    result = fuzz_shards._by_itself(fuzz_shards.Config(), originals(["one"]), 7, tmp_path, Sandbox())
    assert (result.number, result.outcome) == (7, outcome)

"""Both campaigns run through with ``--tiny``, and end well."""

from __future__ import annotations

import re
import sys

import pytest

from tests.fault_injection import crash_campaign, fuzz_shards


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

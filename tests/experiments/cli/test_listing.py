from __future__ import annotations

import json
from typing import get_args

import pytest

from agents import AGENTS
from experiments.cli.listing import LISTS, What, main
from experiments.runs.presets import PRESETS
from experiments.runs.recipes import RECIPES
from seq2seq_env.tasks.phrasebook.regimes import REGIMES


def test_everything_with_a_name_is_listed_with_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--json"])
    lists = json.loads(capsys.readouterr().out)
    assert list(lists) == list(get_args(What)) == list(LISTS)
    for what, names in (("agents", AGENTS), ("presets", PRESETS), ("recipes", RECIPES), ("regimes", REGIMES)):
        assert list(lists[what]) == list(names)
    assert all(text and "\n" not in text for each in lists.values() for text in each.values())


def test_only_what_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    main(["tasks"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tasks:"
    assert [line.split()[0] for line in lines[1:]] == ["phrasebook-de-en", "arithmetic", "text-files", "hub"]

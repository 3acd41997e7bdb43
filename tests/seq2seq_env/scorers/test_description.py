"""Descriptions of scorers made of others, scorer.json."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from seq2seq_env.scorers import (
    EnsembleScorer,
    NormalisedScorer,
    load_scorer,
)  # fmt: skip


def describe(folder: Path, **record: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "scorer.json").write_text(json.dumps(record))
    return folder


def test_a_description_names_folders_from_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = describe(tmp_path / "inner", kind="normalised", scorer="phrasebook-qe", knots=[[0, 0.0], [0.5, 1]])
    outer = describe(tmp_path / "outer", kind="ensemble", scorers=["../inner", "phrasebook-qe"], weights=[0.9, 0.1])
    monkeypatch.chdir(inner)
    scorer = load_scorer("../outer")
    assert isinstance(scorer, EnsembleScorer)
    assert isinstance(scorer.scorers[0], NormalisedScorer)
    moved = shutil.copytree(tmp_path, tmp_path.parent / f"{tmp_path.name}-moved")
    assert load_scorer(moved / "outer").fingerprint == scorer.fingerprint == load_scorer(outer).fingerprint
    describe(moved / "inner", kind="normalised", scorer="phrasebook-qe", knots=[[0, 0.0], [0.6, 1]])
    assert load_scorer(moved / "outer").fingerprint != scorer.fingerprint


def test_scorers_that_lead_back_to_themselves_are_refused(tmp_path: Path) -> None:
    one = describe(tmp_path / "one", kind="ensemble", scorers=["../two", "phrasebook-qe"])
    describe(tmp_path / "two", kind="normalised", scorer="ensemble: ../one", knots=[[0, 0], [1, 1]])
    with pytest.raises(ValueError, match=r"scorer.json in .*two' leads back to .*one'; a scorer cannot be made of its"):
        load_scorer(one)
    own = describe(tmp_path / "own", kind="normalised", scorer=".", knots=[[0, 0], [1, 1]])
    with pytest.raises(ValueError, match=r"own' leads back to .*own'"):
        load_scorer(own)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"scorer.json in .* is no JSON .*; write it again"),
        ("[1]", "is of no known kind; write kind as one of normalised, ensemble"),
        ('{"kind": "median", "scorers": []}', "is of no known kind"),
        ('{"kind": "normalised", "scorer": "phrasebook-qe"}', "lacks knots; add it"),
        ('{"kind": "ensemble", "scorers": [], "knots": []}', "has knots, which no scorer of its kind has; take it out"),
        ('{"kind": "ensemble", "scorers": [1]}', "names a scorer by something else than text"),
        ('{"kind": "ensemble", "scorers": "phrasebook-qe"}', "names a scorer by something else than text"),
        ('{"kind": "ensemble", "scorers": []}', "scorer.json in .*: an ensemble has at least 1 scorer"),
        ('{"kind": "ensemble", "scorers": ["phrasebook-qe"], "weights": ["1"]}', r"has weights \['1'\]; write a list"),
        ('{"kind": "ensemble", "scorers": ["phrasebook-qe"], "weights": [NaN]}', "weights nan are not shares of 1"),
        ('{"kind": "ensemble", "scorers": ["nobody"]}', "there is no scorer 'nobody'"),
        (
            '{"kind": "normalised", "scorer": "phrasebook-qe", "knots": [[1, 0], [0, 1]]}',
            "scorer.json in .*: the scores of the knots do not rise: 0 follows 1",
        ),
        (
            '{"kind": "normalised", "scorer": "phrasebook-qe", "knots": [[0, 0], [1, 1]], "scorer_fingerprint": "x"}',
            "the scorer 'phrasebook-qe' has changed since it was calibrated; run scorers calibrate again",
        ),
    ],
)
def test_a_bad_description_is_refused_in_a_sentence(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "scorer.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        load_scorer(tmp_path)


@pytest.mark.parametrize("inside", ["{}", "ensemble: phrasebook-qe '{}'", "pool: '{}'", "guarded: 'ensemble: \"{}\"'"])
def test_a_program_that_a_folder_names_runs_only_where_the_user_allows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    program = "process: timeout=9 run it"
    inner = describe(tmp_path / "inner", kind="ensemble", scorers=[inside.format(program)])
    outer = describe(tmp_path / "outer", kind="normalised", scorer="../inner", knots=[[0, 0], [1, 1]])
    for name in (inner, outer, f"ensemble: {outer}"):
        with pytest.raises(ValueError, match=r"scorer.json in '.*inner' names the program 'run it', .* set the .*=1$"):
            load_scorer(name)
    load_scorer(program)
    monkeypatch.setenv("SEQ2SEQ_ENV_RUN_PROGRAMS", "1")
    assert isinstance(load_scorer(outer), NormalisedScorer)

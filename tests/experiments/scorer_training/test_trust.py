"""Scorers that are refused as a reward, by their own reports."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest

from experiments.scorer_training.make_scorer import SHIPPED
from experiments.scorer_training.trust import check_counts, check_reward, losses, weaknesses
from seq2seq_env.atomic_files import write_json
from seq2seq_env.scorers.description import write_description
from seq2seq_env.tasks import Task, load_task


def report(accuracy: float | None = 0.7, falls: float | None = 0.9, cases: int = 100, test: str = "truncated") -> Any:
    return {
        "agreement": {"held-out sources: samples": {"pairwise": accuracy}},
        "unit_tests": {test: {"cases": cases, "falls": falls}},
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, []),
        ({"accuracy": 0.6, "falls": 0.6}, []),
        ({"accuracy": 0.528}, ["within-source accuracy 0.528 (chance is 0.5, 0.6 is needed)"]),
        ({"falls": 0.41}, ["the score falls for 41% of 100 cases of 'truncated' (60% is needed)"]),
        ({"falls": 0.41, "cases": 29}, []),  # luck
        ({"falls": 0.1, "test": "swapped words"}, []),  # which no scorer is trained on
        ({"accuracy": None, "falls": None}, []),  # nothing to compare
    ],
)
def test_what_speaks_against_a_scorer(options: dict[str, Any], words: list[str]) -> None:
    assert weaknesses(report(**options)) == words


def test_what_a_scorer_lost_is_what_it_had() -> None:
    good, bad = report()["unit_tests"], report(falls=0.41)["unit_tests"]
    assert losses(good, bad) == ["the score falls for 41% of 100 cases of 'truncated' (60% is needed)"]
    assert losses(bad, bad) == losses(bad, good) == losses(good, good) == []


def test_both_faults_are_named(tmp_path: Path) -> None:
    write_json(tmp_path / "report.json", report(accuracy=0.5, falls=0.5))
    with pytest.raises(ValueError, match=r"accuracy 0\.500 .*; the score falls for 50% .* with --force-scorer$"):
        check_reward(str(tmp_path))


def test_a_calibrated_copy_is_as_weak(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    write_json(inner / "report.json", report(accuracy=0.55))
    write_description(tmp_path / "outer", {"kind": "normalised", "scorer": "../inner", "knots": [[0, 0], [1, 1]]})
    with pytest.raises(ValueError, match=re.escape(f"the scorer in {str(inner.resolve())!r} is near chance")):
        check_reward(str(tmp_path / "outer"))


@pytest.mark.parametrize(
    "name", ["guarded: {}", "pool: {}", "learned: {}", "ensemble: phrasebook-qe {}", "guarded: 'pool: {}'"]
)
def test_a_scorer_made_of_a_weak_one_is_as_weak(tmp_path: Path, name: str) -> None:
    write_json(tmp_path / "report.json", report(accuracy=0.528))
    with pytest.raises(ValueError, match=re.escape(f"the scorer in {str(tmp_path.resolve())!r} is near chance")):
        check_reward(name.format(tmp_path))
    check_reward(f"process: {tmp_path}")  # a program, which may do with its argument what it likes


def test_a_report_speaks_of_all_that_its_scorer_is_made_of(tmp_path: Path) -> None:
    """Of the parts of a cross-fitted scorer, each may be near chance, and all together not; one may lead back."""
    for folder, accuracy in ((tmp_path, 0.7), (tmp_path / "0", 0.55)):
        folder.mkdir(exist_ok=True)
        write_json(folder / "report.json", report(accuracy=accuracy))
    write_description(tmp_path, {"kind": "cross-fitted", "scorers": ["0", "0"]})
    check_reward(str(tmp_path))
    (tmp_path / "report.json").unlink()
    with pytest.raises(ValueError, match=r"accuracy 0\.550"):
        check_reward(str(tmp_path))
    write_description(tmp_path / "loop", {"kind": "normalised", "scorer": "../loop", "knots": [[0, 0], [1, 1]]})
    check_reward(str(tmp_path / "loop"))


def test_scorers_without_a_report_pass(tmp_path: Path) -> None:
    write_description(tmp_path / "both", {"kind": "ensemble", "scorers": ["phrasebook-qe", "phrasebook-qe"]})
    for name in ("phrasebook-qe", "process: " + "x" * 400, str(tmp_path), str(tmp_path / "both"), "no/such"):
        check_reward(name)


def test_the_shipped_scorer_can_be_trusted() -> None:
    assert weaknesses(json.loads((SHIPPED / "report.json").read_text())) == []


def task_of(files: dict[str, str], *, aligned: bool, held_out: int = 40) -> Task:
    """The pairs of all splits in one file, from which validation and test are taken out."""
    folder = Path(files["folder"])
    for ending in ("de", "en"):
        paths = [folder / f"{name}.{ending}" for name in ("train", "validation", "test")]
        lines = [line for path in paths if path.exists() for line in path.read_text().splitlines()]
        if ending == "en" and not aligned:
            Random(0).shuffle(lines)
        paths[0].write_text("".join(f"{line}\n" for line in lines))
        for path in paths[1:]:
            path.unlink(missing_ok=True)
    return load_task("text-files", **files | {"held_out": str(held_out)})


def test_counts_of_misaligned_files_are_no_reward(files: dict[str, str]) -> None:
    names = ("lexical: folds=2", "guarded: 'lexical: folds=2'", "ensemble: phrasebook-qe 'lexical: folds=2'")
    aligned = task_of(files, aligned=True)
    for name in (*names, "phrasebook-qe", "process: lexical: x", "no/such"):
        check_counts(name, aligned)
    few = task_of(files, aligned=False, held_out=20)
    check_counts(names[0], few)  # luck
    misaligned = task_of(files, aligned=False)
    said = (
        r"^the scorer 'lexical: folds=2' is near chance: it rates \d\d% of 40 validation references above another "
        r"source's \(60% is needed\), so the two files may not be aligned line by line; mend them, give more pairs, or "
        r"take it all the same with --force-scorer$"
    )
    for name in names:
        with pytest.raises(ValueError, match=said):
            check_counts(name, misaligned)


def test_a_source_without_another_has_nothing_to_be_compared_with(files: dict[str, str]) -> None:
    for ending, text in (("de", "eins haus"), ("en", "one house")):
        (Path(files["folder"]) / f"validation.{ending}").write_text(f"{text}\n" * 40)
    check_counts("lexical:", load_task("text-files", **files | {"leaks": "drop"}))

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seq2seq_env import load_scorer
from seq2seq_env.scorers import SCORERS, Scorer, checked_scores
from tests.pickling import sent


class Returns:
    """A scorer that returns whatever it was made with."""

    fingerprint = "returns"

    def __init__(self, scores: Any) -> None:
        self.scores = scores

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> Any:
        return self.scores


def test_good_scores_come_back_as_float32() -> None:
    scores = checked_scores(Returns([0, 0.25, 1.0]), ["a", "b", "c"], ["x", "y", "z"])
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores, [0.0, 0.25, 1.0])


@pytest.mark.parametrize(("bad", "shown"), [(float("nan"), "nan"), (-0.5, "-0.5"), (1.5, "1.5"), (float("inf"), "inf")])
def test_a_bad_score_is_named_with_its_pair(bad: float, shown: str) -> None:
    message = f"Returns gave pair 1 the score {shown}, not a number in [0, 1]; source 'zwei', hypothesis 'two'"
    with pytest.raises(ValueError, match=re.escape(message)):
        checked_scores(Returns([0.5, bad, -1.0]), ["eins", "zwei", "drei"], ["one", "two", "three"])


@pytest.mark.parametrize("scores", [0.5, [0.5], [[0.5], [0.5]], [0.1, 0.2, 0.3]])
def test_a_wrong_shape_is_refused(scores: Any) -> None:
    with pytest.raises(ValueError, match=r"shape \(.*\) for 2 pairs"):
        checked_scores(Returns(scores), ["a", "b"], ["x", "y"])


@pytest.mark.parametrize("scores", [["good", "bad"], None, {"scores": [0.1, 0.2]}, [0.1, [0.2]]])
def test_something_else_than_numbers_is_refused(scores: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="Returns"):
        checked_scores(Returns(scores), ["a", "b"], ["x", "y"])


def test_no_pairs_need_no_scorer() -> None:
    assert checked_scores(Returns(None), [], []).shape == (0,)


def test_sources_and_hypotheses_are_aligned_lists() -> None:
    with pytest.raises(ValueError, match="2 sources but 1 hypotheses"):
        checked_scores(Returns([0.5]), ["a", "b"], ["x"])
    with pytest.raises(TypeError, match="wrap a single sentence in a list"):
        checked_scores(Returns([0.5]), "a", "x")


def test_fake_scorer_fits_the_protocol(fake_scorer: Scorer) -> None:
    assert isinstance(fake_scorer, Scorer)
    # 'two house' and 'two red house' share two of three words.
    np.testing.assert_allclose(checked_scores(fake_scorer, ["zwei rot haus"], ["two house"]), [2 / 3])
    assert isinstance(sent(fake_scorer), Scorer)


def test_an_unknown_name_lists_the_good_ones() -> None:
    with pytest.raises(ValueError, match="no scorer 'bleurt'; choose one of phrasebook-qe"):
        load_scorer("bleurt")


def test_a_folder_that_is_no_checkpoint_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match=re.escape("it has no tokenizer.json, model.safetensors")):
        load_scorer(tmp_path)


def test_registry_names_are_the_documented_ones() -> None:
    assert list(SCORERS) == ["phrasebook-qe", "arithmetic-checker"]

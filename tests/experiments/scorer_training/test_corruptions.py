"""Corruptions of right translations."""

from __future__ import annotations

from random import Random

import pytest

from experiments.scorer_training.corruptions import CORRUPTIONS, UNIT_TESTS

RIGHT = "We will not buy seven red apples at the market tomorrow."


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_corruption_changes_the_text(name: str) -> None:
    random = Random(0)
    for _ in range(50):
        text = CORRUPTIONS[name](random, "Wir kaufen morgen sieben rote Äpfel nicht.", RIGHT, "She is asleep.")
        assert text is not None
        assert text != RIGHT


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("text", ["", ".", "?!", "ja", "7"])
def test_corruptions_take_what_a_weak_policy_writes(name: str, text: str) -> None:
    damaged_text = CORRUPTIONS[name](Random(0), "Er lacht.", text, "She is asleep.")
    assert damaged_text is None or isinstance(damaged_text, str)


def test_corruptions_say_where_they_do_not_fit() -> None:
    random = Random(0)
    assert UNIT_TESTS["changed number"](random, "Er lacht.", "He laughs.", "x") is None
    assert UNIT_TESTS["flipped negation"](random, "Er lacht.", "He laughs.", "x") is None
    assert UNIT_TESTS["other source's translation"](random, "a", "b", "b") is None
    assert UNIT_TESTS["flipped negation"](random, "", "He does not laugh.", "") == "He does laugh."
    assert UNIT_TESTS["flipped negation"](random, "", "He is here.", "") == "He is not here."

"""Corruptions of right translations."""

from __future__ import annotations

from random import Random

import pytest

from experiments.scorer_training.corruptions import CORRUPTIONS, HELD_OUT_TESTS, UNIT_TESTS

ENGLISH = {"flipped negation", "wrong pronoun", "wrong tense", "dangling function words"}
"""Corruptions that know the words of one language."""

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
    assert UNIT_TESTS["flipped negation"](random, "", "He could not stay.", "") == "He could stay."
    assert UNIT_TESTS["flipped negation"](random, "", "He hasn't said it is so.", "") == "He has said it is so."


def words(text: str) -> list[str]:
    return text.rstrip(".").split()


@pytest.mark.parametrize("seed", range(20))
def test_each_corruption_does_what_its_name_says(seed: int) -> None:
    source, other = "Wir kaufen morgen sieben Äpfel.", "She sings every evening in town."
    right = words(RIGHT)

    def corrupted(name: str) -> list[str]:
        text = CORRUPTIONS[name](Random(seed), source, RIGHT, other)
        assert text is not None
        return words(text)

    repeated = corrupted("repeated phrase")
    assert 1 <= len(repeated) - len(right) <= 5
    assert set(repeated) == set(right)
    assert sorted(corrupted("permuted words")) == sorted(right)
    cut = corrupted("truncated")
    assert cut == right[: len(cut)]
    assert len(right) / 2 <= len(cut) < len(right)
    assert corrupted("copied source") == words(source)
    assert corrupted("other source's translation") == words(other)
    left = corrupted("dropped words")
    assert 1 <= len(right) - len(left) <= 3
    assert set(left) <= set(right)
    assert set(corrupted("foreign words")) - set(right) <= set(words(other))
    assert set(corrupted("untranslated words")) - set(right) <= set(words(source))
    longer = corrupted("appended words")
    assert longer[: len(right)] == right
    assert longer[len(right) :] == words(other)[-(len(longer) - len(right)) :]


def test_a_number_becomes_another_of_its_kind() -> None:
    for seed in range(20):
        text = UNIT_TESTS["changed number"](Random(seed), "", "It costs 47 euros.", "")
        assert text is not None
        assert text != "It costs 47 euros."
        assert 1 <= int(words(text)[2]) <= 99
        text = UNIT_TESTS["changed number"](Random(seed), "", "He has seven dogs.", "")
        assert text is not None
        assert "seven" not in words(text)
        assert not any(word.isdecimal() for word in words(text))


def test_the_same_seed_gives_the_same_corruption() -> None:
    for corruption in CORRUPTIONS.values():
        assert corruption(Random(5), "Er lacht.", RIGHT, "x y") == corruption(Random(5), "Er lacht.", RIGHT, "x y")


@pytest.mark.parametrize("name", sorted({**CORRUPTIONS, **HELD_OUT_TESTS}.keys() - ENGLISH))
def test_texts_without_spaces_are_corrupted_too(name: str) -> None:
    corruption = (CORRUPTIONS | HELD_OUT_TESTS)[name]
    right = "我昨天在市场买了7个红苹果。"
    texts = [corruption(Random(seed), "Ich kaufte gestern 7 Äpfel.", right, "她已经睡着了。") for seed in range(20)]
    assert all(text not in (None, right) for text in texts)
    if name not in ("copied source", "untranslated words"):
        assert not any(" " in str(text) for text in texts)

"""Orders and tenses that are as right as the grammar's, and such as only look like it."""

from __future__ import annotations

import pytest

from seq2seq_env.tasks.phrasebook.normal_form import normal_form
from seq2seq_env.tasks.phrasebook.oracle import Readings, quality
from seq2seq_env.tasks.phrasebook.rewordings import changed, future_verbs


@pytest.mark.parametrize(
    ("wording", "text"),
    [
        (("he", "will leave", "tomorrow"), "He's going to leave tomorrow."),
        (("he", "will not leave", "tomorrow"), "He isn't going to leave tomorrow."),
        (("if", "it", "rains", "he", "will stay"), "If it rains, then he is going to stay."),
        (("he", "works", "at the bank", "today"), "He works today at the bank."),
        (("he", "will work", "in Rome", "on Monday at 9:05"), "He is going to work on Monday at 9:05 in Rome."),
        (
            ("he", "slept", "in the town hall", "last night", "because", "he", "was ill"),
            "He slept last night in the town hall because he was ill.",
        ),
        (("he", "did not eat", "an egg"), "He didn't eat any egg."),
        (("he", "slept", "because", "he", "was ill"), "Because he was ill, he slept."),
        (("last night", "he", "slept", "although", "he", "was ill"), "Although he was ill, last night he slept."),
    ],
)
def test_another_order_or_tense_is_as_right(wording: tuple[str, ...], text: str) -> None:
    assert quality(Readings([wording], "."), text) == 1


def test_a_question_may_ask_what_is_going_to_be() -> None:
    right = Readings([("will", "the ferry", "not", "leave", "on Monday")], "?")
    assert quality(right, "Is the ferry not going to leave on Monday?") == 1
    assert quality(right, "Isn't the ferry going to leave on Monday?") == 1


@pytest.mark.parametrize(
    ("wording", "text"),
    [
        (("he", "does not sell", "a key"), "He doesn't sell any keys."),
        (("he", "eats"), "He is going to eat."),  # the present alone is no future
        (("he", "is going", "to the bank", "tomorrow"), "He will the bank tomorrow."),
        (("he", "slept", "because", "he", "was ill"), "He was ill because he slept."),
        (("he", "slept", "because", "he", "was ill"), "Because he slept, he was ill."),
        (("if", "it", "rains", "he", "stays"), "If he stays, then it rains."),
        (("he", "works", "in order to", "shop"), "He works then in order to shop."),
    ],
)
def test_another_meaning_is_not(wording: tuple[str, ...], text: str) -> None:
    assert quality(Readings([wording], "."), text) < 0.85


def test_sie_at_the_beginning_is_they_or_you() -> None:
    wording = [("you", "lost", "your bag", "because", "you", "were tired")]
    either, only_you = (Readings(wording, ".", they_or_you=ambiguous) for ambiguous in (True, False))
    text = "They lost your bag because you were tired."
    assert quality(either, text) == 1 > quality(only_you, text)
    assert quality(either, "You lost your bag because they were tired.") < 1
    assert quality(either, "They lost their bag because they were tired.") < 1


def test_only_a_verb_that_will_happen_is_going_to() -> None:
    right = [normal_form("will the cook not visit him if they stay"), normal_form("he will be there and she will sing")]
    assert future_verbs(right) == {"cook", "visit", "be"}
    assert not list(changed(normal_form("if they are going to stay"), future_verbs(right)))


def test_most_words_have_no_other_wording() -> None:
    for text in ("he works now in order to shop", "i am going to the bank", "he comes tomorrow at the moment", "then"):
        assert not list(changed(normal_form(text), frozenset({"go", "shop"})))

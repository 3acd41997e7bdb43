"""Synonyms: which words are as right as the grammar's own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from seq2seq_env.tasks.phrasebook.lexicon import lexicon, table
from seq2seq_env.tasks.phrasebook.oracle import Readings, quality


@pytest.mark.parametrize(
    ("wording", "text"),
    [
        (("she", "is repairing", "a bicycle"), "She fixes a bike."),
        (("she", "repaired", "the bicycles"), "she fixed the bikes"),
        (("he", "closed", "the door"), "He shut the door."),
        (("he", "closes", "the door"), "He shuts the door."),
        (("I", "am turning", "the tap", "off"), "I am shutting off the tap"),
        (("an", "exam"), "a test"),
        (("the", "mobile phone"), "the cell phone"),
        (("the", "mobile phone"), "the phone"),
        (("the", "mobile phone"), "the mobile phone"),
        (("he", "brings along", "the ticket"), "He brings the ticket."),
        (("he", "is in", "a meeting"), "He is in a conference."),
        (("my pairs of glasses", "are", "in front of", "the house"), "My glasses are in front of the house."),
        (("the", "friend"), "the boyfriend"),
        (("he", "speaks", "with him"), "He speaks to him."),
        (("he", "was thinking", "of her"), "He was thinking about her."),
        (("did", "he", "shop"), "Did he go shopping"),
        (("he", "has to", "sleep"), "He's got to sleep."),
        (("you", "need to", "sleep"), "You've got to sleep."),
        (("we", "should", "wait"), "We ought to wait."),
        (("near the bank",), "near to the bank"),
        (("at the weekend",), "over the weekend"),
    ],
)
def test_synonyms_are_as_right_as_the_word_in_every_form(wording: tuple[str, ...], text: str) -> None:
    others = [("she", "repairs", "a bicycle"), ("I", "am turning off", "the tap"), ("he", "brings", "the ticket along")]
    assert quality(Readings([wording, *others], "."), text) == 1


@pytest.mark.parametrize(
    ("words", "said"), [(("because", "since"), "as"), (("because", "as", "for"), "since"), (("for", "as"), "since")]
)
def test_a_reason_may_follow_any_of_its_conjunctions(words: tuple[str, ...], said: str) -> None:
    right = Readings([("he", "looks", "for it", word, "he", "needs", "it") for word in words], ".")
    assert quality(right, f"He looks for it, {said} he needs it.") == 1


def test_a_word_is_no_synonym_where_it_means_something_else() -> None:
    bag = Readings([("the bag", "and", "the handbag")], ".")
    assert quality(bag, "The handbag and the handbag.") < 1
    light = Readings([("I", "turn off", "the light")], ".")
    assert quality(light, "I close the light.") < 1
    assert quality(Readings([("I", "turn off", "the tap")], "."), "I close the tap.") == 1
    assert quality(Readings([("I", "turned off", "the taps")], "."), "I shut the taps.") == 1
    assert quality(Readings([("I", "visited", "the castle")], "."), "I inspected the lock.") == 1


@pytest.mark.parametrize("seed", ["0", "1", "2", "3"])
def test_of_two_words_that_a_synonym_may_be_it_is_the_one_not_said_in_every_process(seed: str) -> None:
    judge = """
from seq2seq_env.tasks.phrasebook.oracle import Readings, quality
readings = Readings([("is", "the appointment", "quite", "beautiful")], "?")
print([quality(readings, f"Is the appointment {words}?") for words in ("quite pretty", "pretty beautiful")])
"""
    environment = os.environ | {"PYTHONHASHSEED": seed}
    said = subprocess.run([sys.executable, "-c", judge], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[1.0, 1.0]"


def test_every_synonym_stands_for_a_word_of_the_lexicon() -> None:
    words = lexicon()
    known = {noun.english for noun in words.nouns} | {each.english for each in words.adjectives}
    known |= {f"{verb.english[0]} {verb.particle}".strip() for verb in words.verbs}
    unknown = {row["english"].partition(",")[0] for row in table("synonyms") if row["english"] not in known}
    assert unknown == {
        "search for", "speak with", "think of", "dream of", "often", "rarely", "sometimes", "quite", "very", "afraid",
        "because", "since", "as", "for", "should", "allowed", "supposed", "have to", "has to", "need to",
        "needs to", "must", "now", "at the moment",
        "tomorrow morning", "at the weekend", "on the weekend", "in front of", "near", "close to",
    }  # fmt: skip

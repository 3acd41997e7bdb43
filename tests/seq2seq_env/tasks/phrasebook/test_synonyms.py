"""Synonyms: which words are as right as the grammar's own."""

from __future__ import annotations

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
    ],
)
def test_synonyms_are_as_right_as_the_word_in_every_form(wording: tuple[str, ...], text: str) -> None:
    others = [("she", "repairs", "a bicycle"), ("I", "am turning off", "the tap")]
    assert quality(Readings([wording, *others], "."), text) == 1


def test_a_word_is_no_synonym_where_it_means_something_else() -> None:
    bag = Readings([("the bag", "and", "the handbag")], ".")
    assert quality(bag, "The handbag and the handbag.") < 1
    light = Readings([("I", "turn off", "the light")], ".")
    assert quality(light, "I close the light.") < 1
    assert quality(Readings([("I", "turn off", "the tap")], "."), "I close the tap.") == 1


def test_every_synonym_stands_for_a_word_of_the_lexicon() -> None:
    words = lexicon()
    known = {noun.english for noun in words.nouns} | {each.english for each in words.adjectives}
    known |= {f"{verb.english[0]} {verb.particle}".strip() for verb in words.verbs}
    unknown = {row["english"] for row in table("synonyms") if row["english"] not in known}
    assert unknown == {"search for", "often", "rarely", "quite"}

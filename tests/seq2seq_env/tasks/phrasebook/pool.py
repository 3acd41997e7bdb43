"""Sentences of the phrasebook that the oracle's tests share."""

from __future__ import annotations

from random import Random

from seq2seq_env.tasks.phrasebook.oracle import Readings
from seq2seq_env.tasks.phrasebook.sentence import Sentence
from seq2seq_env.tasks.phrasebook.sentences import draw_sentence


def drawn(number: int, seed: int) -> list[Sentence]:
    random = Random(seed)
    return [draw_sentence(random) for _ in range(number)]


def readings_of(sentence: Sentence) -> Readings:
    return Readings(sentence.readings(), sentence.mark)


POOL = drawn(500, seed=21)

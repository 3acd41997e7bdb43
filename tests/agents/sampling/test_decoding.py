from __future__ import annotations

from itertools import groupby
from typing import Any

import pytest

from agents import Decoding, Seq2SeqPolicy
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks.task import Task


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "worst"}, "there is no method 'worst'; choose one of greedy, beam, sample, best-of-n, mbr"),
        ({"candidates": 4}, "candidates is 4, but greedy has none; leave it out, or choose best-of-n or mbr"),
        ({"method": "mbr", "beams": 2}, "beams is 2, but mbr has none; leave it out, or choose beam"),
        ({"method": "mbr", "scorer": "x"}, "scorer is x, but mbr has none"),
        ({"method": "beam", "seed": 0}, "seed is 0, but beam has none"),
        ({"method": "beam", "beams": 0}, "beams is 0; give at least 1"),
        ({"method": "best-of-n", "candidates": 0}, "candidates is 0; give at least 1"),
        ({"method": "best-of-n"}, "best-of-n needs a scorer"),
        ({"method": "best-of-n", "scorer": "none such"}, "there is no scorer 'none such'"),
        ({"method": "mbr", "candidates": 1}, "candidates is 1; mbr compares them, give at least 2"),
        ({"method": "sample", "temperature": 0.0}, "temperature is 0.0; give a number above 0"),
        ({"method": "sample", "seed": -1}, "seed is -1"),
    ],
)
def test_options_that_cannot_work_are_refused(policy: Seq2SeqPolicy, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Decoding(**options).rule(policy)


def test_every_option_reaches_the_rule(
    trained: Seq2SeqPolicy, fake_scorer: Scorer, tiny_task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.sampling.decoding.load_scorer", lambda name, **_: {"overlap": fake_scorer}[name])
    sources = tiny_task.split("train").sources
    common: dict[str, Any] = {"temperature": 3.0, "seed": 3}
    variants = [
        Decoding(),
        Decoding("sample", **common),
        Decoding("sample", temperature=3.0, seed=4),
        Decoding("sample", temperature=1.5, seed=3),
        Decoding("best-of-n", candidates=2, scorer="overlap", **common),
        Decoding("best-of-n", candidates=5, scorer="overlap", **common),
        Decoding("mbr", candidates=2, **common),
        Decoding("mbr", candidates=5, **common),
    ]
    found = [[each.text for each in variant.rule(trained)(sources, 0)] for variant in variants]
    assert len({tuple(texts) for texts in found}) == len(variants)
    again = [[each.text for each in variant.rule(trained)(sources, 0)] for variant in variants]
    assert again == found
    # Another call draws other numbers; the likeliest stays.
    later = [[each.text for each in variant.rule(trained)(sources, 1)] for variant in variants]
    assert [key for key, _ in groupby(a == b for a, b in zip(found, later, strict=True))] == [True, False]
    asked: list[int] = []

    def likeliest(sources: list[str], num_beams: int) -> list[list[int]]:
        asked.append(num_beams)
        return [[trained.tokenizer.eos_id]] * len(sources)

    monkeypatch.setattr(trained, "likeliest_tokens", likeliest)
    for decoding in (Decoding("beam"), Decoding("beam", beams=2)):
        decoding.rule(trained)(["zwei"], 0)
    assert asked == [5, 2]

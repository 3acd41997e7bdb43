"""Guards of a run, whether or not its scorer is guarded."""

from __future__ import annotations

import pytest

from experiments.reports import guard_counts
from experiments.reports.guard_counts import any_hit, counts, guard_table, run_guards, stage_hits
from seq2seq_env.scorers import GuardedScorer, Guards
from seq2seq_env.tasks import Task
from tests.digest_scorer import Digest

PAIRS = (["Der Bus hält hier.", "Anna kauft 3 Karten."], ["The bus stops here.", "Anna buys 3 tickets."])


def test_hits_are_counted_by_rule() -> None:
    guards = Guards.calibrated(*PAIRS, rules=["empty", "copy", "numbers"])
    lines = [
        {"source": source, "greedy": text} for source, text in zip(PAIRS[0], ["", "Anna buys 4 tickets."], strict=True)
    ]
    hits = stage_hits(guards, lines, "greedy")
    assert any_hit(hits).tolist() == [True, True]
    assert counts(hits) == {"empty": 1, "copy": 0, "numbers": 1, "any": 2}
    shown = guard_table({("supervised", "greedy"): counts(hits)})
    assert shown.columns == ["step", "decoding", "empty", "copy", "numbers", "any"]
    assert shown.cells == [["supervised", "greedy", "1", "0", "1", "2"]]


def test_a_guarded_scorers_own_rules_are_taken(tiny_task: Task) -> None:
    guards = Guards.calibrated(*PAIRS, rules=["length", "repetition"])
    own = run_guards(tiny_task, GuardedScorer(Digest(), guards))
    assert own.guards is guards
    assert own.note.startswith("Limits that the training references keep: length from ")
    assert "repetition at most 0. Rewards of what breaks a rule are lowered in this run." in own.note


def test_without_the_identifier_the_other_rules_are_left(tiny_task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_counts, "missing", lambda extra: ["py3langid"])
    left = run_guards(tiny_task, Digest())
    assert "language" not in left.guards.limits
    assert left.note.endswith("Without the extra langid nothing is said of the language.")


def test_a_language_without_a_model_is_told(tiny_task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("py3langid")
    from seq2seq_env.scorers.wrappers import guard_rules

    monkeypatch.setattr(guard_rules, "likeliest_language", lambda texts: ("qu", 0.2))
    left = run_guards(tiny_task, Digest())
    assert "language" not in left.guards.limits
    assert "Nothing is said of the language: the language identifier takes only 20% of the references" in left.note

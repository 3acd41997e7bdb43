"""A scorer whose scores for what breaks a rule are lowered."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from seq2seq_env import Seq2SeqTranslateEnv, load_task
from seq2seq_env.scorers import (
    GUARD_RULES,
    CachedScorer,
    EnsembleScorer,
    GuardedScorer,
    GuardOptions,
    Guards,
    Scorer,
    checked_scores,
    load_scorer,
)
from seq2seq_env.tasks import Task
from tests.digest_scorer import Digest
from tests.pickling import sent

WITHOUT_MODEL = tuple(rule for rule in GUARD_RULES if rule != "language")
SOURCES = ["Der rote Bus hält hier.", "Anna kauft 3 Karten.", "Wir gehen nach Hause.", "Sie hat 2 Hunde."]
REFERENCES = ["The red bus stops here.", "Anna buys 3 tickets.", "We are going home.", "She has 2 dogs."]
BROKEN = {
    "empty": ("Wir gehen nach Hause.", " ?"),
    "length": ("Wir gehen nach Hause.", "We are going home, as everybody can see who has nothing else to do."),
    "copy": ("Der rote Bus hält hier.", "Der rote Bus hält hier."),
    "repetition": ("Wir gehen nach Hause.", "We are we are going."),
    "numbers": ("Anna kauft 3 Karten.", "Anna buys 4 tickets."),
}


@pytest.fixture
def guards() -> Guards:
    return Guards.calibrated(SOURCES, REFERENCES, WITHOUT_MODEL)


def test_references_keep_the_rules_that_are_taken_from_them(guards: Guards) -> None:
    assert guards.counts(SOURCES, REFERENCES) == dict.fromkeys((*WITHOUT_MODEL, "any"), 0)
    assert guards.limits["numbers"] == (-np.inf, 0.0)
    assert guards.limits["length"] == pytest.approx((np.log(12 / 14), np.log(20 / 20)), abs=0.2)


@pytest.mark.parametrize("rule", BROKEN)
def test_each_rule_catches_its_own(guards: Guards, rule: str) -> None:
    source, hypothesis = BROKEN[rule]
    assert {name: n for name, n in guards.counts([source], [hypothesis]).items() if n} == {rule: 1, "any": 1}


def test_an_empty_text_is_judged_by_the_rules_that_there_are(guards: Guards) -> None:
    source, text = "Wir gehen nach Hause.", "! " * 300
    assert guards.counts([source], [text]) == {**dict.fromkeys(WITHOUT_MODEL, 0), "empty": 1, "any": 1}
    others = Guards({rule: limits for rule, limits in guards.limits.items() if rule != "empty"})
    assert others.counts([source], [text])["length"] == 1


def test_a_quantile_leaves_out_faulty_references() -> None:
    sources, references = ["Anna kauft 3 Karten."] * 100, ["Anna buys 3 tickets."] * 98 + ["Anna buys 7 tickets."] * 2
    strict, loose = (Guards.calibrated(sources, references, ["numbers"], q) for q in (0.95, 0.995))
    assert (strict.limits["numbers"][1], loose.limits["numbers"][1]) == (0.0, 1.0)
    assert strict.counts(sources, references)["numbers"] == 2


def test_a_broken_rule_costs_a_share_of_the_score(guards: Guards) -> None:
    inner = Digest()
    sources, hypotheses = [*SOURCES[:2], "Anna kauft 3 Karten."], [*REFERENCES[:2], "Anna kauft 4 Karten."]
    plain = inner.score(sources, hypotheses)
    refused = checked_scores(GuardedScorer(inner, guards), sources, hypotheses)
    np.testing.assert_array_equal(refused, [*plain[:2], 0])
    lowered = GuardedScorer(inner, guards, penalty=0.25).score(sources, hypotheses)
    # It copies, and it changes the number.
    np.testing.assert_allclose(lowered, [*plain[:2], plain[2] * 0.75**2], rtol=1e-6)
    assert checked_scores(GuardedScorer(inner, guards), [], []).shape == (0,)
    cached = CachedScorer(GuardedScorer(inner, guards))
    np.testing.assert_array_equal(cached.score(sources, hypotheses), refused)


def test_the_fingerprint_follows_rules_limits_and_penalty(guards: Guards) -> None:
    one = GuardedScorer(Digest(), guards)
    others = [
        GuardedScorer(Digest("other"), guards),
        GuardedScorer(Digest(), guards, penalty=0.5),
        GuardedScorer(Digest(), Guards.calibrated(SOURCES, REFERENCES, ["copy"])),
        GuardedScorer(Digest(), Guards.calibrated(SOURCES[:2], REFERENCES[:2], WITHOUT_MODEL)),
    ]
    assert len({each.fingerprint for each in (one, *others)}) == 5
    assert one.fingerprint == GuardedScorer(Digest(), Guards.calibrated(SOURCES, REFERENCES, WITHOUT_MODEL)).fingerprint
    assert sent(one).fingerprint == one.fingerprint


def test_the_fingerprint_follows_the_version_of_the_rule_numbers(
    guards: Guards, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = Guards({rule: limits for rule, limits in guards.limits.items() if rule != "numbers"})
    now = [GuardedScorer(Digest(), each).fingerprint for each in (guards, others)]
    monkeypatch.setattr("seq2seq_env.scorers.wrappers.guarded._NUMBERS_VERSION", 3)
    later = [GuardedScorer(Digest(), each).fingerprint for each in (guards, others)]
    assert now[0] != later[0]
    assert now[1] == later[1]


def test_the_kind_takes_its_limits_from_the_task(tiny_task: Task) -> None:
    name = f"guarded: rules={','.join(WITHOUT_MODEL)} penalty=0.5 phrasebook-qe"
    scorer = load_scorer(name, task=tiny_task)
    assert isinstance(scorer, GuardedScorer)
    assert isinstance(scorer, Scorer)
    assert scorer.penalty == 0.5
    assert scorer.guards == Guards.of_task(tiny_task, GuardOptions(rules=",".join(WITHOUT_MODEL)))
    assert scorer.for_task(tiny_task) is scorer
    mixed = load_scorer(f'ensemble: "{name}" phrasebook-qe', task=tiny_task)
    assert isinstance(mixed, EnsembleScorer)
    assert mixed.scorers[0].fingerprint == scorer.fingerprint
    env = Seq2SeqTranslateEnv(tiny_task, name)
    assert env.scorer.fingerprint == scorer.fingerprint
    assert Seq2SeqTranslateEnv(load_task("phrasebook-de-en", train_size=50), name).scorer is not env.scorer
    with pytest.raises(ValueError, match="takes its limits from a task's references, and no task is known here"):
        _ = load_scorer(name).fingerprint


def test_the_target_language_is_that_of_most_references() -> None:
    pytest.importorskip("py3langid")
    task = load_task("phrasebook-de-en", train_size=400)
    guards = Guards.of_task(task)
    assert guards.language == "en"
    test = task.split("test")
    assert guards.counts(test.sources[:200], test.sources[:200])["language"] >= 196  # German, and copied
    assert guards.counts(test.sources[:200], test.references[:200])["language"] <= 4
    other = ["Nous allons à la maison demain matin."]
    assert guards.counts(["Wir gehen morgen früh nach Hause."], other)["language"] == 1
    with pytest.raises(ValueError, match=r"there is no language 'xx'; choose one of"):
        Guards.calibrated(SOURCES, REFERENCES, language="xx")
    with pytest.raises(ValueError, match=r"takes only .* of the references for one language"):
        Guards.calibrated(["a"] * 4, ["Guten Morgen zusammen", "Bonjour à tous", "Добрый день", "おはよう"])


def test_a_rule_that_cannot_fire_is_told(tiny_task: Task, caplog: pytest.LogCaptureFixture) -> None:
    class Copies(Task):
        """Whose references are its sources."""

        def split(self, name: str) -> None:  # type: ignore[override]
            raise NotImplementedError

        def size(self, split: str) -> int:
            return 2

        def pair(self, split: str, index: int) -> tuple[str, str]:
            return "Hamburg", "Hamburg"

    with caplog.at_level(logging.WARNING):
        GuardedScorer(Digest(), None, options=GuardOptions(rules="copy")).for_task(Copies())
    assert caplog.messages == ["the guard 'copy' never fires: references copy their sources whole"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("guarded: rules=copy,lenght phrasebook-qe", "there is no guard 'lenght'; .*length"),
        ("guarded: rules= phrasebook-qe", "without rules guards nothing; name some of empty, length"),
        ("guarded: quantile=1 phrasebook-qe", "quantile is 1.0; give a share of references"),
        ("guarded: penalty=0 phrasebook-qe", "penalty is 0.0; give a share of the score, above 0"),
        ("guarded: phrasebook-qe phrasebook-qe", "is followed by 2 scorers .*; name one"),
        ("guarded:", "is followed by 0 scorers"),
    ],
)
def test_what_guards_nothing_is_refused(name: str, message: str, tiny_task: Task) -> None:
    with pytest.raises(ValueError, match=message):
        load_scorer(name, task=tiny_task)


def test_no_pairs_give_no_limits() -> None:
    with pytest.raises(ValueError, match="no references to take the guards' limits from"):
        Guards.calibrated([], [])

"""Draws whole sentences: statements, questions, requests, and main clauses with what depends on them."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import accumulate, product
from random import Random

from seq2seq_env.tasks.phrasebook.clause import Clause, Segments
from seq2seq_env.tasks.phrasebook.grammar import Setting, action
from seq2seq_env.tasks.phrasebook.lexicon import join_prefix, lexicon
from seq2seq_env.tasks.phrasebook.phrases import Pronoun
from seq2seq_env.tasks.phrasebook.sampling import draw_subject
from seq2seq_env.tasks.phrasebook.sentence import Sentence, capitalised
from seq2seq_env.tasks.phrasebook.situations import SITUATIONS

_CUMULATIVE = tuple(accumulate(weight for _, weight in SITUATIONS))
_OPINIONS = (
    ("Ich glaube", ("I think", "I believe")),
    ("Ich hoffe", ("I hope",)),
    ("Wir wissen", ("we know",)),
    ("Er sagt", ("he says",)),
    ("Sie sagt", ("she says",)),
    ("Meine Schwester meint", ("my sister thinks",)),
    ("Es ist schade", ("it is a pity", "it is a shame")),
    ("Es ist wichtig", ("it is important",)),
    ("Es ist möglich", ("it is possible",)),
)
_INQUIRIES = (
    ("Ich weiß nicht", ("I do not know",), "."),
    ("Können Sie mir sagen", ("can you tell me", "could you tell me"), "?"),
    ("Wissen Sie", ("do you know",), "?"),
    ("Weißt du", ("do you know",), "?"),
    ("Ich möchte wissen", ("I would like to know", "I want to know"), "."),
)
_FAMILIAR = frozenset({"dich", "dir"})


def draw_sentence(random: Random, forms: frozenset[str] | None = None) -> Sentence:
    """One sentence, the first of its wordings as its reference.

    Args:
        random: Draws everything.
        forms: Keys of ``FORMS`` that it may have; None for any.
    """
    builders, weights = _choice(forms)
    build = builders[bisect(weights, random.random() * weights[-1])]
    return replace(build(random), contracted=random.random() < 0.3)


@cache
def _choice(forms: frozenset[str] | None) -> tuple[list[Callable[[Random], Sentence]], list[float]]:
    """Builders of some forms, and their cumulative weights."""
    builders, weights = zip(*(each for name, each in FORMS.items() if forms is None or name in forms), strict=True)
    return list(builders), list(accumulate(weights))


def draw_clause(random: Random, setting: Setting) -> Clause:
    """A clause around a verb or one of an everyday situation."""
    if random.random() < 0.68:
        return action(random, setting)
    return SITUATIONS[bisect(_CUMULATIVE, random.random() * _CUMULATIVE[-1])][0](random, setting)


def _statement(random: Random) -> Sentence:
    clause = draw_clause(random, Setting())
    time_first = clause.time is not None and random.random() < 0.4
    return Sentence(
        capitalised(clause.verb_second(time_first=time_first)) + ".",
        ".",
        lambda: clause.statements(time_first=time_first),
    )


def _question(random: Random) -> Sentence:
    clause = draw_clause(random, Setting(question=True, they=True))
    return Sentence(capitalised(clause.verb_first()) + "?", "?", clause.questions)


_ASKED = (("wann", ("when",)), ("warum", ("why",)), ("wie oft", ("how often",)), ("wo", ("where",)))


def _asked(random: Random) -> Sentence:
    """A question with a question word; "wann" and "wie oft" ask for what the clause then cannot say."""
    de, words = _ASKED[random.randrange(len(_ASKED))]
    clause = _clause_about(random, de, Setting(question=True, they=True))
    return Sentence(capitalised(f"{de} {clause.verb_first()}") + "?", "?", lambda: clause.questions(*words))


def _clause_about(random: Random, word: str, setting: Setting) -> Clause:
    open_time = word in ("wann", "wie oft")
    why = word == "warum"
    setting = replace(
        setting, timed=not open_time, negatable=why, adverbs=why, perfect=not open_time, habitual=word == "wie oft"
    )
    if word == "wie oft":
        setting = replace(setting, tense="present")
    while True:
        clause = action(random, setting)
        places = any(" ".join(clause.middle).endswith(f" {place}") for place in ("Hause",))
        if not (word == "wo" and (places or _says_where(clause))):
            return clause


def _says_where(clause: Clause) -> bool:
    starts = ("in ", "im ", "am ", "auf ", "nach ", "zum ", "zur ", "neben ", "hinter ", "vor ", "gegenüber ", "mit ")
    return any(part.startswith(starts) for part in clause.middle)


def _request(random: Random) -> Sentence:
    """A polite imperative: "Bringen Sie mir bitte die Rechnung"."""
    polite = Pronoun("formal")
    verbs = [verb for verb in lexicon().verbs_of_persons.words if verb.aspect == "action" and verb.frame]
    verb = verbs[min(int(random.expovariate(0.06)), len(verbs) - 1)]
    while True:
        clause = action(
            random, Setting(subject=polite, verb=verb, tense="present", timed=False, negatable=False, habitual=True)
        )
        if (
            not clause.readings[0].middle
            and clause.readings[0].rest.split()[0] not in ("like", "enjoy")
            and not _FAMILIAR & set(clause.pronouns)
        ):
            break
    text = " ".join(
        part for part in (clause.finite, "Sie", *clause.pronouns, "bitte", *clause.middle, clause.closing) if part
    )

    def wordings() -> Iterator[Segments]:
        for reading in clause.readings:
            for tail in reading.tails:
                yield ("please", reading.rest, *tail)
                yield (reading.rest, *tail, "please")

    return Sentence(capitalised(text) + ".", ".", wordings)


def _because(random: Random) -> Sentence:
    de, wordings = random.choice((("weil", ("because", "since")), ("obwohl", ("although", "even though", "though"))))
    tense = random.choice(("past", "present", ""))
    main = action(random, Setting(tense=tense))
    reason = draw_clause(random, Setting(tense=tense if tense == "past" else "", they=True, timed=tense != "past"))
    text = f"{capitalised(main.verb_second())}, {de} {reason.verb_last()}."

    def readings() -> Iterator[Segments]:
        for first, word, second in product(main.statements(), wordings, _few(reason)):
            yield (*first, word, *second)

    return Sentence(text, ".", readings)


def _if(random: Random) -> Sentence:
    condition = draw_clause(random, Setting(tense="present", timed=False, habitual=True, they=True))
    tense = random.choice(("present", "können", "müssen", "future"))
    main = action(random, Setting(tense=tense, timed=False, they=True, consequence=True))
    front = random.random() < 0.6
    if front:
        text = f"Wenn {condition.verb_last()}, {main.verb_first()}."
    else:
        text = f"{capitalised(main.verb_second())}, wenn {condition.verb_last()}."
        if main.subject_german == "sie" and main.subject_english == "they":
            return _if(random)

    def readings() -> Iterator[Segments]:
        for first, second, word in product(condition.statements(), main.statements(), ("if", "when")):
            pair = (word, *first, ",", *second), (*second, word, *first)
            yield from pair if front else pair[::-1]

    return Sentence(text, ".", readings)


def _that(random: Random) -> Sentence:
    de, openings = _OPINIONS[random.randrange(len(_OPINIONS))]
    clause = draw_clause(random, Setting(they=True))

    def readings() -> Iterator[Segments]:
        for opening, word, rest in product(openings, ("that", ""), clause.statements(frontable=False)):
            yield tuple(segment for segment in (opening, word, *rest) if segment)

    return Sentence(f"{de}, dass {clause.verb_last()}.", ".", readings)


def _inquiry(random: Random) -> Sentence:
    de, openings, mark = _INQUIRIES[random.randrange(len(_INQUIRIES))]
    word, wordings = random.choice(
        (("ob", ("whether", "if")), ("wann", ("when",)), ("warum", ("why",)), ("wo", ("where",)))
    )
    if word == "ob":
        clause = draw_clause(random, Setting(they=True))
    else:
        clause = _clause_about(random, word, Setting(they=True))

    def readings() -> Iterator[Segments]:
        for opening, link, rest in product(openings, wordings, clause.statements(frontable=False)):
            yield (opening, link, *rest)

    return Sentence(f"{de}, {word} {clause.verb_last()}{mark}", mark, readings)


def _both(random: Random) -> Sentence:
    de, words = random.choice((("und", ("and",)), ("aber", ("but",)), ("denn", ("because", "as", "for"))))
    first = action(random, Setting(timed=False))
    second = draw_clause(random, Setting(timed=False))
    comma = "" if de == "und" else ","

    def readings() -> Iterator[Segments]:
        for one, word, two in product(first.statements(), words, second.statements()):
            yield (*one, word, *two)

    return Sentence(f"{capitalised(first.verb_second())}{comma} {de} {second.verb_second()}.", ".", readings)


_ERRANDS = ("fahren", "gehen", "kommen", "laufen")


def _in_order_to(random: Random) -> Sentence:
    """An errand and its purpose: "Ich gehe zum Markt, um Brot zu kaufen"."""
    verbs = lexicon().verbs_of_persons.words
    errand = random.choice([verb for verb in verbs if verb.stem_infinitive in _ERRANDS and not verb.prefix])
    aim = random.choice(
        [verb for verb in verbs if verb.aspect == "action" and verb.frame and verb.frame[0].kind == "acc"]
    )
    subject = draw_subject(random, they=False)
    main = action(
        random,
        Setting(subject=subject, verb=errand, negatable=False, tense=random.choice(("past", "müssen", "möchten"))),
    )
    while True:
        purpose = action(random, Setting(subject=subject, verb=aim, tense="future", timed=False, negatable=False))
        if not purpose.readings[0].middle:
            break
    verb = join_prefix(aim.prefix, f"zu{aim.stem_infinitive}") if aim.prefix else f"zu {aim.stem_infinitive}"
    text = " ".join((*purpose.pronouns, *purpose.middle, verb))

    def readings() -> Iterator[Segments]:
        for start, word, tail in product(main.statements(), ("to", "in order to"), purpose.readings[0].tails):
            yield (*start, f"{word} {purpose.readings[0].rest}", *tail)

    return Sentence(f"{capitalised(main.verb_second())}, um {text}.", ".", readings)


def _few(clause: Clause) -> Iterator[Segments]:
    return clause.statements(frontable=False)


FORMS: dict[str, tuple[Callable[[Random], Sentence], float]] = {
    "statement": (_statement, 44),
    "question": (_question, 12),
    "asked": (_asked, 7),
    "request": (_request, 6),
    "because": (_because, 7),
    "if": (_if, 5),
    "that": (_that, 6),
    "inquiry": (_inquiry, 5),
    "both": (_both, 5),
    "in-order-to": (_in_order_to, 3),
}
"""Name of each form, its builder and the weight that it is drawn by."""

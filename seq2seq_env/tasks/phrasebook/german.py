"""German inflection: determiners, adjectives, nouns and verbs in the forms that the grammar asks for.

Persons are "1s", "2s", "3m", "3f", "3n", "1p", "2p", "3p" and "formal" (the polite "Sie"). Cases are "nom", "acc" and
"dat"; a gender is "m", "f", "n" or, for every plural, "p".
"""

from __future__ import annotations

from functools import cache

from seq2seq_env.tasks.phrasebook.lexicon import Adjective, Noun, Verb

PRONOUNS = {
    "1s": {"nom": "ich", "acc": "mich", "dat": "mir"},
    "2s": {"nom": "du", "acc": "dich", "dat": "dir"},
    "3m": {"nom": "er", "acc": "ihn", "dat": "ihm"},
    "3f": {"nom": "sie", "acc": "sie", "dat": "ihr"},
    "3n": {"nom": "es", "acc": "es", "dat": "ihm"},
    "1p": {"nom": "wir", "acc": "uns", "dat": "uns"},
    "2p": {"nom": "ihr", "acc": "euch", "dat": "euch"},
    "3p": {"nom": "sie", "acc": "sie", "dat": "ihnen"},
    "formal": {"nom": "Sie", "acc": "Sie", "dat": "Ihnen"},
}

_POSSESSIVE = {
    "1s": "mein",
    "2s": "dein",
    "3m": "sein",
    "3f": "ihr",
    "3n": "sein",
    "1p": "unser",
    "2p": "euer",
    "3p": "ihr",
    "formal": "Ihr",
}

_DEFINITE = {
    "nom": {"m": "der", "f": "die", "n": "das", "p": "die"},
    "acc": {"m": "den", "f": "die", "n": "das", "p": "die"},
    "dat": {"m": "dem", "f": "der", "n": "dem", "p": "den"},
}
_DIES_ENDING = {
    "nom": {"m": "er", "f": "e", "n": "es", "p": "e"},
    "acc": {"m": "en", "f": "e", "n": "es", "p": "e"},
    "dat": {"m": "em", "f": "er", "n": "em", "p": "en"},
}
_EIN_ENDING = {
    "nom": {"m": "", "f": "e", "n": "", "p": "e"},
    "acc": {"m": "en", "f": "e", "n": "", "p": "e"},
    "dat": {"m": "em", "f": "er", "n": "em", "p": "en"},
}
_WEAK = {
    "nom": {"m": "e", "f": "e", "n": "e", "p": "en"},
    "acc": {"m": "en", "f": "e", "n": "e", "p": "en"},
    "dat": {"m": "en", "f": "en", "n": "en", "p": "en"},
}
_MIXED = {
    "nom": {"m": "er", "f": "e", "n": "es", "p": "en"},
    "acc": {"m": "en", "f": "e", "n": "es", "p": "en"},
    "dat": _WEAK["dat"],
}
_STRONG = _DIES_ENDING

_PERSON_NUMBER = {"3m": "3s", "3f": "3s", "3n": "3s", "formal": "3p"}

_IRREGULAR_PRESENT = {
    "sein": ("bin", "bist", "ist", "sind", "seid", "sind"),
    "haben": ("habe", "hast", "hat", "haben", "habt", "haben"),
    "werden": ("werde", "wirst", "wird", "werden", "werdet", "werden"),
    "können": ("kann", "kannst", "kann", "können", "könnt", "können"),
    "müssen": ("muss", "musst", "muss", "müssen", "müsst", "müssen"),
    "wollen": ("will", "willst", "will", "wollen", "wollt", "wollen"),
    "dürfen": ("darf", "darfst", "darf", "dürfen", "dürft", "dürfen"),
    "sollen": ("soll", "sollst", "soll", "sollen", "sollt", "sollen"),
    "möchten": ("möchte", "möchtest", "möchte", "möchten", "möchtet", "möchten"),
    "wissen": ("weiß", "weißt", "weiß", "wissen", "wisst", "wissen"),
}
_PRETERITE_STEM = {
    "sein": "war",
    "haben": "hatte",
    "können": "konnte",
    "müssen": "musste",
    "wollen": "wollte",
    "dürfen": "durfte",
}
_NUMBERS = ("1s", "2s", "3s", "1p", "2p", "3p")


@cache
def auxiliary(infinitive: str, person: str) -> str:
    """Present of sein, haben, werden, wissen or a modal verb."""
    return _IRREGULAR_PRESENT[infinitive][_NUMBERS.index(_PERSON_NUMBER.get(person, person))]


@cache
def preterite(infinitive: str, person: str) -> str:
    """Preterite of sein, haben or a modal verb."""
    stem, number = _PRETERITE_STEM[infinitive], _PERSON_NUMBER.get(person, person)
    if stem == "war":
        return stem + {"1s": "", "2s": "st", "3s": "", "1p": "en", "2p": "t", "3p": "en"}[number]
    return stem + {"1s": "", "2s": "st", "3s": "", "1p": "n", "2p": "t", "3p": "n"}[number]


@cache
def present(verb: Verb, person: str) -> str:
    """Present of a full verb, without its separable prefix."""
    infinitive, number = verb.stem_infinitive, _PERSON_NUMBER.get(person, person)
    if infinitive in _IRREGULAR_PRESENT:
        return auxiliary(infinitive, person)
    if number == "3s":
        return verb.present
    if number in ("1p", "3p"):
        return infinitive
    if number == "2s":
        if verb.present == "hält":
            return "hältst"
        stem = verb.present.removesuffix("t")
        return stem + ("t" if stem.endswith(("s", "ß", "z", "x")) else "st")
    stem = infinitive.removesuffix("n").removesuffix("e")
    if number == "1s":
        return stem[:-2] + "le" if stem.endswith("el") else stem + "e"
    return stem + ("et" if stem.endswith(("t", "d", "ffn", "chn")) else "t")


@cache
def noun_form(noun: Noun, case: str, plural: bool) -> str:
    """A noun by case and number."""
    if plural:
        form = noun.plural or noun.german
        return form + "n" if case == "dat" and not form.endswith(("n", "s")) else form
    if noun.weak and case != "nom" and noun.plural:
        return noun.plural
    return noun.german


def determiner(kind: str, case: str, gender: str, owner: str = "1s") -> str:
    """A determiner: "def", "this", "indef", "no", "poss" (of ``owner``); empty for "none"."""
    if kind == "def":
        return _DEFINITE[case][gender]
    if kind == "this":
        return "dies" + _DIES_ENDING[case][gender]
    if kind == "none" or (kind == "indef" and gender == "p"):
        return ""
    stem = {"indef": "ein", "no": "kein"}.get(kind) or _POSSESSIVE[owner]
    ending = _EIN_ENDING[case][gender]
    return "eur" + ending if stem == "euer" and ending else stem + ending


def adjective_form(adjective: Adjective, kind: str, case: str, gender: str) -> str:
    """An adjective before its noun, after a determiner of ``kind``."""
    if kind in ("def", "this"):
        ending = _WEAK[case][gender]
    elif kind == "none" or (kind == "indef" and gender == "p"):
        ending = _STRONG[case][gender]
    else:
        ending = _MIXED[case][gender]
    return adjective.stem + ending

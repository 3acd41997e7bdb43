"""English inflection, and every verb group that renders a German tense or modal verb.

A verb group is ``(auxiliary, rest)``; the auxiliary is what a question puts before the subject and "not" follows,
and is empty in the plain present and past. The first group returned is the one that references use; the others are
just as right.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from seq2seq_env.tasks.phrasebook.lexicon import Verb

SUBJECT = {
    "1s": "I",
    "2s": "you",
    "3m": "he",
    "3f": "she",
    "3n": "it",
    "1p": "we",
    "2p": "you",
    "3p": "they",
    "formal": "you",
}
OBJECT = SUBJECT | {"1s": "me", "3m": "him", "3f": "her", "1p": "us", "3p": "them"}
POSSESSIVE = {
    "1s": "my",
    "2s": "your",
    "3m": "his",
    "3f": "her",
    "3n": "its",
    "1p": "our",
    "2p": "your",
    "3p": "their",
    "formal": "your",
}

_BE = {"1s": ("am", "was"), "3m": ("is", "was"), "3f": ("is", "was"), "3n": ("is", "was")}
_THIRD = {"have": "has", "do": "does", "go": "goes"}


@dataclass(frozen=True)
class VerbForms:
    """The forms a group is built from; ``particle`` follows each of them."""

    base: str
    third: str
    past: str
    participle: str
    progressive: str
    particle: str = ""

    @classmethod
    def of(cls, verb: Verb) -> VerbForms:
        """Forms of a lexicon verb."""
        base, past, participle, progressive = verb.english
        return cls(base, third_person(base), past, participle, progressive, verb.particle)

    def full(self, form: str) -> str:
        """``form`` with the particle."""
        return f"{form} {self.particle}" if self.particle else form


def third_person(base: str) -> str:
    """The third person singular: "goes", "carries", "buys"."""
    if base in _THIRD:
        return _THIRD[base]
    if base.endswith(("s", "sh", "ch", "x", "z")):
        return base + "es"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ies"
    return base + "s"


def be(person: str, past: bool = False) -> str:
    """A finite form of "be"."""
    return _BE.get(person, ("are", "were"))[past]


def is_third(person: str) -> bool:
    """Whether the plain present takes -s."""
    return person in ("3m", "3f", "3n")


def article(word: str) -> str:
    """The article "a" or "an", by the first letter of what follows."""
    return "an" if word[0].lower() in "aeiou" else "a"


Group = tuple[str, str]


def _plain(forms: VerbForms, person: str, past: bool, split: bool) -> Group:
    """Present or past without an auxiliary, or with "do" where one is needed (``split``)."""
    if forms.base == "be":
        return (be(person, past), forms.full("").strip())
    if split:
        return ("did" if past else "does" if is_third(person) else "do", forms.full(forms.base))
    return ("", forms.full(forms.past if past else forms.third if is_third(person) else forms.base))


_WANT = VerbForms("want", "wants", "wanted", "wanted", "wanting")
_HAVE = VerbForms("have", "has", "had", "had", "having")
_NEED = VerbForms("need", "needs", "needed", "needed", "needing")
_LIKE = VerbForms("like", "likes", "liked", "liked", "liking")
_ENJOY = VerbForms("enjoy", "enjoys", "enjoyed", "enjoyed", "enjoying")


def _to(helper: VerbForms, base: str, person: str, past: bool, split: bool) -> Group:
    auxiliary, rest = _plain(helper, person, past, split)
    return (auxiliary, f"{rest} to {base}")


@cache
def verb_groups(
    forms: VerbForms, person: str, tense: str, *, negated: bool, question: bool, progressive: str
) -> tuple[Group, ...]:
    """Every right rendering of a tense.

    Args:
        forms: The verb.
        person: Of the subject.
        tense: "present", "past", "perfect" (past that may also be a present perfect), "future", a modal verb's
            infinitive, or a modal verb's infinitive with "-past".
        negated: Whether "not" will follow the auxiliary.
        question: Whether the auxiliary will stand before the subject.
        progressive: For the present: "first" (reference uses it), "also" (it is right too) or "never"; "future" means
            that the reference uses "will".
    """
    split = negated or question
    base = forms.full(forms.base)
    if tense == "present":
        plain, ongoing = _plain(forms, person, False, split), (be(person), forms.full(forms.progressive))
        later = ("will", base)
        return {
            "first": (ongoing, plain),
            "also": (plain, ongoing, later),
            "future": (later, ongoing, plain),
            "never": (plain,),
        }[progressive]
    if tense in ("past", "perfect"):
        plain = _plain(forms, person, True, split)
        if tense == "past":
            return (plain,)
        return (plain, ("has" if is_third(person) else "have", forms.full(forms.participle)))
    if tense == "future":
        return (("will", base), (be(person), f"going to {base}"))
    return _modal_groups(tense, base, person, negated, split)


def _modal_groups(modal: str, base: str, person: str, negated: bool, split: bool) -> tuple[Group, ...]:
    """Groups of a modal verb. "Muss nicht" is "does not have to", "darf nicht" is "must not"."""
    now, then = be(person), be(person, True)
    if modal == "können":
        return (("can", base), (now, f"able to {base}"))
    if modal == "können-past":
        return (("could", base), (then, f"able to {base}"))
    if modal == "müssen":
        need = _to(_NEED, base, person, False, split)
        have = _to(_HAVE, base, person, False, split)
        return (have, need) if negated else (have, ("must", base), need)
    if modal == "müssen-past":
        return (_to(_HAVE, base, person, True, split),)
    if modal in ("wollen", "wollen-past"):
        return (_to(_WANT, base, person, modal.endswith("-past"), split),)
    if modal == "dürfen":
        allowed, may = (now, f"allowed to {base}"), ("may", base)
        return (allowed, ("must", base), may, ("can", base)) if negated else (allowed, may, ("can", base))
    if modal == "dürfen-past":
        return ((then, f"allowed to {base}"), ("could", base))
    if modal == "sollen":
        return (("should", base), (now, f"supposed to {base}"))
    if modal == "möchten":
        return (("would", f"like to {base}"), _to(_WANT, base, person, False, split))
    raise ValueError(f"no English for the tense {modal!r}")


@cache
def liking_groups(forms: VerbForms, person: str, *, negated: bool, question: bool) -> tuple[Group, ...]:
    """Renderings of a German verb with "gern": like to, like ...ing, enjoy ...ing."""
    groups = []
    for helper, rest in (
        (_LIKE, f"to {forms.full(forms.base)}"),
        (_LIKE, forms.full(forms.progressive)),
        (_ENJOY, forms.full(forms.progressive)),
    ):
        auxiliary, verb = _plain(helper, person, False, negated or question)
        groups.append((auxiliary, f"{verb} {rest}"))
    return tuple(groups)

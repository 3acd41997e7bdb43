"""Rules of guards: what of a hypothesis shows, without a reference, that a scorer's hole is being used.

A rule is a number for each pair of source and hypothesis that is larger the more suspicious the pair is. Nothing here
knows a language but :func:`other_language`, whose model knows about a hundred, and what marks the hour of a clock, in
English and German. Shape letter: N pairs.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

from seq2seq_env.extras import require
from seq2seq_env.writing import is_spaced, words

_NUMBER = re.compile(r"\d{1,3}(?:[.,'’\u00a0\u202f]\d{3})+(?!\d)|\d+")  # noqa: RUF001  # marks of thousands
_SPACED = re.compile(r"(?<![\d.,:])\d{1,3}(?:[ \u2009]\d{3})+(?!\d)")  # a number in groups, or several numbers
# Not "am", which is a German word: morning hours are the same on either clock.
_HOUR_MARK = r"(?=\s?(?:a\.\s?m\b|p\.?\s?m\b|uhr\b|o['\u2019]clock\b))"
_CLOCK = re.compile(rf"(?<!\d)([01]?\d|2[0-4])(?:[:h]([0-5]\d)(?!\d)|(?:\.([0-5]\d))?{_HOUR_MARK})", re.IGNORECASE)
_GRAM = 5  # characters of what a copy shares with its source; shorter ones are shared by chance
_PHRASE = 3  # words of what stands twice


def is_empty(hypothesis: str) -> bool:
    """Whether there is no letter and no digit."""
    return not any(character.isalnum() for character in hypothesis)


def log_length_ratio(source: str, hypothesis: str) -> float:
    """Logarithm of the hypothesis's length over the source's, in characters without spaces, one added to both."""
    long, expected = (1 + sum(not character.isspace() for character in text) for text in (hypothesis, source))
    return math.log(long / expected)


def copied_share(source: str, hypothesis: str) -> float:
    """Share of the hypothesis's runs of five characters that the source has, too; of shorter texts, whether equal."""
    one, other = (" ".join(text.casefold().split()) for text in (source, hypothesis))
    if len(other) < _GRAM:
        return float(one == other)
    known = {one[at : at + _GRAM] for at in range(len(one) - _GRAM + 1)}
    places = range(len(other) - _GRAM + 1)
    return sum(other[at : at + _GRAM] in known for at in places) / len(places)


def repeated_units(source: str, hypothesis: str) -> float:
    """Words that say again what was said: the hypothesis's, less the source's.

    Counted are the longest stretch that repeats, at once, the phrase before it, and phrases of three words that stood
    there before; whichever is more. Where words have no spaces between them, characters take their place.
    """
    return max(0.0, float(_repeated(hypothesis) - _repeated(source)))


def _repeated(text: str) -> int:
    units = words(text.casefold(), spaced=text.isascii() or is_spaced([text]))
    if len(set(units)) == len(units):
        return 0
    again = 0
    for period in range(1, len(units) // 2 + 1):
        run = 0
        for at in range(period, len(units)):
            run = run + 1 if units[at] == units[at - period] else 0
            again = max(again, run if run >= period else 0)
    phrases = [tuple(units[at : at + _PHRASE]) for at in range(len(units) - _PHRASE + 1)]
    return max(again, len(phrases) - len(set(phrases)))


def changed_numbers(source: str, hypothesis: str) -> float:
    """Numbers in digits that one of the two texts has and the other lacks, the larger of both counts.

    Digits of all scripts are equal; marks of thousands count nothing, and a fraction is two numbers, whatever mark is
    between them. Groups of three digits with spaces between them are one number or several, whichever agrees. Nor does
    it count whether a clock has 12 hours or 24, and whether a full hour has its ":00": a number that lies 12 from the
    other text's is the same where one of the two is an hour, by its minutes or by a.m., p.m., Uhr or o'clock. A number
    in letters is none: only references can tell, by the threshold, whether digits may become letters.
    """
    ones, others = ({_ascii(text), _joined(_ascii(text))} for text in (source, hypothesis))
    return float(min(_changed(one, other) for one in ones for other in others))


def _changed(source: str, hypothesis: str) -> int:
    one, other = (Counter(numbers(text)) for text in (source, hypothesis))
    lost, added = one - other, other - one
    if lost and added:
        ours, theirs = _hours(source), _hours(hypothesis)
        # An hour that both texts mark is accounted for: it excuses no other number.
        for hour, count in ((ours - theirs) + (theirs - ours)).items():
            early, late = str(hour), str(hour + 12)
            for less, more in ((lost, added), (added, lost)):
                same = min(less[early], more[late], count)
                less[early] -= same
                more[late] -= same
                count -= same
    return max(lost.total(), added.total())


def numbers(text: str) -> list[str]:
    """The numbers of a text that stand in digits, in ASCII, without leading zeros; hours of clocks are 0 to 11."""
    plain = _CLOCK.sub(_twelve_hours, _ascii(text))
    # As text, since Python makes no number of more than 4,300 digits.
    return ["".join(filter(str.isdecimal, number)).lstrip("0") or "0" for number in _NUMBER.findall(plain)]


def _ascii(text: str) -> str:
    if text.isascii():
        return text
    return "".join(str(unicodedata.digit(each)) if each.isdecimal() else each for each in text)


def _joined(text: str) -> str:
    return _SPACED.sub(lambda groups: "".join(filter(str.isdecimal, groups[0])), text)


def _twelve_hours(clock: re.Match[str]) -> str:
    minutes = clock[2] or clock[3] or "00"
    return str(int(clock[1]) % 12) + ("" if minutes == "00" else f":{minutes}")


def _hours(text: str) -> Counter[int]:
    return Counter(int(clock[1]) % 12 for clock in _CLOCK.finditer(text))


def has_numbers(source: str, hypothesis: str) -> bool:
    """Whether one of the two texts has a number in digits."""
    return any(each.isdecimal() for each in source + hypothesis)


def other_language(hypotheses: Sequence[str], language: str) -> list[float]:
    """How much more likely, in logarithms, a text is in the likeliest other language than in ``language``, ``[N]``.

    Divided by the square root of the text's bytes, as the identifier does for its probabilities.
    """
    rank = _identifier().rank
    margins = []
    for text in hypotheses:
        scores = dict(rank(text))
        own = scores.pop(language)
        margins.append((max(scores.values()) - own) / math.sqrt(max(1, len(text.encode("utf-8", "surrogatepass")))))
    return margins


def likeliest_language(texts: Sequence[str]) -> tuple[str, float]:
    """The language that most of the texts are in by the identifier, and the share of them that are."""
    rank = _identifier().rank
    (language, count), *_ = Counter(rank(text)[0][0] for text in texts).most_common(1)
    return language, count / len(texts)


def known_languages() -> list[str]:
    """ISO 639-1 codes, more or less, of the languages that the identifier tells apart."""
    return sorted(language for language, _ in _identifier().rank("a"))


def _identifier() -> Any:
    return require("py3langid", "the guard 'language'")

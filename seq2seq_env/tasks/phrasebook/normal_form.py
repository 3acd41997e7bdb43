"""One spelling for what English can write in several ways: contractions, clock times, dates, prices, numerals."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache

from babel.dates import get_month_names

from seq2seq_env.tasks.phrasebook.lexicon import lexicon
from seq2seq_env.tasks.phrasebook.quantities import number_words, ordinal_words

Tokens = tuple[str, ...]

_Found = tuple[str, int]
"""A token and how many tokens it stands for; 0 where nothing was found."""

_Counted = tuple[int, int]
"""A number and how many tokens it takes; 0 tokens where there is none."""

_TOKEN = re.compile(
    r"[ap]\.m\b\.?|(?:mrs?|ms)\.|€?\d+(?:[.,:]\d+)*(?:(?:st|nd|rd|th)\b)?|[^\W\d_]+(?:'[^\W\d_]+)*|[^\s\w]|_+"
)
_PLAIN = re.compile(r"[a-z]+(?: [a-z]+)*")
_HYPHEN = re.compile(r"(?<=[a-z\d])-(?=[a-z])")
_DECIMAL_COMMA = re.compile(r",(?=\d\d?$)")
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\u00b4`", "'"))
_FREE_MARKS = frozenset(",;:-\u2013\u2014\u2026()[]'\"\u201c\u201d\u201e\u00ab\u00bb")
"""Marks that say nothing, typographic ones among them; a mark beside the same mark is noise."""
_DIGITAL = re.compile(r"(\d{1,2})([:.])(\d\d)")

_CONTRACTIONS: dict[str, Tokens] = {
    "can't": ("can", "not"),
    "cannot": ("can", "not"),
    "won't": ("will", "not"),
    "shan't": ("shall", "not"),
    "let's": ("let", "us"),
    "o'clock": ("o'clock",),
}
_ENDINGS = {"n't": "not", "'m": "am", "'re": "are", "'s": "is", "'ll": "will", "'d": "would", "'ve": "have"}
_BETWEEN = frozenset({"not", "never", "already", "often", "always", "sometimes", "rarely", "just", "also"})
_AFTER_IS = frozenset({"allowed", "supposed", "cancelled", "canceled"})
_SPELLINGS = {
    "mr.": "mr",
    "mister": "mr",
    "miss": "ms",
    "ms.": "ms",
    "mrs": "ms",
    "mrs.": "ms",
    "neighbor": "neighbour",
    "neighbors": "neighbours",
    "harbor": "harbour",
    "theater": "theatre",
    "omelet": "omelette",
    "omelets": "omelettes",
    "harbors": "harbours",
    "theaters": "theatres",
    "tire": "tyre",
    "tires": "tyres",
    "gray": "grey",
    "cozy": "cosy",
    "organize": "organise",
    "organizes": "organises",
    "organized": "organised",
    "organizing": "organising",
    "traveled": "travelled",
    "traveling": "travelling",
    "canceled": "cancelled",
    "canceling": "cancelling",
}
"""American spellings by the British ones of the references; "Mrs" and "Miss" are as right as "Ms" for "Frau"."""

_SMALL = {word: number for number in range(100) if "-" not in (word := number_words(number, "en"))}
_ORDINALS = {word: number for number in range(1, 32) for word in ordinal_words(number)}
_MONTHS = {name.lower(): number for number, name in get_month_names("wide", locale="en").items()}
_EURO = frozenset({"euro", "euros", "eur", "€"})
_HALVES = {"a.m.": 0, "a.m": 0, "am": 0, "p.m.": 12, "p.m": 12, "pm": 12}
_LINKS = {"past": 1, "after": 1, "to": -1, "before": -1, "till": -1}
_PARTS_OF_DAY = {"morning": 0, "afternoon": 12, "evening": 12}
_QUANTITY = frozenset({*_SMALL, *_MONTHS, *_ORDINALS, *_EURO, "half", "quarter", "hundred", "thousand", "o'clock"})
_DIGITS = "€0123456789"


@lru_cache(maxsize=20_000)
def normal_form(text: str) -> Tokens:
    """Tokens of English text in one canonical spelling.

    Composed (NFC) and in lower case; hyphened words apart; contractions written out ("don't" is "do not"); numerals as
    digits; a clock time is one token ("@3:30" of the twelve-hour dial and morning, "@15:30" of the afternoon), a date
    another ("@5-3"), a price another ("@€47.50"). Single commas, dashes, quotation marks and the like are dropped, and
    so are a final "." and "!"; "?" stays.
    """
    lowered = unicodedata.normalize("NFC", text).lower().translate(_APOSTROPHES)
    if "-" in lowered:
        lowered = _HYPHEN.sub(" ", lowered)
    plain = _PLAIN.fullmatch(lowered) and "cannot" not in lowered
    raw = lowered.split(" ") if plain else _expanded(_TOKEN.findall(lowered))
    tokens = [_SPELLINGS.get(token, token) for token in raw]
    if any(token in _QUANTITY or token[0] in _DIGITS for token in tokens):
        tokens = _merged(tokens)
    return tuple(tokens)


def _expanded(raw: list[str]) -> list[str]:
    """Contractions written out, free marks and the final one dropped."""
    tokens: list[str] = []
    last = len(raw) - 1
    for index, token in enumerate(raw):
        free = token in _FREE_MARKS and (index == 0 or raw[index - 1] != token)
        free = free and not (token == ":" and _token(raw, index + 1)[:1].isdigit())  # half of a clock time
        if token in _CONTRACTIONS:
            tokens += _CONTRACTIONS[token]
        elif "'" in token and not free:
            tokens += _written_out(token, raw[index + 1 : index + 3])
        elif not free and not (token in (".", "!") and index == last and index > 0):
            tokens.append(token)
    return tokens


def _written_out(token: str, following: Sequence[str]) -> Tokens:
    """The words of a contraction such as "don't"; "'s" is "has" before a participle."""
    for ending, word in _ENDINGS.items():
        if token.endswith(ending) and len(token) > len(ending):
            if ending == "'s":
                verb = following[1:2] if following[:1] and following[0] in _BETWEEN else following[:1]
                word = "has" if verb and verb[0] in _participles() else "is"
            return (token[: -len(ending)], word)
    return (token,)


@cache
def _participles() -> frozenset[str]:
    return frozenset(verb.english[2] for verb in lexicon().verbs) - _AFTER_IS


def _merged(tokens: list[str]) -> list[str]:
    """Join the tokens of each number, price, date and clock time."""
    merged: list[str] = []
    at = 0
    while at < len(tokens):
        word, length = tokens[at], 1
        if word in _QUANTITY or word in ("a", "the") or word[0] in _DIGITS:
            for read in (_clock, _date, _price, _number):
                token, taken = read(tokens, at)
                if taken:
                    word, length = token, taken
                    break
        merged.append(word)
        at += length
    return merged


def _token(tokens: Sequence[str], at: int) -> str:
    return tokens[at] if at < len(tokens) else ""


def _number(tokens: list[str], at: int) -> _Found:
    """A cardinal in words ("forty seven", "one hundred and twenty") or digits; "one" alone stays a word."""
    value, length = _below_thousand(tokens, at)
    if length == 1 and 0 < value < 10 and _token(tokens, at + 1) == "thousand":
        linked = _token(tokens, at + 2) == "and"
        rest, more = _below_thousand(tokens, at + 2 + linked)
        return str(1000 * value + rest), 2 + (linked + more if more else 0)
    token = _token(tokens, at)
    if length > 1 or (length and token not in ("a", "one")):
        return str(value), length
    return (_ungrouped(token), 1) if token[:1].isdigit() else ("", 0)


def _below_thousand(tokens: Sequence[str], at: int) -> _Counted:
    """As ``_below_hundred``, with hundreds, and with "a" for one of them or of thousands."""
    a = _token(tokens, at) == "a" and _token(tokens, at + 1) in ("hundred", "thousand")
    value, length = (1, 1) if a else _below_hundred(tokens, at)
    if length == 1 and 0 < value < 10 and _token(tokens, at + 1) == "hundred":
        linked = _token(tokens, at + 2) == "and"
        rest, more = _below_hundred(tokens, at + 2 + linked)
        return 100 * value + rest, 2 + (linked + more if more else 0)
    return value, length


def _below_hundred(tokens: Sequence[str], at: int) -> _Counted:
    """Value and length of a numeral in words."""
    value = _SMALL.get(_token(tokens, at), -1)
    if value < 0:
        return 0, 0
    unit = _SMALL.get(_token(tokens, at + 1), 0)
    if value >= 20 and value % 10 == 0 and 0 < unit < 10:
        return value + unit, 2
    return value, 1


def _below_sixty(tokens: Sequence[str], at: int) -> _Counted:
    """Value and length of an hour or a count of minutes, in words or digits."""
    token = _token(tokens, at)
    value, length = (int(token), 1) if token.isdecimal() and len(token) < 3 else _below_hundred(tokens, at)
    return (value, length) if value < 60 else (0, 0)


def _price(tokens: list[str], at: int) -> _Found:
    """As "€47.50", "47.50 euros", "47 euros and 50 cents", "47 euros 50"."""
    token = tokens[at]
    if token[0] == "€" and len(token) > 1:
        return _amount(token[1:]), 1
    if token in ("€", "eur") and _token(tokens, at + 1)[:1].isdigit():
        return _amount(tokens[at + 1]), 2
    one = token in ("a", "one") and _token(tokens, at + 1) in _EURO
    value, length = ("1", 1) if one else _number(tokens, at)
    if not length or _token(tokens, at + length) not in _EURO:
        return "", 0
    length += 1
    linked = _token(tokens, at + length) == "and"
    cents, more = _number(tokens, at + length + linked)
    named = _token(tokens, at + length + linked + more) in ("cent", "cents")
    if more and cents.isdecimal() and (named or (not linked and len(cents) == 2)):
        return _amount(f"{value}.{int(cents):02d}"), length + linked + more + named
    return _amount(value), length


def _amount(digits: str) -> str:
    whole, _, cents = _ungrouped(digits).partition(".")
    return f"@€{whole}.{cents.ljust(2, '0')}" if cents.strip("0") else f"@€{whole}"


def _ungrouped(digits: str) -> str:
    """Without commas between thousands; one before one or two last digits can only be a decimal one."""
    return _DECIMAL_COMMA.sub(".", digits).replace(",", "")


def _date(tokens: list[str], at: int) -> _Found:
    """As "May 3", "May 3rd", "May the third", "3 May", "the third of May"."""
    if tokens[at] in _MONTHS:
        skip = 1 + (_token(tokens, at + 1) == "the")
        day, length = _day(tokens, at + skip)
        return (f"@{_MONTHS[tokens[at]]}-{day}", skip + length) if length else ("", 0)
    skip = int(tokens[at] == "the")
    day, length = _day(tokens, at + skip)
    month = at + skip + length
    month += _token(tokens, month) == "of"
    if length and _token(tokens, month) in _MONTHS:
        return f"@{_MONTHS[tokens[month]]}-{day}", month + 1 - at
    return "", 0


def _day(tokens: Sequence[str], at: int) -> tuple[int, int]:
    """Day of a month and its length: "3", "3rd", "third", "twenty first"."""
    token, following = _token(tokens, at), _token(tokens, at + 1)
    if token in ("twenty", "thirty") and 0 < _ORDINALS.get(following, 0) < 10 and following.isalpha():
        day, length = _SMALL[token] + _ORDINALS[following], 2
    else:
        day, length = int(token) if token.isdecimal() and len(token) < 3 else _ORDINALS.get(token, 0), 1
    return (day, length) if 1 <= day <= 31 else (0, 0)


def _clock(tokens: list[str], at: int) -> _Found:
    """A clock time, with "o'clock" and with "a.m." or "in the afternoon" if that follows."""
    for read in (_digital, _past_or_to, _full_hour, _hour_and_minutes):
        hour, minute, length = read(tokens, at)
        if length:
            following = _token(tokens, at + length)
            length += following == "o'clock" or (following in ("h", "hours") and ":" in tokens[at])
            half, taken = _HALVES.get(_token(tokens, at + length)), 1
            if half is None and tokens[at + length : at + length + 2] == ["in", "the"]:
                half, taken = _PARTS_OF_DAY.get(_token(tokens, at + length + 2)), 3
            if half is not None:
                return f"@{hour % 12 + half}:{minute:02d}", length + taken
            return f"@{hour}:{minute:02d}", length
    return "", 0


def _digital(tokens: list[str], at: int) -> tuple[int, int, int]:
    """As "3:30", "15:30", "3.30 p.m.", "at 3.30", "5 p.m."."""
    token, following = tokens[at], _token(tokens, at + 1)
    time = _DIGITAL.fullmatch(token)
    after_at = at > 0 and tokens[at - 1] == "at" and following not in _EURO
    if time and (time[2] == ":" or following in _HALVES or after_at):
        hour, minute = int(time[1]), int(time[3])
        return (hour, minute, 1) if hour < 24 and minute < 60 else (0, 0, 0)
    hour, length = _below_sixty(tokens, at)
    named_half = following in _HALVES and (following != "am" or token.isdecimal())
    return (hour, 0, length) if length == 1 and 1 <= hour <= 12 and named_half else (0, 0, 0)


def _past_or_to(tokens: list[str], at: int) -> tuple[int, int, int]:
    """As "half past three", "half three", "(a) quarter to four", "ten (minutes) past three", "ten after three"."""
    link = at + (_token(tokens, at) == "a" and _token(tokens, at + 1) == "quarter")
    named = {"half": 30, "quarter": 15}.get(_token(tokens, link))
    minutes, length = (named, 1) if named else _below_sixty(tokens, link)
    link += length
    link += _token(tokens, link) == "minutes"
    sign = _LINKS.get(_token(tokens, link), 0)
    if tokens[at] == "half" and not sign:  # "half three" is British for half past
        sign, link = 1, at
    hour, taken = _below_sixty(tokens, link + 1)
    if not (length and sign and taken == 1 and 1 <= hour <= 12):
        return 0, 0, 0
    total = hour * 60 + sign * minutes
    return (total // 60 - 1) % 12 + 1, total % 60, link + 2 - at


def _full_hour(tokens: list[str], at: int) -> tuple[int, int, int]:
    """As "three o'clock"."""
    hour, length = _below_sixty(tokens, at)
    on_dial = length == 1 and 1 <= hour <= 12
    return (hour, 0, 2) if on_dial and _token(tokens, at + 1) == "o'clock" else (0, 0, 0)


def _hour_and_minutes(tokens: list[str], at: int) -> tuple[int, int, int]:
    """As "three thirty", unless that is a price."""
    hour, length = _below_hundred(tokens, at)
    minute, more = _below_hundred(tokens, at + 1)
    if length == 1 and 1 <= hour <= 12 and 10 <= minute < 60 and _token(tokens, at + 1 + more) not in _EURO:
        return hour, minute, 1 + more
    return 0, 0, 0

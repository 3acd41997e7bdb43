"""One spelling for what English can write in several ways: contractions, clock times, dates, prices, numerals."""

from __future__ import annotations

import re
from functools import lru_cache

from babel.dates import get_month_names
from num2words import num2words

Tokens = tuple[str, ...]

_TOKEN = re.compile(
    r"[ap]\.m\.|€?\d+(?:[.,:]\d+)*(?:st|nd|rd|th)?\b|[^\W\d_]+(?:'[^\W\d_]+)*|[^\s\w]|[\d_]+", re.IGNORECASE
)
_CONTRACTIONS: dict[str, Tokens] = {
    "can't": ("can", "not"),
    "cannot": ("can", "not"),
    "won't": ("will", "not"),
    "o'clock": ("o'clock",),
}
_ENDINGS: dict[str, str] = {"n't": "not", "'m": "am", "'re": "are", "'s": "is", "'ll": "will", "'d": "would", "'ve": "have"}
_CARDINALS = {str(num2words(n)): n for n in range(100)}
_SMALL = {word: n for word, n in _CARDINALS.items() if "-" not in word}
_ORDINALS = {str(num2words(n, to="ordinal")): n for n in range(1, 32)} | {
    str(num2words(n, to="ordinal_num")): n for n in range(1, 32)
}
_MONTHS = {name.lower(): number for number, name in get_month_names("wide", locale="en").items()}
_HYPHENATED = re.compile(r"\b([a-z]+ty)-([a-z]+)\b")
_PLAIN = re.compile(r"[a-z]+(?: [a-z]+)*")
_SPECIAL = frozenset(
    {*_SMALL, *_MONTHS, *_ORDINALS, "past", "to", "euro", "euros", "half", "quarter", "hundred", "a.m.", "p.m.", "o'clock"}
) - {"to", "past", "may"}


@lru_cache(maxsize=100_000)
def normal_form(text: str) -> Tokens:
    """Tokens of English text in one canonical spelling.

    Lower case; contractions written out ("don't" is "do not"); numerals as digits; a clock time is one token
    ("@3:30" of the twelve-hour dial and morning, "@15:30" of the afternoon), a date another ("@5-3"), a price another
    ("@€47.50"). Commas between words are free, and final "." and "!" are dropped; "?" stays.
    """
    lowered = text.lower().replace("’", "'")
    if "-" in lowered:
        lowered = _HYPHENATED.sub(r"\1 \2", lowered)
    if _PLAIN.fullmatch(lowered):
        tokens = lowered.split(" ")
    else:
        tokens = _expanded(_TOKEN.findall(lowered))
    if any(token in _SPECIAL or token[0] in "€0123456789" for token in tokens) or "may" in tokens:
        tokens = _merged(tokens)
    return tuple(tokens)


def _expanded(raw: list[str]) -> list[str]:
    tokens: list[str] = []
    last = len(raw) - 1
    for index, token in enumerate(raw):
        if "'" in token and token not in _CONTRACTIONS:
            for ending, word in _ENDINGS.items():
                if token.endswith(ending) and len(token) > len(ending):
                    tokens += [token[: -len(ending)], word]
                    break
            else:
                tokens.append(token)
        elif token in _CONTRACTIONS:
            tokens += _CONTRACTIONS[token]
        elif token == "," and 0 < index < last and raw[index - 1] != ",":
            continue
        elif token in ".!" and index == last and index > 0:
            continue
        else:
            tokens.append(token)
    return tokens


def _merged(tokens: list[str]) -> list[str]:
    """Join the tokens of each number, price, date and clock time."""
    merged: list[str] = []
    position = 0
    while position < len(tokens):
        for read in (_clock, _date, _price, _number):
            token, length = read(tokens, position)
            if length:
                break
        else:
            token, length = tokens[position], 1
        merged.append(token)
        position += length
    return merged


def _number(tokens: list[str], at: int) -> tuple[str, int]:
    """A cardinal in words ("forty seven", "one hundred and twenty") or digits."""
    value, length = _below_hundred(tokens, at)
    if length and value == 1 and tokens[at : at + 2] == ["one", "hundred"]:
        rest, more = _below_hundred(tokens, at + 2 + (tokens[at + 2 : at + 3] == ["and"]))
        skipped = 2 + (tokens[at + 2 : at + 3] == ["and"] and more > 0)
        return str(100 + rest), skipped + more
    if length and not (length == 1 and tokens[at] == "one"):
        return str(value), length
    token = tokens[at]
    return (token.replace(",", ""), 1) if token[0].isdigit() else ("", 0)


def _below_hundred(tokens: list[str], at: int) -> tuple[int, int]:
    if at >= len(tokens) or tokens[at] not in _SMALL:
        return 0, 0
    value = _SMALL[tokens[at]]
    unit = _SMALL.get(tokens[at + 1], 0) if at + 1 < len(tokens) else 0
    if value >= 20 and value % 10 == 0 and 0 < unit < 10:
        return value + unit, 2
    return value, 1


def _price(tokens: list[str], at: int) -> tuple[str, int]:
    token = tokens[at]
    if token[0] == "€" and len(token) > 1:
        return _amount(token[1:]), 1
    if token == "€" and at + 1 < len(tokens) and tokens[at + 1][0].isdigit():
        return _amount(tokens[at + 1]), 2
    value, length = _number(tokens, at)
    if length and tokens[at + length : at + length + 1] in (["euro"], ["euros"]):
        return _amount(value), length + 1
    return "", 0


def _amount(digits: str) -> str:
    whole, _, cents = digits.replace(",", "").partition(".")
    return f"@€{whole}" if cents in ("", "00") else f"@€{whole}.{cents}"


def _date(tokens: list[str], at: int) -> tuple[str, int]:
    """ "May 3", "May 3rd", "May the third", "3 May", "the third of May"."""
    if tokens[at] in _MONTHS:
        skip = 1 + (tokens[at + 1 : at + 2] == ["the"])
        day = _day(tokens, at + skip)
        return (f"@{_MONTHS[tokens[at]]}-{day}", skip + 1) if day else ("", 0)
    skip = int(tokens[at] == "the")
    day = _day(tokens, at + skip)
    if day:
        month = at + skip + 1 + (tokens[at + skip + 1 : at + skip + 2] == ["of"])
        if month < len(tokens) and tokens[month] in _MONTHS:
            return f"@{_MONTHS[tokens[month]]}-{day}", month + 1 - at
    return "", 0


def _day(tokens: list[str], at: int) -> int:
    if at >= len(tokens):
        return 0
    token = tokens[at]
    day = int(token) if token.isdecimal() and len(token) < 3 else _ORDINALS.get(token, 0)
    return day if day <= 31 else 0


def _clock(tokens: list[str], at: int) -> tuple[str, int]:
    """ "3:30 p.m.", "half past three", "(a) quarter to four", "ten (minutes) past three", "three thirty", "three o'clock"."""
    token = tokens[at]
    if ":" in token and token[0].isdigit():
        hour, _, minute = token.partition(":")
        if not minute.isdecimal():
            return "", 0
        half = tokens[at + 1] if at + 1 < len(tokens) else ""
        if half in ("a.m.", "p.m.", "am", "pm"):
            return _dial(int(hour) % 12 + (12 if half[0] == "p" else 0), int(minute)), 2
        return _dial(int(hour), int(minute)), 1
    skip = int(token == "a" and tokens[at + 1 : at + 2] == ["quarter"])
    minutes, length = _minutes(tokens, at + skip)
    if length:
        link = at + skip + length
        link += tokens[link : link + 1] == ["minutes"]
        hour, more = _below_hundred(tokens, link + 1)
        if more == 1 and 1 <= hour <= 12 and tokens[link] in ("past", "to"):
            past = tokens[link] == "past"
            total = hour * 60 + (minutes if past else -minutes)
            return _dial(((total // 60) - 1) % 12 + 1, total % 60), link + 2 - at
    hour, length = _below_hundred(tokens, at)
    if length == 1 and 1 <= hour <= 12:
        if tokens[at + 1 : at + 2] == ["o'clock"]:
            return _dial(hour, 0), 2
        minutes, more = _below_hundred(tokens, at + 1)
        if more and minutes >= 10 and tokens[at - 1 : at] == ["at"]:
            return _dial(hour, minutes), 1 + more
    return "", 0


def _minutes(tokens: list[str], at: int) -> tuple[int, int]:
    if tokens[at : at + 1] == ["half"]:
        return 30, 1
    if tokens[at : at + 1] == ["quarter"]:
        return 15, 1
    return _below_hundred(tokens, at)


def _dial(hour: int, minute: int) -> str:
    return f"@{hour}:{minute:02d}"

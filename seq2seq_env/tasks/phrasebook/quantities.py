"""Numbers, clock times, dates and prices in both languages, worded by num2words and Babel."""

from __future__ import annotations

from datetime import date
from functools import cache

from babel.dates import format_date, get_day_names
from babel.numbers import format_currency, format_decimal
from num2words import num2words  # type: ignore[import-untyped]  # it ships no types

MINUTES_SPOKEN = (0, 5, 10, 15, 20, 30, 40, 45, 50, 55)


@cache
def number_words(number: int, language: str) -> str:
    """A cardinal number in words."""
    return str(num2words(number, lang=language))


@cache
def ordinal_words(number: int) -> tuple[str, str]:
    """An English ordinal in words and in digits: ("third", "3rd")."""
    return str(num2words(number, to="ordinal")), str(num2words(number, to="ordinal_num"))


def _hour(hour: int, language: str) -> str:
    hour = (hour - 1) % 12 + 1
    return "eins" if (hour, language) == (1, "de") else number_words(hour, language)


@cache
def spoken_time(hour: int, minute: int) -> tuple[str, str]:
    """A clock time as people say it, German and English: ("halb vier", "half past three").

    Args:
        hour: 1 to 12.
        minute: One of ``MINUTES_SPOKEN``.
    """
    de, en = _hour(hour, "de"), _hour(hour, "en")
    next_de, next_en = _hour(hour + 1, "de"), _hour(hour + 1, "en")
    if minute == 0:
        return ("ein Uhr" if hour % 12 == 1 else f"{de} Uhr", f"{en} o'clock")
    if minute == 30:
        return (f"halb {next_de}", f"half past {en}")
    if minute in (15, 45):
        return (
            (f"Viertel nach {de}", f"quarter past {en}")
            if minute == 15
            else (f"Viertel vor {next_de}", f"quarter to {next_en}")
        )
    if minute < 30:
        return (f"{number_words(minute, 'de')} nach {de}", f"{number_words(minute, 'en')} past {en}")
    left = 60 - minute
    return (f"{number_words(left, 'de')} vor {next_de}", f"{number_words(left, 'en')} to {next_en}")


@cache
def written_time(hour: int, minute: int) -> tuple[str, tuple[str, ...]]:
    """A time of the 24-hour clock, German and English: ("15:40 Uhr", ("3:40 p.m.", "15:40")).

    Args:
        hour: 0 to 23.
        minute: 0 to 59.
    """
    half = "a.m." if hour < 12 else "p.m."
    return (f"{hour}:{minute:02d} Uhr", (f"{(hour - 1) % 12 + 1}:{minute:02d} {half}", f"{hour}:{minute:02d}"))


@cache
def day_of_month(month: int, day: int) -> tuple[str, str]:
    """A date without its year: ("3. Mai", "May 3"). The year 2024 only serves to have a 29 February."""
    day_in_year = date(2024, month, day)
    return (format_date(day_in_year, "d. MMMM", locale="de"), format_date(day_in_year, "MMMM d", locale="en"))


@cache
def weekday(index: int) -> tuple[str, str]:
    """A day of the week, Monday is 0."""
    return (get_day_names("wide", locale="de")[index], get_day_names("wide", locale="en")[index])


@cache
def price(cents: int) -> tuple[str, str]:
    """A price in euros: ("47,50 Euro", "€47.50"); whole euros without decimals."""
    amount = cents / 100
    if cents % 100 == 0:
        return (
            f"{format_decimal(cents // 100, locale='de')} Euro",
            format_currency(cents // 100, "EUR", "¤#,##0", locale="en", currency_digits=False),
        )
    return (f"{format_decimal(amount, '#,##0.00', locale='de')} Euro", format_currency(amount, "EUR", locale="en"))

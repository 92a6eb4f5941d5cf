"""Strings that are numbers or dates, as they come from CSV files and hand-made tables."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress, islice, repeat

import numpy as np
import pandas as pd
from numpy.typing import NDArray

NUMBER, THOUSANDS, DECIMAL_COMMA, TIME = "number", "1,234.5", "1.234,5", "12:30"
NUMBERS = (NUMBER, THOUSANDS, DECIMAL_COMMA, TIME)
"""The forms of strings that are numbers: with separators perhaps with a currency or a percent sign, and times of a day.

Other forms are those of dates, as ``pandas.to_datetime`` names them.
"""

_SEPARATORS = {THOUSANDS: (",", "."), DECIMAL_COMMA: (".", ",")}
_SIGNS = "$€£¥%"

_DAYS = (
    "%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y",
    "%m/%d/%y", "%d/%m/%y", "%d-%b-%y", "%d %B %Y", "%B %d, %Y",
)  # fmt: skip
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
DATES = ("ISO8601", *(day + time for day in _DAYS for time in _TIMES))
"""The forms of dates, the first that reads all strings of a column is its own: of 02/03/2024 the month comes first."""

MISSING_WORDS = frozenset(
    {"", "?", "-", "--", ".", "na", "n/a", "#n/a", "nan", "nat", "none", "null", "nil", "missing"}
)
"""What stands for a missing value among numbers and dates, in small letters."""

MIN_NUMBERS = 20
"""Fewer different numbers in strings are taken for the names of categories."""

MAX_WORDS, MAX_WORD_SHARE = 5, 0.05
"""Of different words among the numbers of a column, such as "refused" and "<0.1", and of the rows that have one."""

_N_TRIED = 50
"""Strings that a form is tried on before all of them."""

_DIGIT = re.compile(r"\d")
_SHOWN = {form: re.compile(rf"[{_SIGNS}]|{re.escape(decimal)}\d") for form, (_, decimal) in _SEPARATORS.items()}
"""What only numbers have: a sign, or a decimal part."""
_FIRST_GROUP = re.compile(r"[1-9]\d{0,2}")
_CODE = re.compile(r"[+-]?0\d")
_DATE = re.compile(r"[^/.-]*\d[^/.-]*[/. -]")
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?")
_NO_MARK = re.compile(r"[^/:,]")
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?!\d)")

_LONGEST = 40
"""Characters of a number or a date."""


def form_of(texts: Sequence[str], counts: Sequence[int] = ()) -> str:
    """The form in which different strings are numbers or dates, all of them; "" where they are neither.

    ``counts`` say how often each occurs: then a few words are let stand among many numbers. Digits with a leading zero
    are codes, and no numbers.

    >>> form_of(["2024-02-29", "?", "2024-03-01 12:30"]), form_of(["29.02.2024", "01.03.2024"]), form_of(["a", "1"])
    ('ISO8601', '%d.%m.%Y', '')
    >>> form_of([f"{i},5 €" for i in range(30)]), form_of([f"${i},200.00" for i in range(1, 31)])
    ('1.234,5', '1,234.5')
    >>> form_of(["tbd", *(f"{i}" for i in range(30))], [1] * 31)
    'number'
    """
    most_words = MAX_WORDS if counts else 0
    first = list(islice(_present(texts), _N_TRIED))  # of millions of names a look at some is enough
    if sum(len(text) > _LONGEST for text in first) > most_words:
        return ""
    of_numbers = [form for form in NUMBERS if _words_among(first, form, most_words) is not None]
    of_dates = [form for form in DATES if _fits(first, form)] if first and all(map(_DATE.match, first)) else []
    if not (of_numbers or of_dates):
        return ""
    present = list(_present(texts))
    n_rows = np.array([n for n, text in zip(counts or repeat(1), texts, strict=False) if not is_missing(text)])
    if form := _form_of_numbers(present, n_rows, of_numbers, most_words):
        return form
    return next((form for form in of_dates if len(present) > 1 and _fits(present, form)), "")


def _form_of_numbers(texts: Sequence[str], n_rows: NDArray[np.int64], forms: Sequence[str], most_words: int) -> str:
    """The form that leaves the fewest rows to words, the first of equal ones; "" where there are too many in all."""
    found, fewest = "", math.inf
    for form in forms:
        is_word = _words_among(texts, form, most_words)
        if is_word is None:
            continue
        n_words = int(n_rows[is_word].sum())
        if n_words == 0:
            return form
        if n_words < fewest and n_words <= MAX_WORD_SHARE * n_rows.sum():
            found, fewest = form, n_words
    return found


def read_numbers(texts: Sequence[str], form: str = NUMBER) -> NDArray[np.float64]:
    """NaN where a string is no number in that form, or plainly; per cent are not divided by a hundred.

    >>> read_numbers(["8:30", "23:59:60", "3:1"], TIME), read_numbers(["$1,000", "5 %"], THOUSANDS)
    (array([8.5, nan, nan]), array([1000.,    5.]))
    """
    if form == TIME:
        return np.array([_hours(text.strip()) for text in texts], np.float64)
    plain = pd.Series(texts, dtype=object)
    if form != NUMBER:
        plain = plain.map(lambda text: _plain_number(text, *_SEPARATORS[form]))
    return pd.to_numeric(plain, errors="coerce").to_numpy(np.float64, copy=True)


def _plain_number(text: str, thousands: str, decimal: str) -> str:
    """The number without signs and separators; the text itself where its groups are not of three digits."""
    bare = text.strip(_SIGNS + " \u00a0")
    if bare[:1] in ("+", "-"):
        bare = bare[0] + bare[1:].lstrip(_SIGNS + " \u00a0")
    whole, _, fraction = bare.partition(decimal)
    first, *groups = whole.split(thousands)
    digits = first.lstrip("+-")
    if groups and not (_FIRST_GROUP.fullmatch(digits) and all(len(group) == 3 for group in groups)):
        return text
    return "".join([first, *groups]) + (f".{fraction}" if fraction else "")


def _hours(text: str) -> float:
    """Since midnight, NaN where it is no time of a day."""
    time = _TIME.fullmatch(text)
    return int(time[1]) + int(time[2]) / 60 + float(time[3] or 0) / 3600 if time else math.nan


def read_dates(texts: Sequence[str], form: str) -> NDArray[np.datetime64]:
    """In UTC, NaT where a string is no date of that form."""
    read = pd.to_datetime(pd.Series(texts, dtype=object), utc=True, errors="coerce", format=form)
    return read.dt.tz_localize(None).to_numpy("datetime64[us]")


def is_missing(text: str) -> bool:
    """Whether a string among numbers or dates says that there is none."""
    return text.strip().lower() in MISSING_WORDS


def _present(texts: Iterable[str]) -> Iterator[str]:
    return (text.strip() for text in texts if not is_missing(text))


def _words_among(texts: Sequence[str], form: str, most: int) -> NDArray[np.bool_] | None:
    """Which are no numbers of the form; None where these are more than ``most``, or the others codes, or few.

    Some must show that they are numbers: of one shape, such as 192.168.100.101, digits in groups are codes.
    """
    if len(texts) <= MIN_NUMBERS:
        return None
    is_word = np.isnan(read_numbers(texts, form))
    n_words = int(is_word.sum())
    if n_words > most or len(texts) - n_words <= MIN_NUMBERS:
        return None
    if form == TIME:
        return is_word if n_words == 0 else None  # among ratios such as 4:10 some are no times
    numbers = list(compress(texts, ~is_word))
    if any(map(_CODE.match, numbers)):
        return None
    is_shown = form == NUMBER or len({_DIGIT.sub("", n) for n in numbers}) > 1 or any(map(_SHOWN[form].search, numbers))
    return is_word if is_shown else None


def _fits(texts: Sequence[str], form: str) -> bool:
    if form == "ISO8601":
        if not all(map(_ISO.match, texts)):
            return False  # pandas takes 4711-08 for a month
    elif _NO_MARK.sub("", texts[0]) != _NO_MARK.sub("", form):
        return False  # seen at once of most forms
    return not np.isnat(read_dates(texts, form)).any()

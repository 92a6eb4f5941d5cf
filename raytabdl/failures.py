"""Why something failed, in one line: the end of a traceback, or of what Ray says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def last_line(text: str) -> str:
    """The last line that is not blank, which of a traceback names the error; "" where there is none.

    >>> last_line("Traceback (most recent call last):\\n  ...\\nValueError: too few rows\\n")
    'ValueError: too few rows'
    """
    *_, last = text.strip().splitlines() or [""]
    return last.strip()


def reasons(texts: Iterable[str]) -> dict[str, int]:
    """The last lines, with how often each occurs, the most frequent first; a blank text has none.

    >>> reasons(["KeyError", "", "Traceback\\nMemoryError", "Traceback\\nMemoryError"])
    {'MemoryError': 2, 'KeyError': 1}
    """
    return dict(Counter(filter(None, map(last_line, texts))).most_common())

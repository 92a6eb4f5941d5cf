"""Free text as numbers: how often a text has each of the words that many of the texts have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

LEAST_WORDS = 3
"""Of the text in the middle, digits alone not counted: shorter ones are names or ids."""

MOST_WORDS = 100
"""Of a column, the most frequent first."""

LEAST_SHARE, MOST_SHARE = 0.01, 0.5
"""Of the texts that have a word, if it is to tell anything of more than a few of them."""

_FEWEST_TEXTS = 5
_SAMPLE = 20_000
"""Texts that words are looked for in."""

_WORD = re.compile(r"\w\w+")


def common_words(texts: pd.Series) -> tuple[str, ...]:
    """The words of a column of free text that are worth a column of their own; nothing where it is no such text."""
    present = texts.dropna()
    sample = list(present if len(present) <= _SAMPLE else present.sample(_SAMPLE, random_state=0))
    if not sample or not all(isinstance(text, str) for text in sample):
        return ()
    found = [_WORD.findall(text.lower()) for text in sample]
    if np.median([sum(not word.isdecimal() for word in words) for words in found]) < LEAST_WORDS:
        return ()
    n_texts = Counter(word for words in found for word in set(words))
    least, most = max(_FEWEST_TEXTS, LEAST_SHARE * len(sample)), MOST_SHARE * len(sample)
    telling = [word for word in sorted(n_texts) if least <= n_texts[word] <= most]
    return tuple(sorted(telling, key=lambda word: -n_texts[word])[:MOST_WORDS])


def word_counts(texts: pd.Series, words: Sequence[str]) -> NDArray[np.float32]:
    """log(1 + n) of the number n of all words, then of each of the words: (n_texts, 1 + n_words), NaN where missing."""
    place = {word: 1 + i for i, word in enumerate(words)}
    counts = np.zeros((len(texts), 1 + len(words)), np.float32)
    is_missing = texts.isna().to_numpy()
    for row, text in enumerate(texts.astype(object)):
        if not is_missing[row]:
            found = _WORD.findall(str(text).lower())
            counts[row, 0] = len(found)
            for word in found:
                if word in place:
                    counts[row, place[word]] += 1
    counts[is_missing] = np.nan
    return np.log1p(counts)

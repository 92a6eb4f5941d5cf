"""Free text as numbers: how often a text has each of the words that many of the texts have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

LEAST_WORDS = 3
"""Of the text in the middle: shorter ones are names or ids."""

MOST_WORDS = 100
"""Of a column, the most frequent first."""

LEAST_TEXTS, MOST_SHARE = 0.01, 0.5
"""The shares of the texts that have a word, if it is to tell anything of more than a few of them."""

_FEWEST_TEXTS = 5
_SAMPLE = 20_000
"""Texts that words are looked for in."""

_WORD = r"(?u)\b\w\w+\b"


def common_words(texts: pd.Series) -> tuple[str, ...]:
    """The words of a column of free text that are worth a column of their own; nothing where it is no such text."""
    present = texts.dropna()
    if len(present) == 0 or not all(isinstance(text, str) for text in present.head(_SAMPLE)):
        return ()
    sample = present if len(present) <= _SAMPLE else present.sample(_SAMPLE, random_state=0)
    if sample.str.count(_WORD).median() < LEAST_WORDS:
        return ()
    from sklearn.feature_extraction.text import CountVectorizer

    least = max(_FEWEST_TEXTS, int(LEAST_TEXTS * len(sample)))
    try:
        vectorizer = CountVectorizer(token_pattern=_WORD, min_df=least, max_df=MOST_SHARE, binary=True).fit(sample)
    except ValueError:  # no word is left
        return ()
    n_texts = np.asarray(vectorizer.transform(sample).sum(axis=0)).ravel()
    words = vectorizer.get_feature_names_out()
    return tuple(words[np.argsort(-n_texts, kind="stable")[:MOST_WORDS]])


def word_counts(texts: pd.Series, words: Sequence[str]) -> NDArray[np.float32]:
    """log(1 + n) of the number n of all words, then of each of the words: (n_texts, 1 + n_words), NaN where missing."""
    from sklearn.feature_extraction.text import CountVectorizer

    is_present = texts.notna().to_numpy()
    counts = np.full((len(texts), 1 + len(words)), np.nan, np.float32)
    if is_present.any():
        present = texts[is_present].astype(str)
        counts[is_present, 0] = present.str.count(_WORD)
        vectorizer = CountVectorizer(token_pattern=_WORD, vocabulary=list(words))
        counts[is_present, 1:] = vectorizer.transform(present).toarray()
    return np.log1p(counts)

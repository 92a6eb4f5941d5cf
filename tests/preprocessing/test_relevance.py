from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kruskal, spearmanr

from raytabdl.inputs import Target, TaskType
from raytabdl.preprocessing.relevance import relevance

VALUE, THREE = Target(TaskType.REGRESSION, 0), Target(TaskType.MULTICLASS, 3)


def test_the_relevance_for_a_value_is_the_square_of_spearmans_correlation():
    rng = np.random.default_rng(0)
    X, y = rng.integers(5, size=(200, 3)), rng.normal(size=200)
    expected = [spearmanr(column, y).statistic ** 2 for column in X.T]
    assert relevance(X, y, VALUE) == pytest.approx(np.array(expected))


def test_the_relevance_for_classes_is_the_statistic_of_kruskal_and_wallis():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 3)), rng.integers(3, size=200)
    expected = [kruskal(*(column[y == c] for c in range(3))).statistic / 199 for column in X.T]
    assert relevance(X, y, THREE) == pytest.approx(np.array(expected))


def test_any_rising_function_of_the_target_is_all_relevant_and_a_constant_is_not():
    y = np.random.default_rng(0).normal(size=50)
    assert relevance(np.column_stack([np.exp(y), -(y**3), np.ones(50)]), y, VALUE) == pytest.approx([1, 1, 0])

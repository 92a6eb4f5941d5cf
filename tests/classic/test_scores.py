"""Raw scores of boosted trees, summed up as rounds come."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from raytabdl.classic.scores import BLOCK, RawScores, predictions_of
from raytabdl.inputs import Inputs, Target, TaskType

ROWS = Inputs(np.zeros((3, 1), np.float32), np.zeros((3, 0), np.int32), ())
TREES = np.random.default_rng(0).normal(size=(3, 400))


class Asked:
    """A booster of 400 trees, and how many of them were summed up."""

    def __init__(self):
        self.n_trees = 0

    def __call__(self, X, first, end):
        self.n_trees += end - first
        return TREES[:, first:end].sum(axis=1)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=20))
def test_scores_are_the_sum_of_all_trees_in_whatever_order_they_are_asked_for(numbers):
    scores = RawScores()
    for n in numbers:
        np.testing.assert_allclose(scores.up_to(ROWS, n, Asked()), TREES[:, :n].sum(axis=1), atol=1e-12)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=20))
def test_scores_do_not_depend_on_what_was_asked_before(numbers):
    scores = RawScores()
    for n in sorted(numbers):
        last = scores.up_to(ROWS, n, Asked())
    np.testing.assert_array_equal(last, RawScores().up_to(ROWS, max(numbers), Asked()))


def test_each_whole_block_of_a_course_is_summed_up_once():
    scores, asked = RawScores(), Asked()
    for n in range(BLOCK, 401, BLOCK):
        scores.up_to(ROWS, n, asked)
    assert asked.n_trees == 400


def test_other_rows_have_scores_of_their_own():
    scores = RawScores()
    scores.up_to(ROWS, 100, Asked())
    others = Inputs(np.ones((3, 1), np.float32), np.zeros((3, 0), np.int32), ())
    np.testing.assert_array_equal(scores.up_to(others, 80, lambda _, first, end: np.full(3, end - first)), [80] * 3)


@pytest.mark.parametrize("size", [1.0, 1e3])
def test_probabilities_are_the_logistic_function_and_softmax_however_large_the_scores(size):
    raw = size * TREES[:, :4]
    np.testing.assert_allclose(predictions_of(raw, Target(TaskType.MULTICLASS, 4)), softmax(raw, axis=1), atol=1e-15)
    both = np.stack([np.zeros(3), raw[:, 0]], axis=1)
    np.testing.assert_allclose(predictions_of(raw[:, 0], Target(TaskType.BINARY, 2)), softmax(both, axis=1), atol=1e-15)

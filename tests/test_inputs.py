"""Encoded rows."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np

from raytabdl.inputs import Inputs


def doubled(X):
    return 2 * X.numeric


def test_what_models_make_of_rows_is_made_once_and_goes_no_further_than_these_rows():
    X = Inputs(np.ones((3, 2), np.float32), np.zeros((3, 0), np.int32), ())
    made = X.once(doubled)
    assert X.once(doubled) is made
    np.testing.assert_array_equal(X.once(len), 3)
    before = len(pickle.dumps(replace(X)))
    assert len(pickle.dumps(X)) == before
    for other in (replace(X, numeric=X.numeric + 1), X.take(np.array([0])), copy.deepcopy(X)):
        np.testing.assert_array_equal(other.once(doubled), 2 * other.numeric)

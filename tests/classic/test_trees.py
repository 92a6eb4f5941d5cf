"""Trees as arrays: the leaves that rows fall into are those of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

from raytabdl.classic import trees as module
from raytabdl.classic.trees import Trees

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(200, 4)).astype(np.float32)
Y = RNG.normal(size=(200, 3))
DEPTHS = [None, 1, 3, None, 9]
THEIRS = [DecisionTreeRegressor(max_depth=depth, random_state=i).fit(ROWS, Y + i) for i, depth in enumerate(DEPTHS)]
THEIRS.insert(2, DecisionTreeRegressor().fit(ROWS, np.ones((200, 3))))  # one leaf


def arrays(tree):
    grown = tree.tree_
    return {
        "sizes": np.array([grown.node_count]),
        "feature": grown.feature.astype(np.int32),
        "threshold": grown.threshold,
        "left": grown.children_left,
        "right": grown.children_right,
        "value": grown.value[:, :, 0],
    }


TREES = Trees.joined([Trees.restored(arrays(tree)) for tree in THEIRS])


@pytest.mark.parametrize("n_together", [1, 4, 10_000])
@pytest.mark.parametrize("n_rows", [0, 1, 3, 200])
def test_a_row_falls_into_the_leaf_that_scikit_learn_says(monkeypatch, n_rows, n_together):
    monkeypatch.setattr(module, "_WALKERS", n_together * max(1, n_rows))
    rows = RNG.normal(size=(n_rows, 4)).astype(np.float32)
    for first, end in ((0, 6), (1, 5), (2, 3), (4, 4)):
        expected = sum((tree.predict(rows) for tree in THEIRS[first:end] if n_rows), np.zeros((n_rows, 3)))
        np.testing.assert_allclose(TREES.sums(rows, first, end), expected, atol=1e-12)


def test_a_row_has_the_same_sum_alone():
    alone = [TREES.sums(ROWS[[i]], 0, len(TREES))[0] for i in range(50)]
    np.testing.assert_allclose(alone, TREES.sums(ROWS, 0, len(TREES))[:50], rtol=1e-12)


def test_the_state_of_trees_is_that_of_each_of_them():
    state, each = TREES.state(), [arrays(tree) for tree in THEIRS]
    for name in ("sizes", "threshold", "left", "right", "value"):
        np.testing.assert_array_equal(state[name], np.concatenate([own[name] for own in each]))
    again = Trees.restored(state)
    for name in ("feature", "threshold", "children", "value", "roots"):
        np.testing.assert_array_equal(getattr(again, name), getattr(TREES, name))


def test_trees_without_a_split_look_at_no_column():
    stump = Trees.restored(arrays(THEIRS[2]))
    np.testing.assert_array_equal(stump.sums(np.empty((2, 0), np.float32), 0, 1), np.ones((2, 3)))

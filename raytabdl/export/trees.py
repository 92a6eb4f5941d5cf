"""LightGBM's trees and forests as operators."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from raytabdl.classic.forests import BELOW_ALL
from raytabdl.classic.trees import Trees
from raytabdl.export.graph import EncodedRows, Graph, Value

_LESS_OR_EQUAL, _IN_SET = 0, 6
"""Modes of a split in ONNX."""

_SUM = 1

_IS_CATEGORICAL, _DEFAULTS_LEFT, _MISSING_IS_NAN = 1, 2, 8
"""Bits of the type of a split in LightGBM's files; where missing is not NaN, NaN counts as 0."""


@dataclass(frozen=True)
class Tree:
    """A tree in ONNX's form: arrays over its splits. A child below 0 is the leaf ``~child``; yes is the left one.

    ``sets`` has the values of each split by a set, in the order of these splits.
    """

    feature: NDArray[Any]
    threshold: NDArray[Any]
    mode: NDArray[Any]
    is_yes_if_missing: NDArray[Any]
    left: NDArray[Any]
    right: NDArray[Any]
    values: NDArray[np.float64]
    """Of the leaves: (n_leaves, n_outputs)."""
    sets: list[list[int]] = field(default_factory=list)


def lightgbm_scores(g: Graph, model: Any, n_iterations: int, rows: EncodedRows) -> Value:
    """Raw scores, (n, 1) or (n, n_classes) of float64."""
    n_outputs = model.booster_.num_model_per_iteration()
    trees = _lightgbm_trees(model.booster_.model_to_string(num_iteration=n_iterations))
    unseen = g.op("Equal", rows.categorical, g.integers([0]))
    codes = g.op("Where", unseen, g.integers([-1]), rows.categorical)
    leaves = _leaf_values(g, trees, g.concat([g.double(rows.numeric), g.double(codes)]))
    n_each = len(trees) // n_outputs
    by_class = g.op("Reshape", leaves, g.integers([-1, n_each, n_outputs]))  # the trees of an iteration are in a row
    return g.op("ReduceSum", by_class, g.integers([1]), keepdims=0)


def forest_values(g: Graph, model: Any, n_iterations: int, rows: EncodedRows) -> Value:
    """The mean of the trees: shares of classes (n, n_classes), or values (n, 1)."""
    missing = g.op("IsNaN", rows.numeric)
    numeric = g.double(g.op("Where", missing, g.constant(BELOW_ALL), rows.numeric))
    trees = [_forest_tree(model.trees_, i) for i in range(min(n_iterations, len(model.trees_)))]
    leaves = _leaf_values(g, trees, g.concat([numeric, g.double(rows.categorical)]))
    return g.op("ReduceMean", leaves, g.integers([1]), keepdims=0)


def _leaf_values(g: Graph, trees: list[Tree], matrix: Value) -> Value:
    """The values of the leaves that a row falls into, (n, n_trees, n_outputs).

    A tree of the operator has one number a leaf, which is its place among the leaves of all trees.
    """
    ends = np.cumsum([len(tree.values) for tree in trees])
    place = g.op(
        "TreeEnsemble", matrix, domain="ai.onnx.ml", n_targets=len(trees), aggregate_function=_SUM, **_attributes(trees)
    )
    values = g.constant(np.concatenate([tree.values for tree in trees]).astype(np.float64))
    assert ends[-1] < 2**53  # places are exact in float64
    return g.op("Gather", values, g.cast(place, TensorProto.INT64))


def _attributes(trees: list[Tree]) -> dict[str, Any]:
    first_split = np.cumsum([0, *(len(tree.feature) for tree in trees)])
    first_leaf = np.cumsum([0, *(len(tree.values) for tree in trees)])

    def children(side: str) -> tuple[list[int], list[int]]:
        """The places of children among splits or leaves of all trees, and whether they are leaves."""
        places, are_leaves = [], []
        for tree, split, leaf in zip(trees, first_split, first_leaf, strict=False):
            child = getattr(tree, side).astype(np.int64)
            places.append(np.where(child < 0, leaf + ~child, split + child))
            are_leaves.append(child < 0)
        return np.concatenate(places).tolist(), np.concatenate(are_leaves).astype(np.int64).tolist()

    true_places, true_leaves = children("left")
    false_places, false_leaves = children("right")
    sets = [value for tree in trees for members in tree.sets for value in (*members, np.nan)]
    attributes = {
        "tree_roots": first_split[:-1].tolist(),
        "nodes_featureids": _joined(trees, "feature"),
        "nodes_splits": _tensor(_joined(trees, "threshold"), np.float64),
        "nodes_modes": _tensor(_joined(trees, "mode"), np.uint8),
        "nodes_missing_value_tracks_true": _joined(trees, "is_yes_if_missing"),
        "nodes_truenodeids": true_places,
        "nodes_trueleafs": true_leaves,
        "nodes_falsenodeids": false_places,
        "nodes_falseleafs": false_leaves,
        "leaf_targetids": np.repeat(np.arange(len(trees)), [len(tree.values) for tree in trees]).tolist(),
        "leaf_weights": _tensor(np.arange(first_leaf[-1]), np.float64),
    }
    return {**attributes, "membership_values": _tensor(sets, np.float64)} if sets else attributes


def _lightgbm_trees(text: str) -> list[Tree]:
    """From LightGBM's own text, whose arrays are nearly those of ONNX."""
    blocks = text.split("\nTree=")[1:]
    return [_lightgbm_tree(dict(line.split("=", 1) for line in block.splitlines() if "=" in line)) for block in blocks]


def _lightgbm_tree(entries: dict[str, str]) -> Tree:
    values = _numbers(entries, "leaf_value", np.float64).reshape(-1, 1)
    if len(values) == 1:  # never split
        return _stump(values)
    kinds = _numbers(entries, "decision_type", np.int64)
    thresholds = _numbers(entries, "threshold", np.float64)
    is_categorical = (kinds & _IS_CATEGORICAL) > 0
    sets = []
    if is_categorical.any():
        bounds = _numbers(entries, "cat_boundaries", np.int64)
        words = _numbers(entries, "cat_threshold", np.uint32)
        sets = [_members(words[bounds[i] : bounds[i + 1]]) for i in thresholds[is_categorical].astype(np.int64)]
    is_left_if_nan = np.where((kinds & _MISSING_IS_NAN) > 0, (kinds & _DEFAULTS_LEFT) > 0, thresholds >= 0)
    return Tree(
        feature=_numbers(entries, "split_feature", np.int64),
        threshold=np.where(is_categorical, 0.0, thresholds),
        mode=np.where(is_categorical, _IN_SET, _LESS_OR_EQUAL),
        is_yes_if_missing=(is_left_if_nan & ~is_categorical).astype(np.int64),
        left=_numbers(entries, "left_child", np.int64),
        right=_numbers(entries, "right_child", np.int64),
        values=values,
        sets=sets,
    )


def _forest_tree(trees: Trees, i: int) -> Tree:
    """Splits and leaves of a tree, which share one numbering there, apart."""
    begin, end = trees.roots[i : i + 2]
    children, values = trees.children[begin:end] - begin, trees.value[begin:end].astype(np.float64)
    is_leaf = children[:, 0] == np.arange(end - begin)
    if is_leaf[0]:
        return _stump(values)
    place = np.where(is_leaf, ~(np.cumsum(is_leaf) - 1), np.cumsum(~is_leaf) - 1)
    splits = ~is_leaf
    return Tree(
        feature=trees.feature[begin:end][splits],
        threshold=trees.threshold[begin:end][splits],
        mode=np.full(splits.sum(), _LESS_OR_EQUAL),
        is_yes_if_missing=np.zeros(splits.sum(), np.int64),
        left=place[children[splits, 0]],
        right=place[children[splits, 1]],
        values=values[is_leaf],
    )


def _stump(values: NDArray[np.float64]) -> Tree:
    """A tree with one leaf; ONNX has none without a split, so both its ways lead to that leaf."""
    zero = np.zeros(1, np.int64)
    return Tree(zero, zero, np.full(1, _LESS_OR_EQUAL), zero, ~zero, ~zero, values)


def _members(words: NDArray[np.uint32]) -> list[int]:
    """The numbers of the bits that are set."""
    bits = np.unpackbits(words.view(np.uint8), bitorder="little")
    return np.flatnonzero(bits).tolist()


def _numbers(entries: dict[str, str], name: str, dtype: type[np.generic]) -> NDArray[Any]:
    return np.array(entries[name].split(), dtype)


def _joined(trees: list[Tree], name: str) -> list[Any]:
    joined: list[Any] = np.concatenate([getattr(tree, name) for tree in trees]).tolist()
    return joined


def _tensor(values: Any, dtype: type[np.generic]) -> Any:
    return numpy_helper.from_array(np.asarray(values, dtype))

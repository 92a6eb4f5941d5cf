"""CatBoost's symmetric trees as operators.

All splits of a level of a symmetric tree are one, so a leaf is the number whose bits are the answers to the splits. A
split by statistics of categories is a table over the levels of its columns, which is filled by asking the model itself.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto

from raytabdl.classic.catboost import pool_of
from raytabdl.exceptions import ExportError
from raytabdl.export.graph import EncodedRows, Graph, Value
from raytabdl.inputs import Inputs

_MAX_TABLE = 20_000
"""Combinations of levels that a table may have; one of two columns with 1,000 levels each would have a million."""


@dataclass(frozen=True)
class Grid:
    """What a split by categories looks at: codes of columns, and between which borders numbers are."""

    categorical: tuple[int, ...]
    borders: tuple[tuple[int, tuple[float, ...]], ...]
    """(column, its borders in order)."""

    def shape(self, cardinalities: tuple[int, ...]) -> tuple[int, ...]:
        return (*(cardinalities[j] for j in self.categorical), *(1 + len(borders) for _, borders in self.borders))

    def rows(self, d_num: int, cardinalities: tuple[int, ...]) -> Inputs:
        """A row for each combination, in the order of their places."""
        shape = self.shape(cardinalities)
        places = np.stack(np.unravel_index(np.arange(prod(shape)), shape))
        numeric = np.zeros((prod(shape), d_num), np.float32)
        categorical = np.zeros((prod(shape), len(cardinalities)), np.int32)
        for j, codes in zip(self.categorical, places, strict=False):
            categorical[:, j] = codes
        for (j, borders), intervals in zip(self.borders, places[len(self.categorical) :], strict=True):
            above = np.nextafter(np.array(borders, np.float32), np.float32(np.inf))
            numeric[:, j] = np.concatenate([np.array(borders[:1], np.float32), above])[intervals]
        return Inputs(numeric, categorical, cardinalities)

    def place(self, g: Graph, rows: EncodedRows) -> Value:
        """The place of each row among the combinations, (n,)."""
        parts = [g.columns(rows.categorical, [j]) for j in self.categorical]
        for j, borders in self.borders:
            is_above = g.op("Greater", g.columns(rows.numeric, [j]), g.constant(np.array(borders, np.float32)))
            parts.append(g.op("ReduceSum", g.cast(is_above, TensorProto.INT64), g.integers([1])))
        shape = self.shape(rows.cardinalities)
        strides = [prod(shape[i + 1 :]) for i in range(len(shape))]
        return g.op("ReduceSum", g.op("Mul", g.concat(parts), g.integers(strides)), g.integers([1]), keepdims=0)


def catboost_scores(g: Graph, model: Any, n_iterations: int, rows: EncodedRows) -> Value:
    """Raw scores, (n, 1) or (n, n_classes) of float64. Raises ExportError for what has no such form."""
    content = _as_json(model.model_)
    if "oblivious_trees" not in content:
        raise ExportError("its trees are not symmetric (grow_policy='Depthwise'), which has no form here")
    trees = content["oblivious_trees"][:n_iterations]
    splits = [(t, depth, split) for t, tree in enumerate(trees) for depth, split in enumerate(tree.get("splits") or ())]
    grids = _grids(content["features_info"])
    by_grid: dict[Grid, list[tuple[int, int]]] = {}
    numeric = []
    for t, depth, split in splits:
        if split["split_type"] == "FloatFeature":
            numeric.append((t, depth, split))
        else:
            by_grid.setdefault(_grid(split, grids), []).append((t, depth))
    order = [(t, depth) for t, depth, _ in numeric] + [at for those in by_grid.values() for at in those]
    answers = [_numeric_answers(g, [split for *_, split in numeric], rows)] if numeric else []
    answers += [_categorical_answers(g, model.model_, grid, those, rows) for grid, those in by_grid.items()]
    return _scores(g, trees, content["scale_and_bias"], order, g.concat([*answers, g.zeros(rows)]))


def _scores(g: Graph, trees: list[Any], scale_and_bias: Any, order: list[tuple[int, int]], answers: Value) -> Value:
    """Sums of the leaves that the answers, (n, n_splits) in the given order and a column of zeros, lead to."""
    scale, bias = scale_and_bias
    sizes = [len(tree.get("splits") or ()) for tree in trees]
    n_outputs = len(trees[0]["leaf_values"]) >> sizes[0]
    columns = np.full((len(trees), max(1, *sizes)), len(order))  # a tree with fewer splits than others has zeros
    for i, (t, depth) in enumerate(order):
        columns[t, depth] = i
    bits = g.op("Reshape", g.columns(answers, columns.ravel()), g.integers([-1, *columns.shape]))
    in_tree = g.op("MatMul", bits, g.constant(2.0 ** np.arange(columns.shape[1])))  # (n, n_trees)
    first = list(accumulate((2**size for size in sizes[:-1]), initial=0))
    place = g.op("Add", g.cast(in_tree, TensorProto.INT64), g.integers(first))
    values = np.concatenate([np.reshape(tree["leaf_values"], (-1, n_outputs)) for tree in trees])
    chosen = g.op("Gather", g.constant(values), place)  # (n, n_trees, n_outputs)
    total = g.op("ReduceSum", chosen, g.integers([1]), keepdims=0)
    return g.op("Add", g.op("Mul", total, g.constant(float(scale))), g.constant(np.array(bias, np.float64)))


def _numeric_answers(g: Graph, splits: list[Any], rows: EncodedRows) -> Value:
    values = g.columns(rows.numeric, [split["float_feature_index"] for split in splits])
    borders = np.array([split["border"] for split in splits], np.float32)
    return g.double(g.op("Greater", values, g.constant(borders)))


def _categorical_answers(g: Graph, model: Any, grid: Grid, at: list[tuple[int, int]], rows: EncodedRows) -> Value:
    size = prod(grid.shape(rows.cardinalities))
    if size > _MAX_TABLE:
        raise ExportError(
            f"a split of it looks at {size} combinations of levels, and a table may have {_MAX_TABLE}; columns with "
            "fewer levels, or max_ctr_complexity=1, make smaller ones"
        )
    leaves = np.asarray(model.calc_leaf_indexes(pool_of(grid.rows(rows.d_num, rows.cardinalities))), np.int64)
    trees, depths = np.array(at).T
    answers = (leaves[:, trees] >> depths & 1).astype(np.float64)
    return g.op("Gather", g.constant(answers), grid.place(g, rows))


def _grids(features: Mapping[str, Any]) -> dict[int, Grid]:
    """What the splits by statistics look at, by their number: they are counted border by border, after all others."""
    n_before = sum(len(of["borders"] or ()) for of in features.get("float_features", ()))
    n_before += sum(len(of.get("values") or ()) for of in features.get("categorical_features", ()))
    grids = {}
    for statistic in features.get("ctrs", ()):
        for _ in statistic["borders"]:
            grids[n_before] = _grid_of(statistic["elements"])
            n_before += 1
    return grids


def _grid_of(elements: Iterable[Mapping[str, Any]]) -> Grid:
    categorical, borders = set(), dict[int, set[float]]()
    for element in elements:
        if "float_feature_index" in element:
            borders.setdefault(element["float_feature_index"], set()).add(element["border"])
        else:
            categorical.add(element["cat_feature_index"])
    return Grid(tuple(sorted(categorical)), tuple((j, tuple(sorted(of))) for j, of in sorted(borders.items())))


def _grid(split: Mapping[str, Any], grids: Mapping[int, Grid]) -> Grid:
    return Grid((split["cat_feature_index"],), ()) if "cat_feature_index" in split else grids[split["split_index"]]


def _as_json(model: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        return json.loads(path.read_text(encoding="utf-8"))

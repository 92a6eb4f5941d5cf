"""New numbers out of others, and selections among them, as operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from onnx import TensorProto

from raytabdl.export.graph import EncodedRows, Graph, Value
from raytabdl.export.scaling import robust
from raytabdl.preprocessing import (
    PCA,
    Arithmetic,
    FastICA,
    FeatureAgglomeration,
    Keep,
    KernelPCA,
    Nystroem,
    PolynomialFeatures,
    RandomKitchenSinks,
    SelectByLinearModel,
    SelectByTrees,
    SelectPercentile,
    SelectRates,
    Step,
    TruncatedSVD,
    VarianceThreshold,
)


def _kept(g: Graph, step: Any, rows: EncodedRows) -> EncodedRows:
    return rows


def _selected(g: Graph, step: Any, rows: EncodedRows) -> EncodedRows:
    return replace(rows, numeric=g.columns(rows.numeric, step.columns_), d_num=len(step.columns_))


def _reduced(outputs: Callable[[Graph, Any, Value], Value]) -> Callable[[Graph, Any, EncodedRows], EncodedRows]:
    """A reduction whose transformer maps (n, d) float64 as ``outputs`` does; then centred, scaled and cut off."""

    def emit(g: Graph, step: Any, rows: EncodedRows) -> EncodedRows:
        if len(step.columns_) == 0:
            return rows
        x = g.clip(g.double(g.columns(rows.numeric, step.columns_)), -1e6, 1e6)
        centred = g.op("Sub", outputs(g, step, x), g.constant(step.centre_))
        numbers = g.clip(g.op("Mul", centred, g.constant(step.factor_)), -1_000, 1_000)
        return replace(rows, numeric=g.cast(numbers, TensorProto.FLOAT), d_num=len(step.centre_))

    return emit


def _rotated(g: Graph, step: Any, x: Value) -> Value:
    """Of PCA, independent components and singular vectors."""
    model = step.transformer
    if hasattr(model, "mean_"):
        x = g.op("Sub", x, g.constant(model.mean_))
    components = np.asarray(model.components_, np.float64).T
    if getattr(model, "whiten", False) is True:
        components = components / np.sqrt(model.explained_variance_)
    return g.op("MatMul", x, g.constant(components))


def _waves(g: Graph, step: Any, x: Value) -> Value:
    model = step.transformer
    angles = g.op("Add", g.op("MatMul", x, g.constant(model.random_weights_)), g.constant(model.random_offset_))
    return g.op("Mul", g.op("Cos", angles), g.constant(np.sqrt(2.0 / len(model.random_offset_))))


def _landmarks(g: Graph, step: Any, x: Value) -> Value:
    kernel = _kernel(g, step, x, step.transformer.components_)
    return g.op("MatMul", kernel, g.constant(step.transformer.normalization_.T))


def _kernel_components(g: Graph, step: Any, x: Value) -> Value:
    model = step.transformer
    kernel = _kernel(g, step, x, model.rows_)
    mean = g.op("ReduceMean", kernel, g.integers([1]))
    shift = g.constant(model.means_ - model.means_.mean())
    return g.op("MatMul", g.op("Sub", g.op("Sub", kernel, mean), shift), g.constant(model.components_))


def _kernel(g: Graph, step: Any, x: Value, others: Any) -> Value:
    """The kernel between rows (n, d) and others (m, d): (n, m)."""
    gamma = step.gamma / others.shape[1]
    if step.kernel == "cosine":
        norms = np.linalg.norm(others, axis=1, keepdims=True)
        others = others / np.where(norms > 0, norms, 1.0)
        norm = g.op("ReduceL2", x, g.integers([1]))
        x = g.op("Div", x, g.op("Where", g.op("Greater", norm, g.constant(0.0)), norm, g.constant(1.0)))
    products = g.op("MatMul", x, g.constant(others.T))
    if step.kernel == "cosine":
        return products
    if step.kernel == "rbf":
        squares = g.op("Add", g.op("ReduceSumSquare", x, g.integers([1])), g.constant(np.square(others).sum(axis=1)))
        distances = g.op("Sub", squares, g.op("Mul", products, g.constant(2.0)))
        return g.op("Exp", g.op("Mul", g.op("Max", distances, g.constant(0.0)), g.constant(-gamma)))
    inner = g.op("Add", g.op("Mul", products, g.constant(gamma)), g.constant(float(step.coef0)))
    return g.op("Tanh", inner) if step.kernel == "sigmoid" else g.op("Pow", inner, g.constant(float(step.degree)))


def _products(g: Graph, step: Any, rows: EncodedRows) -> EncodedRows:
    bounded = g.clip(g.double(rows.numeric), -1_000, 1_000)
    ones = g.op("Add", g.op("Mul", g.columns(bounded, [0]), g.constant(0.0)), g.constant(1.0))
    factors = g.concat([bounded, ones])
    products = g.columns(factors, step.terms_[:, 0] % (rows.d_num + 1))
    for columns in step.terms_.T[1:]:
        products = g.op("Mul", products, g.columns(factors, columns % (rows.d_num + 1)))
    return _beside(g, rows, g.clip(products, -1_000, 1_000), len(step.terms_))


def _combined(g: Graph, step: Any, rows: EncodedRows) -> EncodedRows:
    first, second = (g.double(g.columns(rows.numeric, columns)) for columns in step.pairs_.T)
    results = [
        g.op("Add", first, second),
        g.op("Sub", first, second),
        g.op("Mul", first, second),
        g.op("Div", first, _divisor(g, second)),
        g.op("Div", second, _divisor(g, first)),
    ]
    n = len(step.pairs_)
    values = g.columns(g.concat(results), step.operations_ * n + np.arange(n))
    return _beside(g, rows, robust(g, step, values), n)


def _divisor(g: Graph, x: Value) -> Value:
    is_small = g.op("Less", g.op("Abs", x), g.constant(float(np.float32(0.01))))
    sign = g.op("Where", g.op("Less", x, g.constant(0.0)), g.constant(-1.0), g.constant(1.0))
    return g.op("Where", is_small, g.op("Mul", sign, g.constant(float(np.float32(0.01)))), x)


def _pooled(g: Graph, step: Any, rows: EncodedRows) -> EncodedRows:
    if len(step.clusters_) == 0:
        return rows
    clusters = [np.flatnonzero(step.clusters_ == i) for i in range(step.clusters_.max() + 1)]
    pooled = [_POOLINGS[step.pooling](g, g.columns(rows.numeric, columns), len(columns)) for columns in clusters]
    return replace(rows, numeric=g.concat(pooled), d_num=len(clusters))


def _median(g: Graph, x: Value, n: int) -> Value:
    """The middle one of the sorted columns, or the mean of two."""
    return g.op("ReduceMean", g.columns(g.sorted_columns(x, n), sorted({(n - 1) // 2, n // 2})), g.integers([1]))


_POOLINGS: Mapping[str, Callable[[Graph, Value, int], Value]] = {
    "mean": lambda g, x, n: g.op("ReduceMean", x, g.integers([1])),
    "max": lambda g, x, n: g.op("ReduceMax", x, g.integers([1])),
    "median": _median,
}


def _beside(g: Graph, rows: EncodedRows, numbers: Value, n: int) -> EncodedRows:
    """The rows with more numbers."""
    if n == 0:
        return rows
    return replace(rows, numeric=g.concat([rows.numeric, g.cast(numbers, TensorProto.FLOAT)]), d_num=rows.d_num + n)


FEATURES: Mapping[type[Step], Callable[[Graph, Any, EncodedRows], EncodedRows]] = {
    Keep: _kept,
    VarianceThreshold: _selected,
    SelectByTrees: _selected,
    SelectByLinearModel: _selected,
    SelectPercentile: _selected,
    SelectRates: _selected,
    TruncatedSVD: _reduced(_rotated),
    PCA: _reduced(_rotated),
    FastICA: _reduced(_rotated),
    RandomKitchenSinks: _reduced(_waves),
    Nystroem: _reduced(_landmarks),
    KernelPCA: _reduced(_kernel_components),
    PolynomialFeatures: _products,
    Arithmetic: _combined,
    FeatureAgglomeration: _pooled,
}
"""What each step of its family is as operators."""

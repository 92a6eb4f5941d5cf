"""Scalers as operators, in float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from onnx import TensorProto

from raytabdl.export.graph import Graph, Value
from raytabdl.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    NoScaler,
    PowerScaler,
    QuantileRangeScaler,
    QuantileScaler,
    RobustScaler,
    Scaler,
    StandardScaler,
)

_TAIL = 1e-4
"""What ``QuantileScaler`` keeps the ranks away from 0 and 1 by."""

_DEGREE = 16
"""Of the polynomial that stands for the quantiles of the normal distribution, which ONNX has not: right to 1e-8."""


def scaled(g: Graph, scaler: Scaler, numeric: Value) -> Value:
    """Float32 to float32; missing values stay missing."""
    is_missing = g.op("IsNaN", numeric)
    present = g.double(g.op("Where", is_missing, g.constant(np.float32(0)), numeric))
    outputs = SCALERS[type(scaler)](g, scaler, present)
    return g.cast(g.op("Where", is_missing, g.constant(np.nan), outputs), TensorProto.FLOAT)


def robust(g: Graph, scaler: Any, x: Value) -> Value:
    """x / sqrt(1 + (x / 3)^2) of what is centred and divided by its spread."""
    x = g.clip(_shifted(g, x, scaler.centre_, scaler.factor_), -1e30, 1e30)
    third = g.op("Div", x, g.constant(3.0))
    return g.op("Div", x, g.op("Sqrt", g.op("Add", g.op("Mul", third, third), g.constant(1.0))))


def _linear(g: Graph, scaler: Any, x: Value) -> Value:
    return g.clip(_shifted(g, x, scaler.centre_, scaler.factor_), -1_000, 1_000)


def _as_it_is(g: Graph, scaler: Any, x: Value) -> Value:
    return g.clip(x, -1e15, 1e15)


def _normalised(g: Graph, scaler: Any, x: Value) -> Value:
    kind = {"l1": "ReduceL1", "l2": "ReduceL2", "max": "ReduceMax"}[scaler.norm]
    norm = g.op(kind, g.op("Abs", x), g.integers([1]))
    return g.op("Div", x, g.op("Where", g.op("Greater", norm, g.constant(0.0)), norm, g.constant(1.0)))


def _power(g: Graph, scaler: Any, x: Value) -> Value:
    """sign(x) ((|x| + 1)^p - 1) / p of Yeo and Johnson, and the logarithm where p is 0, standardised."""
    x = g.clip(_shifted(g, x, scaler.before_centre_, scaler.before_factor_), -1_000, 1_000)
    logs = g.op("Log", g.op("Add", g.op("Abs", x), g.constant(1.0)))

    def power(exponents: Any) -> Value:
        is_zero = np.abs(exponents) < 1e-8
        p = np.where(is_zero, 1.0, exponents)
        powers = g.op("Sub", g.op("Exp", g.op("Mul", logs, g.constant(p))), g.constant(1.0))
        return g.op("Where", g.constant(is_zero), logs, g.op("Div", powers, g.constant(p)))

    is_negative = g.op("Less", x, g.constant(0.0))
    negative = g.op("Neg", power(2 - scaler.exponents_))
    powers = g.op("Where", is_negative, negative, power(scaler.exponents_))
    factor = 1 / scaler.deviation_  # 0 for what does not vary
    return g.clip(_shifted(g, powers, scaler.centre_, factor), -1_000, 1_000)


def _quantiles(g: Graph, scaler: Any, x: Value) -> Value:
    """The normal quantile of the rank among the quantiles, between which the rank is linear."""
    quantiles = scaler.quantiles_.astype(np.float64)
    n, d = quantiles.shape
    is_above = g.op("GreaterOrEqual", g.op("Unsqueeze", x, g.integers([2])), g.constant(quantiles.T[None]))
    n_below = g.op("ReduceSum", g.cast(is_above, TensorProto.INT64), g.integers([2]), keepdims=0)  # (n, d)
    interval = g.op("Min", g.op("Max", g.op("Sub", n_below, g.integers([1])), g.integers([0])), g.integers([n - 2]))
    place = g.op("Add", interval, g.integers((n - 1) * np.arange(d)))
    widths = np.diff(quantiles, axis=0)
    slopes = np.where(widths > 0, 1 / (n - 1) / np.where(widths > 0, widths, 1.0), 0.0)
    at = {"begin": quantiles[:-1], "slope": slopes, "rank": np.tile(np.linspace(0, 1, n)[:-1, None], d)}
    begin, slope, rank = (g.op("Gather", g.constant(values.T.ravel()), place) for values in at.values())
    within = g.op("Add", rank, g.op("Mul", g.op("Sub", x, begin), slope))
    at_end = g.op("Equal", n_below, g.integers([n]))
    return _normal_quantile(g, g.clip(g.op("Where", at_end, g.constant(1.0), within), _TAIL, 1 - _TAIL))


def _normal_quantile(g: Graph, rank: Value) -> Value:
    """A polynomial in sqrt(-2 log q), q being the smaller of the rank and the rest."""
    from scipy.special import ndtri

    lowest, highest = np.sqrt(-2 * np.log(0.5)), np.sqrt(-2 * np.log(_TAIL))
    nodes = np.cos(np.pi * (np.arange(200) + 0.5) / 200)  # Chebyshev's, between -1 and 1
    s = lowest + (nodes + 1) / 2 * (highest - lowest)
    fitted = np.polynomial.Chebyshev.fit(nodes, -ndtri(np.exp(-np.square(s) / 2)), _DEGREE, domain=[-1, 1])
    coefficients = fitted.convert(kind=np.polynomial.Polynomial).coef
    q = g.op("Min", rank, g.op("Sub", g.constant(1.0), rank))
    root = g.op("Sqrt", g.op("Mul", g.op("Log", q), g.constant(-2.0)))
    t = g.op(
        "Sub", g.op("Mul", root, g.constant(2 / (highest - lowest))), g.constant(1 + 2 * lowest / (highest - lowest))
    )
    value = g.constant(float(coefficients[-1]))
    for coefficient in coefficients[-2::-1]:
        value = g.op("Add", g.op("Mul", value, t), g.constant(float(coefficient)))
    is_lower = g.op("Less", rank, g.constant(0.5))
    return g.op("Where", is_lower, g.op("Neg", value), value)


def _shifted(g: Graph, x: Value, centre: Any, factor: Any) -> Value:
    centred = g.op("Sub", x, g.constant(np.asarray(centre, np.float64)))
    return g.op("Mul", centred, g.constant(np.asarray(factor, np.float64)))


SCALERS: Mapping[type[Scaler], Callable[[Graph, Any, Value], Value]] = {
    RobustScaler: robust,
    QuantileScaler: _quantiles,
    StandardScaler: _linear,
    NoScaler: _as_it_is,
    MinMaxScaler: _linear,
    MaxAbsScaler: _linear,
    Normalizer: _normalised,
    PowerScaler: _power,
    QuantileRangeScaler: _linear,
}
"""What each scaler is as operators on present values (float64, missing ones 0)."""

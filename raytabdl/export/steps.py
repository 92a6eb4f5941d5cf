"""The steps before a network as operators: levels, encoders, scalers and imputers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from onnx import TensorProto

from raytabdl.exceptions import ExportError
from raytabdl.export.features import FEATURES
from raytabdl.export.graph import EncodedRows, Graph, Value
from raytabdl.export.scaling import SCALERS, scaled
from raytabdl.preprocessing import (
    AllLevels,
    Codes,
    ConstantImputer,
    MeanImputer,
    MedianImputer,
    MergeRare,
    MostFrequentImputer,
    OneHot,
    Ordinal,
    Preprocessing,
    Step,
    TargetEncoding,
    ZeroImputer,
)
from raytabdl.preprocessing.scaling import Scaling


def preprocessed(g: Graph, preprocessing: Preprocessing, rows: EncodedRows) -> EncodedRows:
    """Rows as a network is to see them. Raises ExportError for a step that has no form here, a user's own."""
    for step in preprocessing.steps:
        member = step.scaler if isinstance(step, Scaling) else step
        if type(member) not in STEPS and type(member) not in SCALERS:
            raise ExportError(f"its preprocessing {type(member).__name__} has no form in ONNX that raytabdl knows")
        if isinstance(step, Scaling):
            rows = replace(rows, numeric=scaled(g, step.scaler, rows.numeric) if rows.d_num else rows.numeric)
        else:
            rows = STEPS[type(step)](g, step, rows)
    return rows


def filled(g: Graph, numeric: Value, values: Any, with_indicator: Any) -> Value:
    """Values in the place of missing numbers, and 0/1 columns that say where some were missing."""
    is_missing = g.op("IsNaN", numeric)
    whole = g.op("Where", is_missing, g.constant(np.asarray(values, np.float32)), numeric)
    indicators = g.cast(g.columns(is_missing, with_indicator), TensorProto.FLOAT)
    return g.concat([whole, indicators] if len(with_indicator) else [whole])


def _unchanged(g: Graph, step: Any, rows: EncodedRows) -> EncodedRows:
    return rows


def _merged(g: Graph, step: Any, rows: EncodedRows) -> EncodedRows:
    codes = g.op("Gather", g.constant(step.codes_.astype(np.int64)), _places(g, rows))
    return replace(rows, categorical=codes, cardinalities=tuple(step.cardinalities_.tolist()))


def _one_hot(g: Graph, step: Any, rows: EncodedRows) -> EncodedRows:
    codes = g.columns(rows.categorical, step.columns_)
    indicators = g.cast(g.op("Equal", codes, g.integers(step.levels_)), TensorProto.FLOAT)
    return _with_numbers(g, rows, indicators, len(step.columns_), step.kept_)


def _ordinal(g: Graph, step: Any, rows: EncodedRows) -> EncodedRows:
    return _with_numbers(g, rows, g.cast(rows.categorical, TensorProto.FLOAT), len(rows.cardinalities), [])


def _target_encoded(g: Graph, step: Any, rows: EncodedRows) -> EncodedRows:
    columns = replace(
        rows,
        categorical=g.columns(rows.categorical, step.columns_),
        cardinalities=tuple(rows.cardinalities[j] for j in step.columns_),
    )
    n_means = len(columns.cardinalities) * step.means_.shape[1]
    means = g.op("Gather", g.constant(step.means_), _places(g, columns))  # (n, columns, outputs)
    return _with_numbers(g, rows, g.op("Reshape", means, g.integers([-1, n_means])), n_means, step.kept_)


def _zero_imputed(g: Graph, step: Any, rows: EncodedRows) -> EncodedRows:
    with_indicator = step.state()["columns"]
    return _with_imputed(g, rows, np.float32(0), with_indicator)


def _imputed(g: Graph, step: Any, rows: EncodedRows) -> EncodedRows:
    return _with_imputed(g, rows, step.values_, step.columns_)


def _with_imputed(g: Graph, rows: EncodedRows, values: Any, with_indicator: Any) -> EncodedRows:
    numeric = filled(g, rows.numeric, values, with_indicator)
    return replace(rows, numeric=numeric, d_num=rows.d_num + len(with_indicator))


def _with_numbers(g: Graph, rows: EncodedRows, numbers: Value, n_numbers: int, kept: Any) -> EncodedRows:
    """The rows with more numbers, and only the kept columns of codes."""
    return EncodedRows(
        g.concat([rows.numeric, numbers]) if n_numbers else rows.numeric,
        g.columns(rows.categorical, kept),
        rows.d_num + n_numbers,
        tuple(rows.cardinalities[j] for j in kept),
    )


def _places(g: Graph, rows: EncodedRows) -> Value:
    """Codes as places among the levels of all columns."""
    offsets = np.cumsum([0, *rows.cardinalities], dtype=np.int64)[:-1]
    return g.op("Add", rows.categorical, g.integers(offsets))


STEPS: Mapping[type[Step], Callable[[Graph, Any, EncodedRows], EncodedRows]] = {
    AllLevels: _unchanged,
    MergeRare: _merged,
    Codes: _unchanged,
    OneHot: _one_hot,
    Ordinal: _ordinal,
    TargetEncoding: _target_encoded,
    ZeroImputer: _zero_imputed,
    MeanImputer: _imputed,
    MedianImputer: _imputed,
    MostFrequentImputer: _imputed,
    ConstantImputer: _imputed,
    **FEATURES,
}
"""What each step but the scalers is as operators."""

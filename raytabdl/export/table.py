"""The columns of a table as inputs of a graph, and their encoding."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from raytabdl.exceptions import ExportError
from raytabdl.export.graph import EncodedRows, Graph, Value
from raytabdl.schema import LARGEST, MISSING, Column, Kind, Schema


def encoded(g: Graph, schema: Schema) -> EncodedRows:
    """An input for each column that is learned from, (n, 1), and what ``Schema.encode`` makes of it.

    Numbers, booleans and dates (days since 1970 in UTC) are float64, NaN where missing. Categories are strings, as in
    the schema, "" where missing. Raises ExportError where there is no column, or free text.
    """
    if not schema.columns:
        raise ExportError("the model looks at no column, so that a graph would have no input; train it on more columns")
    texts = sorted({column.name for column in schema.columns if column.kind is Kind.TEXT})
    if texts:
        raise ExportError(f"the words of {texts} cannot be counted in a graph; train the model without these columns")
    plain = [column for column in schema.columns if column.kind in (Kind.NUMBER, Kind.DATETIME)]
    ordinal = [column for column in schema.columns if column.kind is Kind.ORDINAL]
    category = [column for column in schema.columns if column.kind is Kind.CATEGORY]
    numbers = [_numbers(g, plain)] if plain else []
    numbers += [_ordinal(g, column) for column in ordinal]
    codes = [_codes(g, column) for column in category]
    # A table may have no columns of one kind: no columns of the other kind are as many.
    categorical = g.concat(codes) if codes else g.cast(g.columns(numbers[0], []), TensorProto.INT64)
    numeric = g.concat(numbers) if numbers else g.cast(g.columns(codes[0], []), TensorProto.FLOAT)
    in_graph = [column.label for column in (*plain, *ordinal)]
    order = [in_graph.index(column.label) for column in schema.columns if column.kind is not Kind.CATEGORY]
    if order != sorted(order):
        numeric = g.columns(numeric, order)
    return EncodedRows(numeric, categorical, len(in_graph), schema.cardinalities)


def _numbers(g: Graph, columns: list[Column]) -> Value:
    """Clipped and shifted in float64, then float32."""
    inputs = {name: g.input(name, TensorProto.DOUBLE) for name in dict.fromkeys(column.name for column in columns)}
    values = g.concat([_part(g, inputs[column.name], column.part) for column in columns])
    is_finite = g.op("LessOrEqual", g.op("Abs", values), g.constant(np.finfo(np.float64).max))  # false for NaN
    present = g.op("Where", is_finite, values, g.constant(0.0))
    origins = g.constant(np.array([column.origin for column in columns]))
    shifted = g.op("Sub", g.clip(present, -LARGEST, LARGEST), origins)
    return g.cast(g.op("Where", is_finite, shifted, g.constant(np.nan)), TensorProto.FLOAT)


def _part(g: Graph, days: Value, part: str) -> Value:
    """What ``date_part`` makes of days since 1970; all of the date without a part."""

    def constant(number: float) -> Value:
        return g.constant(float(number))

    def floor(value: Value) -> Value:
        return g.op("Floor", value)

    def modulo(value: Value, number: float) -> Value:
        return g.op("Sub", value, g.op("Mul", floor(g.op("Div", value, constant(number))), constant(number)))

    def quotient(value: Value, number: float) -> Value:
        return floor(g.op("Div", value, constant(number)))

    whole = floor(days)
    if not part:
        return days
    if part == "hour":
        return g.op("Mul", g.op("Sub", days, whole), constant(24))
    if part == "weekday":
        return modulo(g.op("Add", whole, constant(3)), 7)
    of_era = modulo(g.op("Add", whole, constant(719_468)), 146_097)
    years = g.op("Add", g.op("Sub", of_era, quotient(of_era, 1_460)), quotient(of_era, 36_524))
    year = quotient(g.op("Sub", years, quotient(of_era, 146_096)), 365)
    leap_days = g.op("Sub", quotient(year, 4), quotient(year, 100))
    of_year = g.op("Sub", of_era, g.op("Add", g.op("Mul", year, constant(365)), leap_days))
    month = quotient(g.op("Add", g.op("Mul", of_year, constant(5)), constant(2)), 153)
    if part == "day":
        begun = quotient(g.op("Add", g.op("Mul", month, constant(153)), constant(2)), 5)
        return g.op("Add", g.op("Sub", of_year, begun), constant(1))
    return g.op("Add", modulo(g.op("Add", month, constant(2)), 12), constant(1))


def _ordinal(g: Graph, column: Column) -> Value:
    text = g.input(column.name, TensorProto.STRING)
    positions = [float(position) for position in range(1, len(column.levels) + 1)]
    return g.op(
        "LabelEncoder",
        text,
        domain="ai.onnx.ml",
        keys_strings=list(column.levels),
        values_floats=positions,
        default_float=float("nan"),
    )


def _codes(g: Graph, column: Column) -> Value:
    if "" in column.levels:
        raise ExportError(
            f"column {column.name!r} has an empty string among its categories, which in a graph stands for a missing "
            "one; fit with another word for it, or with missing values in its place"
        )
    codes = {level: code for code, level in enumerate(column.levels, start=1)}
    codes = {"": codes.pop(MISSING, 0), **codes}
    text = g.input(column.name, TensorProto.STRING)
    return g.op(
        "LabelEncoder",
        text,
        domain="ai.onnx.ml",
        keys_strings=list(codes),
        values_int64s=list(codes.values()),
        default_int64=0,
    )

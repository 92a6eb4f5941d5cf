"""An ensemble as one ONNX graph, from the columns of a table to its predictions: the extra ``onnx``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import raytabdl
from raytabdl.calibration import SMALLEST
from raytabdl.exceptions import ExportError, RunFolderError, SettingError
from raytabdl.persistence import write_bytes
from raytabdl.predictor import Predictor

if TYPE_CHECKING:
    import onnx

    from raytabdl.export.graph import Graph, Value

LABEL, PROBABILITIES, VALUE = "label", "probabilities", "value"
"""The names of the outputs: the first two of a classifier, the last of a regressor."""

_TYPES = {"b": np.dtype(np.bool_), "i": np.dtype(np.int64), "u": np.dtype(np.int64), "f": np.dtype(np.float64)}
"""Of labels by the kind of the classes; others are strings."""

__all__ = ["LABEL", "PROBABILITIES", "VALUE", "export_onnx", "onnx_inputs", "onnx_model"]


def export_onnx(predictor: Predictor, path: Path) -> None:
    """Writes ``onnx_model`` to a file, whole or not at all."""
    content = onnx_model(predictor).SerializeToString()
    try:
        write_bytes(path, content)
    except OSError as error:
        raise RunFolderError(f"{path} cannot be written: {error}") from error


def onnx_model(predictor: Predictor) -> onnx.ModelProto:
    """The ensemble with its preprocessing as a graph that any ONNX runtime can run.

    Each column that is learned from is an input of shape (n, 1) under its own name: numbers, booleans and dates (days
    since 1970 in UTC) as float64, NaN where missing, also those that a table holds as strings, and categories as
    strings, "" where missing. Outputs are ``label`` (n,) and ``probabilities`` (n, n_classes), or ``value`` (n,).
    Raises ExportError, naming the member or the column and the reason, where one cannot be expressed, and SettingError
    where the extra is not installed.
    """
    try:
        from raytabdl.export.graph import Graph
    except ImportError as error:
        raise SettingError("export needs the package onnx: pip install 'raytabdl[onnx]'") from error
    from raytabdl.export.members import member_predictions
    from raytabdl.export.table import encoded

    outputs = {VALUE} if predictor.classes is None else {LABEL, PROBABILITIES}
    if taken := outputs & {column.name for column in predictor.schema.columns}:
        raise ExportError(f"{sorted(taken)} are outputs of the graph and columns of the table; rename these columns")
    g = Graph()
    rows = encoded(g, predictor.schema)
    predictions = []
    for name, weight in predictor.ensemble.weights.items():
        member = predictor.members[name]
        try:
            own = member_predictions(g, member, rows)
        except ExportError as error:
            raise ExportError(f"{name} ({member.config['model']}) cannot be exported: {error}") from error
        predictions.append(g.op("Mul", own, g.constant(float(weight))))
    _write_outputs(g, predictor, predictions)
    return g.model("raytabdl", {"raytabdl": raytabdl.__version__, "task": predictor.target.task_type.value})


def onnx_inputs(predictor: Predictor, table: Any) -> dict[str, NDArray[Any]]:
    """What a session of onnxruntime is fed for the rows of a table.

    Raises DataError where the table does not fit the model.
    """
    return {name: values.reshape(-1, 1) for name, values in predictor.schema.plain(table).items()}


def _write_outputs(g: Graph, predictor: Predictor, predictions: list[Value]) -> None:
    from onnx import TensorProto, helper

    total = g.op("Sum", *predictions)
    if predictor.classes is None:
        g.output(VALUE, g.op("Reshape", total, g.integers([-1])), TensorProto.DOUBLE)
        return
    probabilities = g.op("Div", total, g.op("ReduceSum", total, g.integers([1])))
    if scaling := predictor.ensemble.scaling:
        logits = g.op("Log", g.clip(probabilities, SMALLEST, 1.0))
        sloped = g.op("Mul", logits, g.constant(scaling[0]))
        probabilities = g.op("Softmax", g.op("Add", sloped, g.constant(np.array([scaling[1:]]))), axis=1)
    factors = predictor.ensemble.factors
    weighed = g.op("Mul", probabilities, g.constant(np.array([factors]))) if factors else probabilities
    place = g.op("ArgMax", weighed, axis=1, keepdims=0)
    kind = predictor.classes.dtype.kind
    if kind in _TYPES:
        dtype = _TYPES[kind]
        classes = g.constant(predictor.classes.astype(dtype))
    else:
        dtype, classes = np.dtype(object), g.strings(map(str, predictor.classes))
    g.output(LABEL, g.op("Gather", classes, place), helper.np_dtype_to_tensor_dtype(dtype))
    g.output(PROBABILITIES, probabilities, TensorProto.DOUBLE, len(predictor.classes))

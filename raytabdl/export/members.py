"""The members of an ensemble as operators: probabilities of shape (n, n_classes), or values of shape (n, 1)."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from raytabdl.classic import SVM, CatBoost, ExtraTrees, LightGBM, Linear, RandomForest
from raytabdl.classic.dummy import Dummy
from raytabdl.component import Classic
from raytabdl.exceptions import ExportError
from raytabdl.export.catboost import catboost_scores
from raytabdl.export.graph import OPSET, EncodedRows, Graph, Value
from raytabdl.export.scaling import scaled
from raytabdl.export.steps import filled, preprocessed
from raytabdl.export.trees import forest_values, lightgbm_scores
from raytabdl.inputs import Target, TaskType
from raytabdl.pipeline import ClassicPipeline, NetworkPipeline, Pipeline
from raytabdl.pipeline.standard import Standard

_SMALLEST = 1e-7
"""Probabilities below it are raised to it before they are scaled by the temperature."""


def member_predictions(g: Graph, pipeline: Pipeline, rows: EncodedRows) -> Value:
    """What ``Pipeline.predict`` gives, as float64. Raises ExportError for a member that has no form here."""
    if isinstance(pipeline, NetworkPipeline):
        predictions = _network(g, pipeline, rows)
    else:
        assert isinstance(pipeline, ClassicPipeline)
        predictions = _classic(g, pipeline, rows)
    if not pipeline.target.task_type.is_classification:
        return predictions
    logits = g.op("Log", g.clip(predictions, _SMALLEST, 1.0))
    return g.op("Softmax", g.op("Div", logits, g.constant(float(pipeline.temperature))), axis=-1)


def _network(g: Graph, pipeline: NetworkPipeline, rows: EncodedRows) -> Value:
    rows = preprocessed(g, pipeline.preprocessing, rows)
    means = [_outputs(g, network, rows, pipeline.target) for network in pipeline.networks()]
    mean = _mean_of(g, means)
    return mean if pipeline.target.task_type.is_classification else _value(g, pipeline.standard, mean)


def _outputs(g: Graph, network: torch.nn.Module, rows: EncodedRows, target: Target) -> Value:
    """Probabilities or standardised values of one network, the mean of its k predictions where it has several."""
    (outputs,) = g.inline(_traced(network, rows), {"x_num": rows.numeric, "x_cat": rows.categorical})
    outputs = g.double(outputs)
    if target.task_type.is_classification:
        outputs = g.op("Softmax", outputs, axis=-1)
    shape = g.integers([0, -1, target.d_out])  # (n, d_out) or (n, k, d_out)
    return g.op("ReduceMean", g.op("Reshape", outputs, shape), g.integers([1]), keepdims=0)


def _traced(network: torch.nn.Module, rows: EncodedRows) -> onnx.ModelProto:
    """The operators of a network.

    torch's newer exporter, of programs, fixes the number of rows of networks whose code looks at it, as TabM's does.
    """
    example = (torch.zeros(2, rows.d_num), torch.zeros(2, len(rows.cardinalities), dtype=torch.int64))
    names = ["x_num", "x_cat"]
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        warnings.simplefilter("ignore")  # that this exporter is the old one, and of shapes that it takes for constants
        try:
            torch.onnx.export(
                network.cpu().eval(),
                example,
                path,
                input_names=names,
                output_names=["outputs"],
                dynamic_axes={name: {0: "n"} for name in (*names, "outputs")},
                opset_version=OPSET,
                dynamo=False,
            )
        except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
            raise ExportError(f"torch cannot export {type(network).__name__}: {error}") from error
        return onnx.load(path)


def _classic(g: Graph, pipeline: ClassicPipeline, rows: EncodedRows) -> Value:
    model = pipeline.model
    if type(model) not in CLASSIC:
        raise ExportError(f"{type(model).__name__} has no form in ONNX that raytabdl knows")
    outputs = CLASSIC[type(model)](g, model, pipeline.best_iterations, rows)
    return outputs if pipeline.target.task_type.is_classification else _value(g, pipeline.standard, outputs)


def _catboost(g: Graph, model: Any, n_iterations: int, rows: EncodedRows) -> Value:
    return _probabilities(g, catboost_scores(g, model, n_iterations, rows), model.target)


def _lightgbm(g: Graph, model: Any, n_iterations: int, rows: EncodedRows) -> Value:
    return _probabilities(g, lightgbm_scores(g, model, n_iterations, rows), model.target)


def _linear(g: Graph, model: Any, n_iterations: int, rows: EncodedRows) -> Value:
    coefficients = model.path_[min(n_iterations, len(model.path_)) - 1].astype(np.float64)
    outputs = g.op("MatMul", _design(g, model.design_, rows), g.constant(coefficients))
    if model.target.task_type.is_classification:
        return g.op("Softmax", outputs, axis=-1)
    return _rescaled(g, outputs, model.scale_)


def _svm(g: Graph, model: Any, n_iterations: int, rows: EncodedRows) -> Value:
    """Cosines of random frequencies, and a linear machine on them."""
    weights = model.path_[min(n_iterations, len(model.path_)) - 1].astype(np.float64)
    angles = g.op("MatMul", _design(g, model.design_, rows), g.constant(model.frequencies_.astype(np.float64)))
    cosines = g.op("Cos", g.op("Add", angles, g.constant(model.phases_.astype(np.float64))))
    factor = np.sqrt(2 / len(model.phases_))
    outputs = g.op("MatMul", cosines, g.constant(factor * weights[:-1]))
    outputs = g.op("Add", outputs, g.constant(weights[-1]))
    if model.target.task_type.is_classification:
        return g.op("Softmax", g.op("Mul", outputs, g.constant(2.0)), axis=-1)
    return _rescaled(g, outputs, model.scale_)


def _dummy(g: Graph, model: Any, n_iterations: int, rows: EncodedRows) -> Value:
    return g.op("Add", g.zeros(rows), g.constant(np.array(model.prior_)))


def _design(g: Graph, design: Any, rows: EncodedRows) -> Value:
    """Scaled numbers, indicators of missing ones, one-hot levels and a column of ones, as float64."""
    parts = []
    if rows.d_num:
        numbers = scaled(g, design.scaler, rows.numeric)
        parts.append(g.double(filled(g, numbers, np.float32(0), design.indicator.columns_)))
    levels = [(j, level) for j, cardinality in enumerate(rows.cardinalities) for level in range(1, cardinality)]
    if levels:
        codes = g.columns(rows.categorical, [j for j, _ in levels])
        parts.append(g.double(g.op("Equal", codes, g.integers(level for _, level in levels))))
    return g.concat([*parts, g.op("Add", g.zeros(rows), g.constant(1.0))])


def _probabilities(g: Graph, scores: Value, target: Target) -> Value:
    """Of the raw scores of boosted trees."""
    if target.task_type is TaskType.REGRESSION:
        return scores
    if target.task_type is TaskType.BINARY:
        return g.concat([g.op("Sigmoid", g.op("Neg", scores)), g.op("Sigmoid", scores)])
    return g.op("Softmax", scores, axis=-1)


def _rescaled(g: Graph, outputs: Value, scale: Any) -> Value:
    return g.op("Add", g.op("Mul", outputs, g.constant(float(scale[1]))), g.constant(float(scale[0])))


def _value(g: Graph, standard: Standard, standardised: Value) -> Value:
    values = _rescaled(g, standardised, (standard.mean, standard.deviation))
    if standard.is_logarithmic:
        values = g.op("Sub", g.op("Exp", values), g.constant(1.0))
    return g.clip(values, standard.lowest, standard.highest)


def _mean_of(g: Graph, values: list[Value]) -> Value:
    total = values[0]
    for value in values[1:]:
        total = g.op("Add", total, value)
    return g.op("Div", total, g.constant(float(len(values))))


CLASSIC: Mapping[type[Classic], Callable[[Graph, Any, int, EncodedRows], Value]] = {
    CatBoost: _catboost,
    LightGBM: _lightgbm,
    RandomForest: forest_values,
    ExtraTrees: forest_values,
    SVM: _svm,
    Linear: _linear,
    Dummy: _dummy,
}
"""What each classic model is as operators; nearest neighbours, which are rows of the user, are not among them."""

"""An ONNX graph that grows operator by operator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx.compose
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET, TREE_OPSET = 18, 5
"""The operators' versions: 18 is the newest that torch's exporter of traces knows, 5 the first with splits by sets."""

_IR_VERSION = 10  # the oldest that has both

Value = str
"""The name of a tensor in the graph."""


class Graph:
    """Operators and constants; each call adds one and gives the name of its result."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._n_names = 0

    def input(self, name: str, dtype: int) -> Value:
        """A column of the table, (n, 1)."""
        self._inputs.append(helper.make_tensor_value_info(name, dtype, ["n", 1]))
        return name

    def output(self, name: str, value: Value, dtype: int, *shape: int) -> None:
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, dtype, ["n", *shape]))

    def constant(self, value: NDArray[Any] | np.generic | float) -> Value:
        """Numbers are float64 unless they come as an array of another type."""
        name = self._new_name("constant")
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value).reshape(np.shape(value)), name))
        return name

    def integers(self, values: Iterable[int]) -> Value:
        return self.constant(np.array(list(values), np.int64))

    def strings(self, values: Iterable[str]) -> Value:
        name = self._new_name("constant")
        self._constants.append(numpy_helper.from_array(np.array(list(values), dtype=object), name))
        return name

    def op(self, kind: str, *inputs: Value, domain: str = "", **attributes: Any) -> Value:
        name = self._new_name(kind)
        self._nodes.append(helper.make_node(kind, list(inputs), [name], domain=domain, **attributes))
        return name

    def cast(self, value: Value, dtype: int) -> Value:
        return self.op("Cast", value, to=dtype)

    def double(self, value: Value) -> Value:
        return self.cast(value, TensorProto.DOUBLE)

    def clip(self, value: Value, low: float, high: float) -> Value:
        """Of float64 without NaN."""
        return self.op("Clip", value, self.constant(np.float64(low)), self.constant(np.float64(high)))

    def concat(self, values: list[Value]) -> Value:
        """Columns side by side."""
        return values[0] if len(values) == 1 else self.op("Concat", *values, axis=1)

    def columns(self, value: Value, columns: Iterable[int]) -> Value:
        return self.op("Gather", value, self.integers(columns), axis=1)

    def zeros(self, rows: EncodedRows) -> Value:
        """A column of float64 for any table that has one."""
        column = self.columns(rows.categorical, [0]) if rows.cardinalities else self.columns(rows.numeric, [0])
        return self.op("Mul", self.double(self.op("IsNaN", self.cast(column, TensorProto.FLOAT))), self.constant(0.0))

    def sorted_columns(self, value: Value, n: int) -> Value:
        """The n values of each row, the largest first."""
        values, places = self._new_name("TopK"), self._new_name("TopK")
        self._nodes.append(helper.make_node("TopK", [value, self.integers([n])], [values, places], axis=1))
        return values

    def inline(self, model: onnx.ModelProto, inputs: Mapping[str, Value]) -> list[Value]:
        """The operators of a model on other inputs; gives the names of its outputs."""
        prefix = self._new_name("network") + "/"
        own = onnx.compose.add_prefix(model, prefix)
        for value in own.graph.input:
            given = inputs[value.name.removeprefix(prefix)]
            self._nodes.append(helper.make_node("Identity", [given], [value.name]))
        self._constants.extend(own.graph.initializer)
        self._nodes.extend(own.graph.node)
        return [output.name for output in own.graph.output]

    def model(self, name: str, properties: Mapping[str, str]) -> onnx.ModelProto:
        """The whole as a model, checked."""
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", TREE_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="raytabdl")
        helper.set_model_props(model, dict(properties))
        onnx.checker.check_model(model)
        return model

    def _new_name(self, kind: str) -> str:
        self._n_names += 1
        return f"raytabdl/{kind}.{self._n_names}"  # columns keep their names


@dataclass(frozen=True)
class EncodedRows:
    """Encoded rows in a graph: float32 of shape (n, d_num), NaN where missing, and int64 codes of shape (n, d_cat)."""

    numeric: Value
    categorical: Value
    d_num: int
    cardinalities: tuple[int, ...]

"""LCBench as a neural network learned it: the surrogate of YAHPO Gym."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from raytabdl.component import Config, ConfigValue, Integer, Real
from raytabdl.curves.benchmark import PREFIX, Benchmark, LearningCurve
from raytabdl.curves.tasks import SPACE, TASKS
from raytabdl.exceptions import CurvesError, SettingError

if TYPE_CHECKING:
    import onnxruntime

_NUMBERS = ("batch_size", "learning_rate", "momentum", "weight_decay", "num_layers", "max_units", "max_dropout")
OUTPUTS = (
    "time",
    f"{PREFIX}val_accuracy",
    f"{PREFIX}val_cross_entropy",
    f"{PREFIX}val_balanced_accuracy",
    f"{PREFIX}test_cross_entropy",
    f"{PREFIX}test_balanced_accuracy",
)
NOT_LEARNED = ("numerai28.6",)
"""It has a number, but no curve of it was learned from."""

N_VALUES = 52
"""Of a curve: before the first epoch, after each of 50, and the last again."""


class Surrogate(Benchmark):
    """Predicted curves of some configurations on 34 of LCBench's data sets (Pfisterer et al., 2022, "YAHPO Gym").

    ``folder`` holds ``model.onnx`` and ``encoding.json``. The network invents optima: it serves to compare optimizers,
    and no accuracy should be stated from it.
    """

    def __init__(self, folder: str | Path, configs: Sequence[Config]) -> None:
        self.folder = Path(folder)
        for name in ("model.onnx", "encoding.json"):
            if not (self.folder / name).is_file():
                raise CurvesError(
                    f"{self.folder} must hold the surrogate, but has no {name}; take lcbench of yahpo_data"
                )
        self._codes = _codes(self.folder / "encoding.json")
        self._configs = {str(number): config for number, config in enumerate(configs)}
        self._cache: dict[str, list[LearningCurve]] = {}

    @property
    def dataset_names(self) -> tuple[str, ...]:
        return tuple(self._codes)

    def config_ids(self, dataset: str) -> tuple[str, ...]:
        return tuple(self._configs)

    def _curve(self, dataset: str, config: str) -> LearningCurve:
        if dataset not in self._cache:
            self._cache[dataset] = self.curves(dataset, list(self._configs.values()))
        return self._cache[dataset][int(config)]

    @property
    def openml_task_ids(self) -> Mapping[str, int]:
        return {name: TASKS[name] for name in self._codes}

    def curves(self, dataset: str, configs: Sequence[Config]) -> list[LearningCurve]:
        """The curves of any configurations; ``time`` is in seconds, cumulative."""
        # Its 52nd value is near the one before, where LCBench repeats that.
        values = self.outputs(dataset, configs, np.minimum(np.arange(N_VALUES), N_VALUES - 2))
        results: dict[str, ConfigValue] = {"OpenML_task_id": TASKS[dataset]}
        epochs = np.arange(N_VALUES, dtype=np.float64)
        epochs[-1] = N_VALUES - 2
        return [
            LearningCurve(config, {"epoch": epochs, **dict(zip(OUTPUTS, own.T, strict=True))}, results)
            for config, own in zip(configs, values, strict=True)
        ]

    def outputs(self, dataset: str, configs: Sequence[Config], epochs: NDArray[np.int64]) -> NDArray[np.float64]:
        """What is predicted after so many epochs, 0 for none, shape (configurations, epochs, ``OUTPUTS``)."""
        self.check_dataset(dataset)
        numbers = np.array([_numbers(config) for config in configs], dtype=np.float32)
        counted = np.tile((epochs + 1).astype(np.float32), len(configs))  # the network counts from the untrained one
        x_cont = np.column_stack([counted, np.repeat(numbers, len(epochs), axis=0)])
        x_cat = np.full((len(x_cont), 1), self._codes[dataset], dtype=np.int32)
        (outputs,) = session(self.folder / "model.onnx").run(None, {"x_cat": x_cat, "x_cont": x_cont})
        return np.asarray(outputs, dtype=np.float64).reshape(len(configs), len(epochs), len(OUTPUTS))


@cache
def session(path: Path) -> onnxruntime.InferenceSession:
    """The network, read once, on one thread."""
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise CurvesError("the surrogate needs onnxruntime: pip install 'raytabdl[surrogate]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _codes(path: Path) -> dict[str, int]:
    """The number of each data set that was learned. Raises CurvesError where the file has another form."""
    try:
        codes = json.loads(path.read_text(encoding="utf-8"))["OpenML_task_id"]
        return {name: int(codes[str(task)]) for name, task in TASKS.items() if name not in NOT_LEARNED}
    except (ValueError, KeyError, TypeError) as error:
        raise CurvesError(f"{path} must number LCBench's OpenML tasks, got another form: {error!r}") from error


def random_configs(n: int, seed: int) -> list[Config]:
    """Draws from LCBench's space."""
    rng = np.random.default_rng(seed)
    columns: dict[str, list[ConfigValue]] = {}
    for name, hyperparameter in SPACE.items():
        dimension = hyperparameter.dimension
        assert isinstance(dimension, Real | Integer)
        half = 0.5 if isinstance(dimension, Integer) else 0.0
        low, high = dimension.low - half, dimension.high + half
        values = np.exp(rng.uniform(np.log(low), np.log(high), n)) if dimension.log else rng.uniform(low, high, n)
        columns[name] = (np.rint(values).astype(int) if half else values).tolist()
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _numbers(config: Config) -> list[float]:
    missing = [name for name in _NUMBERS if name not in config]
    if missing:
        raise SettingError(f"a configuration must have {', '.join(_NUMBERS)}, got none of {missing}")
    return [float(config[name]) for name in _NUMBERS]

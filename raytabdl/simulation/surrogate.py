"""LCBench as a surrogate: a network that has learned the learning curves of its 2,000 configurations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ConfigSpace import ConfigurationSpace

from raytabdl.component import Choice, Config, Integer
from raytabdl.configspace import Hyperparameter, build
from raytabdl.curves.benchmark import PREFIX
from raytabdl.curves.surrogate import OUTPUTS, Surrogate
from raytabdl.curves.tasks import SPACE, TASKS
from raytabdl.search.brackets import Budgets
from raytabdl.simulation.benchmark import Curve

N_EPOCHS = 50
TIME, VALID_ACCURACY = OUTPUTS.index("time"), OUTPUTS.index(f"{PREFIX}val_accuracy")


class LCBenchSurrogate:
    """The error on the validation rows of one task of LCBench (Zimmer et al. 2021), as YAHPO Gym predicts it.

    ``folder`` is that of ``curves.Surrogate``. Budgets are shares of 50 epochs. Only good for comparing optimizers: it
    invents optima. Five layers are left out of the space, as the surrogate extrapolates to them.
    """

    def __init__(self, folder: Path, task_id: str) -> None:
        self._surrogate = Surrogate(folder, ())
        datasets = {str(TASKS[name]): name for name in self._surrogate.dataset_names}
        if task_id not in datasets:
            raise ValueError(f"task_id must be one of {sorted(datasets)}, got {task_id!r}")
        self.budgets = Budgets()
        self.space = _space()
        self._dataset = datasets[task_id]

    def curve(self, config: Config) -> Curve:
        return self.curves([config])[0]

    def curves(self, configs: Sequence[Config]) -> list[Curve]:
        """The curves of many configurations at once, which is faster by far."""
        rungs = self.budgets.rungs
        epochs = [max(round(N_EPOCHS * budget / self.budgets.max_budget), 1) for budget in rungs]
        output = self._surrogate.outputs(self._dataset, configs, np.array(epochs))
        losses = 1.0 - output[:, :, VALID_ACCURACY] / 100
        seconds = np.maximum.accumulate(np.maximum(output[:, :, TIME], 1e-3), axis=1)  # predicted: may fall
        return [
            Curve(dict(zip(rungs, own_losses, strict=True)), dict(zip(rungs, own_seconds, strict=True)))
            for own_losses, own_seconds in zip(losses.tolist(), seconds.tolist(), strict=True)
        ]


def _space() -> ConfigurationSpace:
    own = {
        "model": Hyperparameter("model", Choice(("mlp",), "mlp")),
        "num_layers": Hyperparameter("num_layers", Integer(1, 4, 3)),
    }
    return build({**SPACE, **own}, (), 0)

"""One side of ``busy.py`` in a process of its own: trials that sleep. Prints one JSON line.

``sleeping.py ours|stock|defaults SECONDS N_WORKERS SPREAD``: an epoch takes from 0.1 seconds to ``SPREAD`` times as
long, by a hyperparameter.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, ClassVar

SIDE, SECONDS, N_WORKERS, SPREAD = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
SHORTEST_S = 0.1

os.environ.update(RAY_AUTH_MODE="token", RAY_AIR_NEW_OUTPUT="0", RAY_USAGE_STATS_ENABLED="0")


def epoch_s(x: float) -> float:
    """Of a configuration with ``x`` from 0 to 1."""
    return SHORTEST_S * SPREAD**x


def ours() -> dict[str, float]:
    import numpy as np
    import pandas as pd
    from torch import Tensor, nn

    from raytabdl import TabularClassifier
    from raytabdl.component import Network, Real, Space
    from raytabdl.search.portfolio import Portfolio
    from raytabdl.space import Choices

    class Sleeping(Network, nn.Module):
        name = "sleeping"
        space: ClassVar[Space] = {"x": Real(0.0, 1.0, default=0.5)}
        max_epochs = 27

        def __init__(self, d_num: int, cardinalities: Any, d_out: int, *, x: float = 0.5) -> None:
            super().__init__()
            self.output = nn.Linear(d_num, d_out)
            self.x = x

        def forward(self, x_num: Tensor, x_cat: Tensor) -> Tensor:
            if self.training:
                time.sleep(epoch_s(self.x))
            return self.output(x_num)

    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(400, 4)))
    y = (X[0] + rng.normal(size=400) > 0).astype(int)
    choices = Choices(networks=(Sleeping,)).only(["sleeping"]).updated({"network.sleeping.batch_size": 512})
    with tempfile.TemporaryDirectory() as name:
        run = Path(name) / "run"
        TabularClassifier(
            SECONDS,
            n_workers=N_WORKERS,
            choices=choices,
            portfolio=Portfolio("hand-chosen", ()),
            run_folder=run,
            progress=False,
        ).fit(X, y)
        return account(run)


def account(run: Path) -> dict[str, float]:
    """The epochs of the workers, and the share of their time between first step and end that these took."""

    def lines(file: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (run / file).read_text().splitlines()]

    phases = {line["phase"]: line["began"] for line in lines("phases.jsonl")}
    points = [line for line in lines("curves.jsonl") if not line["trial"].startswith("quick-") and line["training_s"]]
    wall = N_WORKERS * (phases["training over"] - phases["first step"])
    return {"epochs": len(points), "busy": sum(p["training_s"] + p["evaluation_s"] for p in points) / wall}


def stock(*, is_default: bool) -> dict[str, float]:
    import ConfigSpace
    import ray
    from ray import tune
    from ray.tune.schedulers import HyperBandForBOHB
    from ray.tune.search.bohb import TuneBOHB

    class Sleeping(tune.Trainable):
        def setup(self, config: dict[str, Any]) -> None:
            self.x = config["x"]

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.x = new_config["x"]
            return True

        def step(self) -> dict[str, float]:
            began_at = time.time()
            time.sleep(epoch_s(self.x))
            return {"loss": self.x, "began_at": began_at, "busy": time.time() - began_at}

        def save_checkpoint(self, checkpoint_dir: str) -> None:
            (Path(checkpoint_dir) / "state").write_text("")

        def load_checkpoint(self, checkpoint: Any) -> None: ...

    class Count(tune.Callback):
        first_step, busy, epochs = 0.0, 0.0, 0

        def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Any, **info: Any) -> None:
            self.first_step = self.first_step or result["began_at"]
            self.busy += result["busy"]
            self.epochs += 1

    began = time.time()
    ray.init(num_cpus=N_WORKERS, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    space = ConfigSpace.ConfigurationSpace(seed=0)
    space.add(ConfigSpace.Float("x", (0.0, 1.0)))
    settings: dict[str, Any] = {} if is_default else {"reuse_actors": True, "max_concurrent_trials": N_WORKERS}
    count = Count()
    with tempfile.TemporaryDirectory() as folder:
        tune.Tuner(
            tune.with_resources(Sleeping, {"cpu": 1}),
            tune_config=tune.TuneConfig(
                metric="loss",
                mode="min",
                num_samples=-1,
                search_alg=TuneBOHB(space, seed=0),
                scheduler=HyperBandForBOHB(time_attr="training_iteration", max_t=27, reduction_factor=3),
                time_budget_s=began + SECONDS - time.time(),
                **settings,
            ),
            run_config=tune.RunConfig(callbacks=[count], verbose=0, storage_path=folder),
        ).fit()
    return {"epochs": count.epochs, "busy": count.busy / (N_WORKERS * (began + SECONDS - count.first_step))}


if __name__ == "__main__":
    print(json.dumps(ours() if SIDE == "ours" else stock(is_default=SIDE == "defaults")))

"""The baseline of ``run.py``: a Tune trainable that burns CPU, with the same imports, on the settings that suit Ray.

Prints one JSON line: seconds from process start to Ray's readiness, to the first step, and the share of the
time after it in which the workers were in a step.
"""

from __future__ import annotations

import json
import os
import sys
import time

BEGAN_AT = float(sys.argv[1])  # wall time at which the process was started
SECONDS = float(sys.argv[2])
N_WORKERS = int(sys.argv[3])

os.environ.update(
    RAY_AUTH_MODE="token", RAY_AIR_NEW_OUTPUT="0", TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1", RAY_USAGE_STATS_ENABLED="0"
)

# What raytabdl's driver has imported when its first trial starts.
import catboost  # noqa: E402, F401
import ConfigSpace  # noqa: E402, F401
import lightgbm  # noqa: E402, F401
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402, F401
import ray  # noqa: E402
import safetensors.torch  # noqa: E402, F401
import sklearn.base  # noqa: E402, F401
import torch  # noqa: E402
from ray import tune  # noqa: E402


class Bare(tune.Trainable):
    """Multiplies matrices for 0.3 seconds a step."""

    def setup(self, config: dict[str, object]) -> None:
        import pandas  # noqa: F401

        torch.set_num_threads(1)
        self.matrix = np.random.default_rng(0).normal(size=(256, 256))

    def step(self) -> dict[str, float]:
        began_at, began = time.time(), time.monotonic()
        while time.monotonic() - began < 0.3:
            self.matrix @ self.matrix
        return {"loss": 0.0, "began_at": began_at, "busy": time.monotonic() - began}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        pass

    def load_checkpoint(self, checkpoint: object) -> None:
        pass

    def reset_config(self, new_config: dict[str, object]) -> bool:
        return True


class Count(tune.Callback):
    first_step = 0.0
    busy = 0.0

    def on_trial_result(self, iteration, trials, trial, result, **info):  # type: ignore[no-untyped-def]
        self.first_step = self.first_step or result["began_at"]
        self.busy += result["busy"]


ray.init(num_cpus=N_WORKERS, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
ready_at = time.time()
count = Count()
tune.Tuner(
    tune.with_resources(Bare, {"cpu": 1}),
    param_space={"x": tune.uniform(0, 1)},
    tune_config=tune.TuneConfig(
        num_samples=-1,
        reuse_actors=True,
        max_concurrent_trials=N_WORKERS,
        time_budget_s=BEGAN_AT + SECONDS - time.time(),
    ),
    run_config=tune.RunConfig(callbacks=[count], verbose=0, stop={"training_iteration": 4}),
).fit()
ended_at = time.time()
wall = (ended_at - count.first_step) * N_WORKERS
print(
    json.dumps(
        {
            "ray_ready_s": ready_at - BEGAN_AT,
            "first_step_s": count.first_step - BEGAN_AT,
            "busy_after_first_step": count.busy / wall,
            "busy_of_all": count.busy / (SECONDS * N_WORKERS),
        }
    )
)

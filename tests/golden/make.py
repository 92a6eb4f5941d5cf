"""Makes golden models of the present format: `python tests/golden/make.py FOLDER`, into a new folder.

Those that are there are never made again: they show that what an earlier release has saved is still loaded. A release
that changes the format adds a folder and keeps the old ones.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from raytabdl import preprocessing
from raytabdl.classic import ALL_CLASSIC
from raytabdl.clock import Clock
from raytabdl.component import Config, Horizon
from raytabdl.ensemble import Ensemble
from raytabdl.history import Trial
from raytabdl.inputs import Target, TaskType
from raytabdl.metrics import metric
from raytabdl.pipeline import make_pipeline
from raytabdl.predictor import Predictor, load_predictor
from raytabdl.quick import with_quick
from raytabdl.run_folder import RunFolder
from raytabdl.runtime.run import Run
from raytabdl.runtime.run_json import write_run
from raytabdl.runtime.settings import Settings
from raytabdl.space import Choices
from raytabdl.targets import encode_labels, encode_values
from raytabdl.task import Task, make_task
from raytabdl.training import AVERAGINGS
from raytabdl.warm_start import default_portfolio

HORIZON = Horizon(max_budget=27, epochs=9, rows_per_epoch=500, iteration_share=0.03)
CHOICES = Choices(
    classic=ALL_CLASSIC,
    averagings=AVERAGINGS,
    levels=preprocessing.LEVELS,
    encoders=preprocessing.ENCODERS,
    imputers=preprocessing.IMPUTERS,
    features=preprocessing.FEATURES,
    scalers=preprocessing.ALL_SCALERS,
)
NETWORKS: tuple[Config, ...] = (
    {
        "model": "mlp",
        "network.mlp.n_layers": 2,
        "network.mlp.max_units": 16,
        "network.mlp.batch_norm": True,
        "network.mlp.batch_size": 64,
        "network.mlp.scaler": "robust",
        "network.mlp.averaging": "snapshot",
        "network.mlp.optimizer": "adamw",
        "network.mlp.optimizer.adamw.lr": 0.01,
        "network.mlp.schedule": "cosine_cycles",
    },
    {
        "model": "tabm",
        "network.tabm.k": 4,
        "network.tabm.n_blocks": 1,
        "network.tabm.d_block": 16,
        "network.tabm.n_bins": 8,
        "network.tabm.d_embedding": 4,
        "network.tabm.batch_size": 64,
        "network.tabm.scaler": "quantile",
        "network.tabm.levels": "merge_rare",
        "network.tabm.encoder": "target",
        "network.tabm.imputer": "median",
        "network.tabm.features": "pca",
        "network.tabm.optimizer": "adamw",
        "network.tabm.optimizer.adamw.lr": 0.005,
        "network.tabm.schedule": "cosine",
    },
)


def table(n_rows: int, seed: int) -> pd.DataFrame:
    """A column of each kind, with gaps."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"size": rng.normal(size=n_rows), "year": rng.integers(1950, 2030, n_rows)})
    X["town"] = rng.choice(["Aachen", "Brno", "Čáslav"], n_rows)
    X["grade"] = pd.Categorical(rng.choice(["low", "mid", "high"], n_rows), ["low", "mid", "high"], ordered=True)
    X["is_new"] = rng.random(n_rows) < 0.3
    X["since"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1000, n_rows), "D")
    X.loc[::7, "size"] = np.nan
    X.loc[::9, "town"] = None
    return X


def target_of(X: pd.DataFrame, kind: str) -> pd.Series:
    signal = X["size"].fillna(1.0) + (X["town"] == "Brno") + 0.02 * (X["year"] - 1990)
    if kind == "regressor":
        return 1_000.0 + 10.0 * signal
    return pd.Series(np.select([signal < 0, signal < 1.2], ["few", "some"], "many"))


def make(kind: str, folder: Path) -> None:
    """Publishes each member after some training, saves the model, and writes what it predicts of new rows."""
    X = table(240, seed=0)
    if kind == "classifier":
        y, classes = encode_labels(target_of(X, kind))
        target = Target(TaskType.MULTICLASS, len(classes))
    else:
        y, classes, target = encode_values(target_of(X, kind)), None, Target(TaskType.REGRESSION, 0)
    task = make_task(X, y, target, 5, np.random.default_rng(0))
    with tempfile.TemporaryDirectory() as run:
        predictor = publish(RunFolder(Path(run) / "run"), task, classes, folder / kind)
    new = table(20, seed=1)
    new.to_csv(folder / kind / "rows.csv", index=False)
    expected = {
        name: predictor.members[name].predict(predictor.schema.encode(new)).tolist() for name in predictor.members
    }
    content = {"predictions": predictor.predict(new).tolist(), "members": expected}
    (folder / kind / "expected.json").write_text(json.dumps(content))


def publish(folder: RunFolder, task: Task, classes: np.ndarray | None, destination: Path) -> Predictor:
    settings = Settings(
        time_limit=1.0, n_trials=None, metric=None, seed=0, n_workers=None, gpus_per_trial=0.0, ensemble_size=25
    )
    chosen = metric(None, task.target.task_type)
    portfolio = default_portfolio(task.target)
    write_run(
        Run(
            settings=settings,
            folder=folder,
            task=task,
            choices=CHOICES,
            portfolio=portfolio,
            metric=chosen,
            clock=Clock.start(math.inf),
        ),
        classes,
        None,
    )
    known = with_quick(CHOICES)
    configurations = [*NETWORKS, *({"model": cls.name} for cls in known.classic)]
    members = []
    for i, config in enumerate(configurations, start=1):
        folder.history().append(Trial(f"{i:04d}", config, "portfolio", -1, 0))
        pipeline = make_pipeline(config, known, task.target, HORIZON, i)
        for _ in pipeline.train(task, fold=0):
            pass
        members.append(folder.publish(pipeline, f"{i:04d}"))
    folder.write_ensemble(Ensemble({member: 1 / len(members) for member in members}, 0.5), chosen)
    folder.finish()
    folder.copy_model(destination / "model")
    return load_predictor(RunFolder(destination / "model"), CHOICES)


if __name__ == "__main__":
    for each in ("classifier", "regressor"):
        make(each, Path(sys.argv[1]))

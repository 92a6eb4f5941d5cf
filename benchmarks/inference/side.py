"""Fits a system and times its predictions, in the environment of the system; prints the figures as JSON.

``side.py SYSTEM FOLDER``: the folder holds train.parquet, test.parquet and order.json.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

N_SINGLE, N_WARM, N_BATCHES = 200, 20, 7


def main(system: str, folder: Path) -> None:
    order = json.loads((folder / "order.json").read_text())
    train, test = (pd.read_parquet(folder / f"{part}.parquet") for part in ("train", "test"))
    y = train.pop(order["target"])
    truth = test.pop(order["target"])
    predict, labels, n_models = (ours if system == "raytabdl" else autogluon)(order, train, y, folder, system)
    probabilities = predict(test)
    places = pd.Index([str(label) for label in labels]).get_indexer(truth.astype(str))
    loss = -np.log(np.clip(probabilities[np.arange(len(test)), places], 1e-15, 1)).mean()
    many = test.sample(10_000, replace=True, random_state=0)
    single = [test.iloc[[i % len(test)]] for i in range(N_SINGLE + N_WARM)]
    for row in single[:N_WARM]:
        predict(row)
    print(
        json.dumps(
            {
                "log_loss": float(loss),
                "single_ms": 1e3 * statistics.median(timed(predict, row) for row in single[N_WARM:]),
                "many_s": statistics.median(timed(predict, many) for _ in range(N_BATCHES)),
                "models": n_models,
            }
        )
    )


def timed(predict: Any, rows: pd.DataFrame) -> float:
    began = time.perf_counter()
    predict(rows)
    return time.perf_counter() - began


def ours(order: dict[str, Any], X: pd.DataFrame, y: pd.Series, folder: Path, system: str) -> tuple[Any, Any, int]:
    from raytabdl import TabularClassifier
    from raytabdl.estimators import load

    fitted = TabularClassifier(order["seconds"], run_folder=folder / "run", progress=False).fit(X, y)
    fitted.save(folder / "model")
    model = load(folder / "model")
    return model.predict_proba, model.classes_, len(model.predictor_.members)


def autogluon(order: dict[str, Any], X: pd.DataFrame, y: pd.Series, folder: Path, system: str) -> tuple[Any, Any, int]:
    from autogluon.tabular import TabularPredictor

    predictor = TabularPredictor(order["target"], eval_metric="log_loss", path=str(folder / "autogluon"), verbosity=0)
    presets = {"autogluon-medium": "medium_quality", "autogluon-best": "best_quality"}[system]
    options = {"dynamic_stacking": False} if presets == "best_quality" else {}
    predictor.fit(
        X.assign(**{order["target"]: y}),
        time_limit=order["seconds"],
        presets=presets,
        num_cpus=order["n_cores"],
        num_gpus=0,
        **options,
    )
    predictor.persist()
    n_models = len(predictor.model_names(persisted=True))
    labels = list(predictor.class_labels)
    return lambda rows: predictor.predict_proba(rows)[labels].to_numpy(), labels, n_models


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

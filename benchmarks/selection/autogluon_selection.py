"""AutoGluon's own class on given predictions, in its environment: prints seconds, weights and loss as JSON."""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from autogluon.core.metrics import log_loss, roc_auc
from autogluon.core.models.greedy_ensemble.ensemble_selection import EnsembleSelection


def main(file: str, metric: str, size: int) -> None:
    given = np.load(file)
    y, predictions = given["y"], list(given["predictions"].astype(np.float64))
    scorer = {"log_loss": log_loss, "roc_auc": roc_auc}[metric]
    selection = EnsembleSelection(
        size, "binary", scorer, tie_breaker="second_metric", random_state=np.random.RandomState(0)
    )
    began = time.perf_counter()
    selection.fit(predictions, y)
    print(json.dumps({"seconds": time.perf_counter() - began, "weights": [float(w) for w in selection.weights_]}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

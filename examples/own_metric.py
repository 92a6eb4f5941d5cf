"""A metric of one's own, which decides the ensemble and the leaderboard."""

import numpy as np

from raytabdl import TabularClassifier, datasets
from raytabdl.inputs import TaskType
from raytabdl.metrics import Metric
from raytabdl.testing import check_metric


def brier_score(y, predictions):
    """The mean squared distance between the probabilities of a row and its class, one-hot."""
    truth = np.eye(predictions.shape[1])[y.astype(np.int64)]
    return float(np.square(predictions - truth).sum(axis=1).mean())


brier = Metric("brier", brier_score, greater_is_better=False)


if __name__ == "__main__":
    check_metric(brier, TaskType.MULTICLASS)
    X, y = datasets.load("car")
    clf = TabularClassifier(None, n_trials=3, metric=brier, choices="small").fit(X, y)
    print(clf.leaderboard().to_string())

"""A classic model of one's own: trained in iterations, and saved without pickle."""

from functools import partial

import numpy as np
from scipy.special import softmax

from raytabdl import TabularClassifier, datasets
from raytabdl.classic import LightGBM
from raytabdl.component import Classic, Real
from raytabdl.space import Choices
from raytabdl.testing import check_classic


def columns(X):
    """Numbers, 0 where missing, one-hot codes and a column of ones."""
    codes = [np.eye(n_levels)[code] for code, n_levels in zip(X.categorical.T, X.cardinalities, strict=True)]
    return np.concatenate([np.nan_to_num(X.numeric), *codes, np.ones((len(X), 1))], axis=1)


class GradientDescent(Classic):
    name = "gradient_descent"
    space = {"rate": Real(0.03, 0.5, 0.3, log=True)}
    horizon = 108  # steps at the full budget

    def __init__(self, target, *, seed, n_threads, rate=0.3):
        self.target, self.rate, self.path = target, rate, []
        self.outputs = partial(softmax, axis=1) if target.n_classes else np.asarray

    def advance(self, X, y, n_iterations):
        x, truth = columns(X), np.eye(self.target.d_out)[y] if self.target.n_classes else y[:, None]
        while len(self.path) < n_iterations:
            weights = self.path[-1] if self.path else np.zeros((x.shape[1], self.target.d_out))
            self.path.append(weights - self.rate * x.T @ (self.outputs(x @ weights) - truth) / len(x))

    def predict(self, X, n_iterations):
        predictions = self.outputs(columns(X) @ self.path[n_iterations - 1])
        return predictions if self.target.n_classes else predictions[:, 0]

    def save(self, folder):
        np.save(folder / "path.npy", np.stack(self.path))

    def load(self, folder):
        self.path = list(np.load(folder / "path.npy"))


if __name__ == "__main__":
    check_classic(GradientDescent)
    X, y = datasets.load("car")
    choices = Choices(networks=(), classic=(GradientDescent, LightGBM))
    clf = TabularClassifier(None, n_trials=3, choices=choices).fit(X, y)
    print(clf.leaderboard().to_string())

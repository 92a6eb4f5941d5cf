"""A scaler of one's own: what it keeps are the arrays that ``fit`` sets."""

import numpy as np

from raytabdl import TabularRegressor, datasets
from raytabdl.networks import ShapedMLP
from raytabdl.preprocessing import RobustScaler, Scaler
from raytabdl.space import Choices
from raytabdl.testing import check_scaler


class RangeScaler(Scaler):
    """The range of each column becomes -1 to 1; what lies outside is cut off."""

    name = "range"

    def __init__(self):
        self.low_ = self.width_ = np.empty(0, np.float32)

    def fit(self, X, rng):
        low, high = np.fmin.reduce(X), np.fmax.reduce(X)  # which pass over missing values
        self.low_ = np.nan_to_num(low)
        self.width_ = np.where(high > low, high - low, np.float32(1))
        return self

    def transform(self, X):
        return 2 * np.clip((X - self.low_) / self.width_, 0, 1) - 1


if __name__ == "__main__":
    check_scaler(RangeScaler)
    X, y = datasets.load("airfoil_self_noise")
    choices = Choices(networks=(ShapedMLP,), classic=(), scalers=(RangeScaler, RobustScaler))
    regressor = TabularRegressor(None, n_trials=3, choices=choices).fit(X, y)
    print(regressor.leaderboard().to_string())

"""Gradient boosting by LightGBM."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from raytabdl.classic.scores import RawScores, Scores, predictions_of
from raytabdl.component import Choice, Classic, Integer, Real, Space
from raytabdl.exceptions import CorruptModelError, DataError
from raytabdl.inputs import Array, Error, Inputs, Target, TaskType


class LightGBM(Classic):
    """Leaf-wise boosted trees; iterations are boosting rounds. Categories are split natively.

    By absolute errors a leaf is the median of what is left to its rows (LightGBM renews it once the tree is grown).

    A model that was loaded goes on with fresh random draws of rows and columns: LightGBM cannot write the
    state of its generators.
    """

    name: ClassVar[str] = "lightgbm"
    space: ClassVar[Space] = {
        "learning_rate": Real(0.01, 0.2, 0.05, log=True),
        "num_leaves": Integer(4, 200, 31, log=True),
        "min_data_in_leaf": Integer(1, 100, 20, log=True),
        "feature_fraction": Real(0.4, 1.0, 0.8),
        "bagging_fraction": Real(0.5, 1.0, 0.9),
        "lambda_l2": Real(1e-3, 10.0, 0.1, log=True),
        "cat_smooth": Real(1.0, 100.0, 10.0, log=True),
        "extra_trees": Choice((False, True), False),
    }
    full_space: ClassVar[Space] = {
        "learning_rate": Real(0.005, 0.2, 0.05, log=True),
        "num_leaves": Integer(2, 512, 31, log=True),
        "lambda_l1": Real(0.0, 1.0, 0.0),
        "cat_l2": Real(0.01, 100.0, 10.0, log=True),
        "min_data_per_group": Integer(2, 200, 100, log=True),
        "max_cat_to_onehot": Integer(4, 100, 4, log=True),
    }
    horizon: ClassVar[int] = 540
    most_horizons: ClassVar[float] = 8.0

    def __init__(
        self,
        target: Target,
        *,
        seed: int,
        n_threads: int,
        learning_rate: float = 0.05,
        num_leaves: int = 31,
        min_data_in_leaf: int = 20,
        feature_fraction: float = 0.8,
        bagging_fraction: float = 0.9,
        lambda_l2: float = 0.1,
        cat_smooth: float = 10.0,
        extra_trees: bool = False,
        lambda_l1: float = 0.0,
        cat_l2: float = 10.0,
        min_data_per_group: int = 100,
        max_cat_to_onehot: int = 4,
    ) -> None:
        self.target = target
        of_values = "regression_l1" if target.error is Error.ABSOLUTE else "regression"
        objective = {TaskType.BINARY: "binary", TaskType.MULTICLASS: "multiclass", TaskType.REGRESSION: of_values}
        self.parameters: dict[str, Any] = {
            "objective": objective[target.task_type],
            "learning_rate": learning_rate,
            "num_leaves": num_leaves,
            "min_data_in_leaf": min_data_in_leaf,
            "feature_fraction": feature_fraction,
            "bagging_fraction": bagging_fraction,
            "bagging_freq": 1,
            "lambda_l2": lambda_l2,
            "cat_smooth": cat_smooth,
            "extra_trees": extra_trees,
            "lambda_l1": lambda_l1,
            "cat_l2": cat_l2,
            "min_data_per_group": min_data_per_group,
            "max_cat_to_onehot": max_cat_to_onehot,
            "seed": seed,
            "num_threads": n_threads,
            "verbose": -1,
            "deterministic": True,
            "force_row_wise": True,  # else LightGBM times both layouts first, which is neither fast nor repeatable
        }
        if target.task_type is TaskType.MULTICLASS:
            self.parameters["num_class"] = target.n_classes
        self.n_threads = n_threads
        self.booster_: Any = None
        self._trained_on: Inputs | None = None
        self._scores = RawScores()

    def advance(self, X: Inputs, y: Array, n_iterations: int) -> None:
        import lightgbm

        if X.numeric.size == 0 and X.categorical.size == 0:
            raise DataError("there are no columns to learn from; boosted trees need at least one")
        if len(X) < 2:  # of which the bag would have none
            raise DataError("there is one row to learn from; boosted trees need at least 2")
        if self._trained_on is not X:
            data = lightgbm.Dataset(
                _matrix(X),
                y,
                weight=X.weights,
                categorical_feature=list(range(X.numeric.shape[1], X.n_columns)),
                params={"verbose": -1},
                free_raw_data=False,
            )
            self._trained_on = X
            if self.booster_ is None:
                self.booster_ = lightgbm.Booster(self.parameters, data)
            elif self.booster_.current_iteration() < n_iterations:
                self.booster_ = lightgbm.train(
                    self.parameters,
                    data,
                    num_boost_round=n_iterations - self.booster_.current_iteration(),
                    init_model=self.booster_,
                    keep_training_booster=True,
                )
        while self.booster_.current_iteration() < n_iterations:
            if self.booster_.update():
                break  # no leaf can be split: there is no further tree, and never the iteration that was asked for

    def predict(self, X: Inputs, n_iterations: int) -> Array:
        n_iterations = min(n_iterations, max(1, self.booster_.current_iteration()))
        if self._trained_on is None:  # a model that only predicts would keep the user's rows
            return predictions_of(self._of_rounds(X, 0, n_iterations), self.target)
        return predictions_of(self._scores.up_to(X, n_iterations, self._of_rounds), self.target)

    def _of_rounds(self, X: Inputs, first: int, end: int) -> Scores:
        scores: Scores = self.booster_.predict(
            X.once(_matrix),
            start_iteration=first,
            num_iteration=end - first,
            raw_score=True,
            num_threads=self.n_threads,
        )
        return scores

    def save(self, folder: Path) -> None:
        (folder / "lightgbm.txt").write_text(self.booster_.model_to_string())

    def load(self, folder: Path) -> None:
        import lightgbm

        path = folder / "lightgbm.txt"
        try:
            self.booster_ = lightgbm.Booster(model_str=path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, lightgbm.basic.LightGBMError) as error:
            raise CorruptModelError(f"{path} is no model of LightGBM ({error}); restore it from a copy") from error
        self._trained_on = None


def _matrix(X: Inputs) -> NDArray[np.float32]:
    """Numbers first, then codes; an unseen level (0) counts as missing."""
    codes = np.where(X.categorical == 0, np.nan, X.categorical).astype(np.float32)
    return np.concatenate([X.numeric, codes], axis=1)

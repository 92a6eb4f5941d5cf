"""Gradient boosting by CatBoost."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from raytabdl.classic.scores import RawScores, Scores, predictions_of
from raytabdl.component import Choice, Classic, Integer, Real, Space
from raytabdl.exceptions import CorruptModelError, DataError
from raytabdl.inputs import Array, Error, Inputs, Target, TaskType

_SNAPSHOT = "catboost.snapshot"
_LEAST_SAMPLED = 10
"""Rows below which CatBoost cannot draw a share of them."""
_EXACT_LEAVES = {"leaf_estimation_method": "Exact", "leaf_estimation_iterations": 1}
_WEIGHTED_LEAVES = {"leaf_estimation_method": "Gradient"}


class CatBoost(Classic):
    """Symmetric boosted trees with ordered statistics of categories; iterations are boosting rounds.

    Training is continued from CatBoost's own snapshot, which gives the same trees as one go: continuing from
    a model (``init_model``) loses the running statistics of the categories and a good part of the accuracy.
    A snapshot is refused when any parameter changed, and CatBoost derives some from the number of
    iterations (at 200 it turns to 10 leaf iterations and combinations of 4 categories, 3x slower): so these
    are always set here.

    By absolute errors a leaf is the median of what is left to its rows, which one step finds, whatever
    ``leaf_iterations``; as CatBoost weighs no rows there, leaves of weighted rows go down the gradient instead.
    """

    name: ClassVar[str] = "catboost"
    space: ClassVar[Space] = {
        "learning_rate": Real(0.01, 0.2, 0.08, log=True),
        "depth": Integer(4, 8, 6),
        "l2_leaf_reg": Real(1e-2, 10.0, 3.0, log=True),
        "random_strength": Real(1e-2, 10.0, 1.0, log=True),
        "leaf_iterations": Integer(1, 10, 1, log=True),
        "one_hot_max_size": Integer(2, 100, 10, log=True),
        "max_ctr_complexity": Integer(1, 2, 1),
    }
    full_space: ClassVar[Space] = {
        "learning_rate": Real(0.005, 0.2, 0.08, log=True),
        "l2_leaf_reg": Real(1e-4, 10.0, 3.0, log=True),
        "leaf_iterations": Integer(1, 20, 1, log=True),
        "max_ctr_complexity": Integer(1, 5, 1),
        "model_size_reg": Real(0.1, 1.5, 0.5, log=True),
        "subsample": Real(0.7, 1.0, 0.8),
        "colsample_bylevel": Real(0.85, 1.0, 1.0),
        "grow_policy": Choice(("SymmetricTree", "Depthwise"), "SymmetricTree"),
    }
    horizon: ClassVar[int] = 540
    most_horizons: ClassVar[float] = 8.0

    def __init__(
        self,
        target: Target,
        *,
        seed: int,
        n_threads: int,
        learning_rate: float = 0.08,
        depth: int = 6,
        l2_leaf_reg: float = 3.0,
        random_strength: float = 1.0,
        leaf_iterations: int = 1,
        one_hot_max_size: int = 10,
        max_ctr_complexity: int = 1,
        model_size_reg: float = 0.5,
        subsample: float = 0.8,
        colsample_bylevel: float = 1.0,
        grow_policy: str = "SymmetricTree",
    ) -> None:
        self.target = target
        of_values = "MAE" if target.error is Error.ABSOLUTE else "RMSE"
        loss = {TaskType.BINARY: "Logloss", TaskType.MULTICLASS: "MultiClass", TaskType.REGRESSION: of_values}
        self.parameters: dict[str, Any] = {
            "loss_function": loss[target.task_type],
            "learning_rate": learning_rate,
            "depth": depth,
            "l2_leaf_reg": l2_leaf_reg,
            "random_strength": random_strength,
            "leaf_estimation_iterations": leaf_iterations,
            "one_hot_max_size": one_hot_max_size,
            "max_ctr_complexity": max_ctr_complexity,
            "model_size_reg": model_size_reg,
            "colsample_bylevel": colsample_bylevel,
            "grow_policy": grow_policy,
            "boosting_type": "Plain",
            "boost_from_average": target.task_type is TaskType.REGRESSION,
            "bootstrap_type": "MVS",
            "subsample": subsample,
            "random_seed": seed,
            "thread_count": n_threads,
            "verbose": False,
            "save_snapshot": True,
            "snapshot_file": _SNAPSHOT,
            "snapshot_interval": 1_000_000,  # seconds: CatBoost writes one at the end in any case
        }
        if target.task_type is TaskType.MULTICLASS:
            self.parameters["classes_count"] = target.n_classes
        self.model_: Any = None
        self._folder: Path | None = None
        self._trained_on: Inputs | None = None
        self._pool: Any = None
        self._scores = RawScores()

    def advance(self, X: Inputs, y: Array, n_iterations: int) -> None:
        import catboost

        if self.model_ is not None and self.model_.tree_count_ >= n_iterations:
            return
        if X.numeric.size == 0 and X.categorical.size == 0:
            raise DataError("there are no columns to learn from; boosted trees need at least one")
        if self._trained_on is not X:
            self._pool = pool_of(X, y)
            self._trained_on = X
        parameters = {**self.parameters, "iterations": n_iterations, "train_dir": str(self._train_dir())}
        if len(y) < _LEAST_SAMPLED:
            parameters["subsample"] = 1.0
        if self.target.error is Error.ABSOLUTE:
            parameters |= _EXACT_LEAVES if X.weights is None else _WEIGHTED_LEAVES
        model = catboost.CatBoost(parameters)
        model.fit(self._pool)
        self.model_ = model

    def predict(self, X: Inputs, n_iterations: int) -> Array:
        n_iterations = min(n_iterations, self.model_.tree_count_)
        if self._trained_on is None:  # a model that only predicts would keep the user's rows
            return predictions_of(self._of_rounds(X, 0, n_iterations), self.target)
        return predictions_of(self._scores.up_to(X, n_iterations, self._of_rounds), self.target)

    def _of_rounds(self, X: Inputs, first: int, end: int) -> Scores:
        scores: Scores = self.model_.predict(
            X.once(pool_of),
            prediction_type="RawFormulaVal",
            ntree_start=first,
            ntree_end=end,
            thread_count=self.parameters["thread_count"],
        )
        return scores

    def save(self, folder: Path) -> None:
        self.model_.save_model(str(folder / "catboost.cbm"))

    def save_progress(self, folder: Path) -> None:
        self.save(folder)
        shutil.copyfile(self._train_dir() / _SNAPSHOT, folder / _SNAPSHOT)

    def load(self, folder: Path) -> None:
        import catboost

        path = folder / "catboost.cbm"
        try:
            self.model_ = catboost.CatBoost().load_model(str(path))
        except catboost.CatBoostError as error:
            raise CorruptModelError(f"{path} is no model of CatBoost ({error}); restore it from a copy") from error
        if (folder / _SNAPSHOT).exists():
            shutil.copyfile(folder / _SNAPSHOT, self._train_dir() / _SNAPSHOT)

    def _train_dir(self) -> Path:
        """Where CatBoost writes while it trains: made when it begins to, and deleted with the model."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="raytabdl-catboost-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder


def pool_of(X: Inputs, y: Array | None = None) -> Any:
    """Numbers and categories apart, which spares CatBoost a walk over Python objects for the numbers."""
    import catboost

    codes = X.categorical.astype("S").astype(object) if X.categorical.size else None
    numbers = np.ascontiguousarray(X.numeric) if X.numeric.size else None
    features = catboost.FeaturesData(num_feature_data=numbers, cat_feature_data=codes)
    return catboost.Pool(features, label=y, weight=X.weights)

"""The scikit-learn estimators."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from raytabdl.clock import Clock
from raytabdl.exceptions import RunFolderError, SettingError
from raytabdl.inputs import Array, Target
from raytabdl.leaderboard import leaderboard
from raytabdl.metrics import Metric, metric
from raytabdl.predictor import load_predictor
from raytabdl.run_folder import RunFolder, read_labels
from raytabdl.runtime.progress import show
from raytabdl.runtime.run import (
    Run,
    Settings,
    connecting,
    default_portfolio,
    execute,
    new_run_folder,
    read_settings,
    spent_seconds,
    write_run,
)
from raytabdl.search.policy import N_FOLDS
from raytabdl.search.portfolio import Portfolio
from raytabdl.space import Choices
from raytabdl.task import encode_labels, encode_values, infer_target, make_task

E = TypeVar("E", bound="_Tabular")


class _Tabular(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What the classifier and the regressor share: a fit is one run, kept in its folder."""

    _is_classifier: ClassVar[bool]

    def __init__(
        self,
        time_limit: float | None = 300.0,
        *,
        metric: str | Metric | None = None,
        n_trials: int | None = None,
        seed: int = 0,
        n_workers: int | None = None,
        gpus_per_trial: float = 0.0,
        choices: Choices | None = None,
        portfolio: Portfolio | None = None,
        ensemble_size: int = 25,
        run_folder: str | Path | None = None,
        progress: bool | None = None,
    ) -> None:
        self.time_limit = time_limit
        self.metric = metric
        self.n_trials = n_trials
        self.seed = seed
        self.n_workers = n_workers
        self.gpus_per_trial = gpus_per_trial
        self.choices = choices
        self.portfolio = portfolio
        self.ensemble_size = ensemble_size
        self.run_folder = run_folder
        self.progress = progress

    def fit(self: E, X: Any, y: Any) -> E:
        """Searches until the time is up and keeps the ensemble.

        ``X`` is a table of n rows (pandas, polars, arrow, numpy, a list of rows), ``y`` has n targets. Ctrl-C ends the
        search and keeps what there is. Raises DataError where the data cannot be learned from, SettingError
        where a parameter has a value that it cannot have.
        """
        settings = _checked(self)
        clock = Clock.start(math.inf if settings.time_limit is None else settings.time_limit)
        # Ray takes seconds to start, which the table is read in. A table that cannot be learned from ends it again.
        with connecting(settings) as connection:
            classes, codes = self._encode_target(y)
            target = infer_target(codes, classes)
            task = make_task(X, codes, target, N_FOLDS, np.random.default_rng(settings.seed))
            run = Run(
                settings,
                new_run_folder(None if self.run_folder is None else Path(self.run_folder)),
                task,
                self.choices or Choices(),
                self.portfolio or default_portfolio(target),
                metric(self.metric, target.task_type),
                clock,
            )
            write_run(run, classes)
            with show(self.progress, run) as watch:
                execute(run, connection, watch)
        return self._take(run.folder)

    @classmethod
    def resume(
        cls: type[E], run_folder: str | Path, *, choices: Choices | None = None, progress: bool | None = None
    ) -> E:
        """Goes on with a run that was interrupted, with the time that it has left, and returns the fitted estimator.

        Finished trials are not run again; a run that was finished is loaded. ``choices`` must hold the classes
        of the user's own that the run was started with. Raises RunFolderError where there is no run.
        """
        folder = RunFolder(Path(run_folder).absolute())
        settings = read_settings(folder)
        estimator = cls(**_parameters(settings), choices=choices, run_folder=folder.path, progress=progress)
        if folder.is_finished:
            return estimator._take(folder)
        clock = Clock.start(
            math.inf if settings.time_limit is None else settings.time_limit, spent_s=spent_seconds(folder)
        )
        with connecting(settings) as connection:
            _, target = read_labels(folder.path / "labels.json")
            _check_kind(cls, target, folder)
            run = Run(
                settings,
                folder,
                folder.read_task(target),
                choices or Choices(),
                default_portfolio(target),
                metric(settings.metric, target.task_type),
                clock,
            )
            with show(progress, run) as watch:
                execute(run, connection, watch)
        return estimator._take(folder)

    @classmethod
    def load(cls: type[E], path: str | Path, *, choices: Choices | None = None) -> E:
        """The estimator that ``save`` wrote, or that of a finished run, after its hashes were checked.

        ``choices`` must hold the classes of the user's own among the members. Raises CorruptModelError where a file is
        missing or not what was written.
        """
        folder = RunFolder(Path(path).absolute())
        settings = read_settings(folder)
        _, target = read_labels(folder.path / "labels.json")
        _check_kind(cls, target, folder)
        return cls(**_parameters(settings), choices=choices)._take(folder)

    def save(self, path: str | Path) -> None:
        """Writes what predicting needs to a folder, without pickle; it replaces a model that was saved there before.

        Raises RunFolderError where the folder holds something else.
        """
        check_is_fitted(self)
        destination = Path(path).absolute()
        if destination.exists() and not RunFolder(destination).is_finished:
            raise RunFolderError(f"{destination} exists and is no saved model; choose another folder or delete it")
        self.folder_.copy_model(destination)

    def leaderboard(self) -> pd.DataFrame:
        """The best member of each trial, best first: its metric on the validation rows, weight and seconds."""
        check_is_fitted(self)
        return leaderboard(self.folder_)

    def _take(self: E, folder: RunFolder) -> E:
        """Sets the fitted attributes from a finished run or a saved model."""
        predictor = load_predictor(folder, self.choices or Choices(), verify=True)
        self.predictor_ = predictor
        self.folder_ = folder
        self.n_features_in_ = len(predictor.schema.names)
        if predictor.schema.named:
            self.feature_names_in_ = np.array(predictor.schema.names, dtype=object)
        if predictor.classes is not None:
            self.classes_ = predictor.classes
        return self

    def _encode_target(self, y: Any) -> tuple[np.ndarray[Any, Any] | None, Array]:
        raise NotImplementedError

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "predictor_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.target_tags.required = True
        return tags


class TabularClassifier(ClassifierMixin, _Tabular):  # type: ignore[misc]
    """Predicts one of two or more classes.

    ``time_limit`` in seconds covers all of ``fit``, Ray's start and end included; with ``n_trials`` and no
    time limit, and one worker, a run is repeatable. ``metric`` (log loss by default) decides the ensemble.
    ``n_workers`` trials are trained at once (one for each CPU of the cluster by default).
    """

    _is_classifier = True

    def predict(self, X: Any) -> np.ndarray[Any, Any]:
        """The most probable class of each row, as it was given to ``fit``."""
        check_is_fitted(self)
        codes = self.predictor_.predict(X).argmax(axis=1)
        return np.asarray(self.classes_[codes])

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, of shape (n, n_classes) in the order of ``classes_``."""
        check_is_fitted(self)
        return self.predictor_.predict(X)

    def _encode_target(self, y: Any) -> tuple[np.ndarray[Any, Any] | None, Array]:
        codes, labels = encode_labels(y)
        return labels.classes, codes


class TabularRegressor(RegressorMixin, _Tabular):  # type: ignore[misc]
    """Predicts a number. The parameters are those of ``TabularClassifier``; the metric is RMSE by default."""

    _is_classifier = False

    def predict(self, X: Any) -> Array:
        """The value of each row."""
        check_is_fitted(self)
        return self.predictor_.predict(X)

    def _encode_target(self, y: Any) -> tuple[np.ndarray[Any, Any] | None, Array]:
        return None, encode_values(y)


def load(path: str | Path, *, choices: Choices | None = None) -> TabularClassifier | TabularRegressor:
    """The estimator of a saved model or a finished run, of the kind that it is."""
    return estimator_class(path).load(path, choices=choices)


def estimator_class(path: str | Path) -> type[TabularClassifier] | type[TabularRegressor]:
    """Which estimator a run or a saved model is of."""
    folder = RunFolder(Path(path).absolute())
    read_settings(folder)
    _, target = read_labels(folder.path / "labels.json")
    return TabularClassifier if target.task_type.is_classification else TabularRegressor


def _checked(estimator: _Tabular) -> Settings:
    """The settings, once each is a value that it can have."""
    limit, n_trials = estimator.time_limit, estimator.n_trials
    if limit is None and n_trials is None:
        raise SettingError("time_limit and n_trials are both None: give seconds or a number of trials")
    if limit is not None:
        if isinstance(limit, bool) or not isinstance(limit, (int, float, np.integer, np.floating)):
            raise SettingError(f"time_limit must be a number of seconds, got {limit!r}")
        if not (math.isfinite(limit) and limit > 0):
            raise SettingError(f"time_limit must be positive and finite, got {limit!r}")
    for name, least in (("n_trials", 1), ("n_workers", 1), ("ensemble_size", 1), ("seed", 0)):
        value = getattr(estimator, name)
        if value is None and name in ("n_trials", "n_workers"):
            continue
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise SettingError(f"{name} must be an integer of at least {least}, got {value!r}")
    if not 0 <= estimator.gpus_per_trial:
        raise SettingError(f"gpus_per_trial must not be negative, got {estimator.gpus_per_trial!r}")
    chosen = estimator.metric
    return Settings(
        None if limit is None else float(limit),
        None if n_trials is None else int(n_trials),
        chosen.name if isinstance(chosen, Metric) else chosen,
        int(estimator.seed),
        None if estimator.n_workers is None else int(estimator.n_workers),
        float(estimator.gpus_per_trial),
        int(estimator.ensemble_size),
    )


def _parameters(settings: Settings) -> dict[str, Any]:
    return asdict(settings)


def _check_kind(cls: type[_Tabular], target: Target, folder: RunFolder) -> None:
    if target.task_type.is_classification != cls._is_classifier:
        raise RunFolderError(f"{folder.path} is of a {target.task_type.value} task, which {cls.__name__} is not for")

"""The scikit-learn estimators."""

from __future__ import annotations

import math
import warnings
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from raytabdl.clock import Clock
from raytabdl.exceptions import RunFolderError, SettingError
from raytabdl.inputs import Array, Target, TaskType
from raytabdl.leaderboard import leaderboard
from raytabdl.metrics import Metric
from raytabdl.predictor import Predictor, load_predictor
from raytabdl.presets import preset
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
from raytabdl.scorers import MetricChoice, check_known, chosen_metric, metric_name
from raytabdl.search.policy import N_FOLDS
from raytabdl.search.portfolio import Portfolio
from raytabdl.space import Choices
from raytabdl.task import encode_labels, encode_valid, encode_values, infer_target, make_task
from raytabdl.validation import Validation, check_parts

E = TypeVar("E", bound="_Tabular")


class _Tabular(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What the classifier and the regressor share: a fit is one run, kept in its folder."""

    _task_type: ClassVar[TaskType]

    def __init__(
        self,
        time_limit: float | None = 300.0,
        *,
        metric: MetricChoice = None,
        validation: Validation | None = None,
        n_trials: int | None = None,
        seed: int = 0,
        n_workers: int | None = None,
        gpus_per_trial: float = 0.0,
        trial_seconds: float | None = None,
        choices: str | Choices | None = None,
        portfolio: Portfolio | None = None,
        ensemble_size: int = 25,
        run_folder: str | Path | None = None,
        progress: bool | None = None,
    ) -> None:
        self.time_limit = time_limit
        self.metric = metric
        self.validation = validation
        self.n_trials = n_trials
        self.seed = seed
        self.n_workers = n_workers
        self.gpus_per_trial = gpus_per_trial
        self.trial_seconds = trial_seconds
        self.choices = choices
        self.portfolio = portfolio
        self.ensemble_size = ensemble_size
        self.run_folder = run_folder
        self.progress = progress

    def fit(
        self: E,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        X_valid: Any = None,
        y_valid: Any = None,
    ) -> E:
        """Searches until the time is up and keeps the ensemble.

        ``X`` is a table of n rows (pandas, polars, arrow, numpy, a list of rows), ``y`` has n targets. Ctrl-C ends the
        search and keeps what there is. Raises DataError where the data cannot be learned from, SettingError
        where a parameter has a value that it cannot have, RunFolderError where ``run_folder`` holds something.

        ``sample_weight`` has n numbers of at least 0; a row of weight 0 is as if it were not there. Weighted are the
        training of every model, and all losses on validation rows; of metrics of one's own those that take
        ``sample_weight``. Statistics of preprocessing, such as the medians that numbers are scaled by, are not.
        ``groups`` has n names: rows of one group are never trained on and validated by in the same fold.
        ``X_valid, y_valid`` are what is validated by, in the place of a part of ``X``: they are not trained on, and all
        their rows count the same.
        """
        settings, choices = _checked(self), preset(self.choices)
        check_parts(self.validation, groups, X_valid, y_valid)
        check_known(self.metric, self._task_type)
        clock = Clock.start(math.inf if settings.time_limit is None else settings.time_limit)
        folder = new_run_folder(None if self.run_folder is None else Path(self.run_folder))
        # Ray takes seconds to start, which the table is read in. A table that cannot be learned from ends it again.
        with connecting(settings) as connection:
            classes, codes = self._encode_target(y)
            target = infer_target(codes, classes)
            task = make_task(
                X,
                codes,
                target,
                N_FOLDS,
                np.random.default_rng(settings.seed),
                sample_weight=sample_weight,
                groups=groups,
                validation=self.validation,
                holdout=None if X_valid is None else (X_valid, encode_valid(y_valid, classes)),
            )
            portfolio = self.portfolio or default_portfolio(target)
            metric = chosen_metric(self.metric, task.y, target, classes)
            if task.inputs.weights is not None and not metric.takes_weights:
                warnings.warn(f"metric {metric.name} takes no sample_weight: it counts all rows the same", stacklevel=2)
            run = Run(settings, folder, task, choices, portfolio, metric, clock)
            write_run(run, classes, _name_of(y))
            with show(self.progress, run) as watch:
                execute(run, connection, watch)
        if set(folder.history().trials) == {"quick-dummy"}:
            warnings.warn(
                f"{self.time_limit} seconds were enough for the baseline only, which looks at no feature; give the fit "
                "a longer time_limit",
                stacklevel=2,
            )
        return self._take(folder, load_predictor(folder, run.choices))

    @classmethod
    def resume(
        cls: type[E],
        run_folder: str | Path,
        *,
        choices: str | Choices | None = None,
        portfolio: Portfolio | None = None,
        metric: MetricChoice = None,
        progress: bool | None = None,
    ) -> E:
        """Goes on with a run that was interrupted, with the time that it has left, and returns the fitted estimator.

        Finished trials are not run again; a run that ended by itself is loaded. ``choices``, ``portfolio`` and
        ``metric`` are given again where the run was started with objects, which its folder does not hold. Raises
        RunFolderError where there is no run.
        """
        folder = RunFolder(Path(run_folder).absolute())
        settings = read_settings(folder)
        if folder.is_complete:
            return cls.load(folder.path, choices=choices)
        classes, target = read_labels(folder.path / "labels.json")
        _check_kind(cls, target, folder)
        estimator = cls(
            **{**asdict(settings), "metric": metric or settings.metric},
            choices=choices,
            portfolio=portfolio,
            run_folder=folder.path,
            progress=progress,
        )
        limit = math.inf if settings.time_limit is None else settings.time_limit
        task = folder.read_task(target)
        run = Run(
            settings,
            folder,
            task,
            preset(choices),
            portfolio or default_portfolio(target),
            chosen_metric(estimator.metric, task.y, target, classes),
            Clock.start(limit, spent_s=spent_seconds(folder)),
        )
        with connecting(settings) as connection, show(progress, run) as watch:
            execute(run, connection, watch)
        return estimator._take(folder, load_predictor(folder, run.choices))

    @classmethod
    def load(cls: type[E], path: str | Path, *, choices: str | Choices | None = None) -> E:
        """The estimator that ``save`` wrote, or that of a finished run, after its hashes were checked.

        ``choices`` must hold the classes of the user's own among the members. Raises CorruptModelError where a file is
        missing or not what was written, RunFolderError where there is no model, or one of another kind of task.
        """
        folder = RunFolder(Path(path).absolute())
        return cls._of(folder, load_predictor(folder, preset(choices or "full")), choices)

    def save(self, path: str | Path) -> None:
        """Writes what predicting needs to a folder, without pickle; it replaces a model that was saved there before.

        Raises RunFolderError where the folder holds something else, a run included, or cannot be written.
        """
        source, destination = self._kept_folder(), RunFolder(Path(path).absolute())
        if not (destination.is_free() or destination.is_saved_model):
            raise RunFolderError(
                f"{destination.path} holds something that is no saved model; choose another folder or delete it"
            )
        try:
            source.copy_model(destination.path)
        except OSError as error:
            raise RunFolderError(f"{destination.path} cannot be written: {error}") from error

    def leaderboard(self) -> pd.DataFrame:
        """The best member of each trial, best first: its metric on the validation rows, weight and seconds."""
        return leaderboard(self._kept_folder())

    @classmethod
    def _of(cls: type[E], folder: RunFolder, predictor: Predictor, choices: str | Choices | None) -> E:
        _check_kind(cls, predictor.target, folder)
        return cls(**asdict(read_settings(folder)), choices=choices)._take(folder, predictor)

    def _take(self: E, folder: RunFolder, predictor: Predictor) -> E:
        """Sets the fitted attributes, in the place of those of an earlier fit."""
        self.predictor_ = predictor
        self.folder_ = folder
        self.n_features_in_ = len(predictor.schema.names)
        if predictor.schema.named:
            self.feature_names_in_ = np.array(predictor.schema.names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        if predictor.classes is not None:
            self.classes_ = predictor.classes
        return self

    def _kept_folder(self) -> RunFolder:
        check_is_fitted(self)
        if not self.folder_.is_finished:
            raise RunFolderError(
                f"{self.folder_.path} is gone, which leaderboard and save read; predict goes on without it"
            )
        return self.folder_

    def _encode_target(self, y: Any) -> tuple[NDArray[Any] | None, NDArray[Any]]:
        raise NotImplementedError

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "predictor_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


class TabularClassifier(ClassifierMixin, _Tabular):  # type: ignore[misc]
    """Predicts one of two or more classes.

    ``time_limit`` in seconds covers all of ``fit``, Ray's start and end included. ``n_trials`` bounds what is tried,
    and nothing is trained on further folds then; without a time limit, and with one worker, such a run is
    repeatable. ``n_workers`` trials are trained at once (one
    for each CPU of the cluster by default). The full budget of a trial are the epochs or iterations that suit the time,
    or ``trial_seconds`` of training, what ends first. ``choices`` is what is searched: a ``Choices``, or "small",
    "medium" (the default) or "full".

    ``metric`` (log loss by default) decides the ensemble: a name, a ``Metric``, a scorer of scikit-learn, or a function
    of the targets and the probabilities, (n, n_classes), or the values of a regression, which may be better where it is
    greater or where it is smaller. What measures classes is a scorer:

    >>> from sklearn.metrics import fbeta_score, make_scorer
    >>> clf = TabularClassifier(60, metric=make_scorer(fbeta_score, beta=2))
    >>> clf = TabularClassifier(60, metric=lambda y, p: ((p[:, 1] - y) ** 2).mean())

    ``validation`` says which rows are validated by, in the place of folds that are alike in their targets: a
    ``TimeOrder``, a splitter of scikit-learn or a list of (training rows, validation rows). The search goes by the fold
    that trains on most rows, and models of all folds predict together.
    """

    _task_type = TaskType.MULTICLASS  # or binary, by the target: what is asked of it is the same for both

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each row, as it was given to ``fit``."""
        check_is_fitted(self)
        codes = self.predictor_.predict(X).argmax(axis=1)
        return np.asarray(self.classes_[codes])

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, of shape (n, n_classes) in the order of ``classes_``."""
        check_is_fitted(self)
        return self.predictor_.predict(X)

    def _encode_target(self, y: Any) -> tuple[NDArray[Any] | None, NDArray[Any]]:
        codes, labels = encode_labels(y)
        return labels.classes, codes


class TabularRegressor(RegressorMixin, _Tabular):  # type: ignore[misc]
    """Predicts a number. The parameters are those of ``TabularClassifier``; the metric is RMSE by default."""

    _task_type = TaskType.REGRESSION

    def predict(self, X: Any) -> Array:
        """The value of each row."""
        check_is_fitted(self)
        return self.predictor_.predict(X)

    def _encode_target(self, y: Any) -> tuple[NDArray[Any] | None, NDArray[Any]]:
        return None, encode_values(y)


def load(path: str | Path, *, choices: str | Choices | None = None) -> TabularClassifier | TabularRegressor:
    """The estimator of a saved model or a finished run, of the kind that it is."""
    folder = RunFolder(Path(path).absolute())
    predictor = load_predictor(folder, preset(choices or "full"))
    return _class_for(predictor.target)._of(folder, predictor, choices)


def estimator_class(path: str | Path) -> type[TabularClassifier] | type[TabularRegressor]:
    """Which estimator a run or a saved model is of."""
    folder = RunFolder(Path(path).absolute())
    read_settings(folder)
    _, target = read_labels(folder.path / "labels.json")
    return _class_for(target)


def _class_for(target: Target) -> type[TabularClassifier] | type[TabularRegressor]:
    return TabularClassifier if target.task_type.is_classification else TabularRegressor


def _name_of(y: Any) -> str | None:
    """The name of a series; a frame may have a column of that name instead."""
    name = getattr(y, "name", None)
    return name if isinstance(name, str) else None


def _check_kind(cls: type[_Tabular], target: Target, folder: RunFolder) -> None:
    if target.task_type.is_classification != cls._task_type.is_classification:
        raise RunFolderError(f"{folder.path} is of a {target.task_type.value} task, which {cls.__name__} is not for")


def _checked(estimator: _Tabular) -> Settings:
    """The settings, once each parameter is a value that it can have."""
    limit, n_trials, trial_seconds = estimator.time_limit, estimator.n_trials, estimator.trial_seconds
    if limit is None and n_trials is None:
        raise SettingError("time_limit and n_trials are both None: give seconds or a number of trials")
    for name, kinds, wanted in _OBJECTS:
        value = getattr(estimator, name)
        if not (value is None or isinstance(value, kinds) or (name == "metric" and callable(value))):
            raise SettingError(f"{name} must be {wanted}, or None; got {value!r}")
    return Settings(
        None if limit is None else _seconds("time_limit", limit, "for no limit give n_trials and None"),
        None if n_trials is None else _count("n_trials", n_trials, least=1),
        metric_name(estimator.metric),
        _count("seed", estimator.seed, least=0),
        None if estimator.n_workers is None else _count("n_workers", estimator.n_workers, least=1),
        _gpus(estimator.gpus_per_trial),
        _count("ensemble_size", estimator.ensemble_size, least=1),
        None if trial_seconds is None else _seconds("trial_seconds", trial_seconds, "for no limit give None"),
    )


_OBJECTS: tuple[tuple[str, tuple[type, ...], str], ...] = (
    ("metric", (str, Metric), "the name of a metric, a Metric, a scorer of scikit-learn or a function"),
    ("choices", (str, Choices), "the name of a preset or a Choices"),
    ("portfolio", (Portfolio,), "a Portfolio"),
    ("run_folder", (str, PathLike), "a path"),
    ("progress", (bool,), "True or False"),
)
"""The parameters that are objects: their types, in words too."""


def _seconds(name: str, value: Any, way_out: str) -> float:
    if not _is_number(value):
        raise SettingError(f"{name} must be a number of seconds, got {value!r}")
    if not (math.isfinite(value) and value > 0):
        raise SettingError(f"{name} must be positive and finite, got {value!r}; {way_out}")
    return float(value)


def _count(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise SettingError(f"{name} must be an integer of at least {least}, got {value!r}")
    return int(value)


def _gpus(value: Any) -> float:
    if not (_is_number(value) and math.isfinite(value) and value >= 0):
        raise SettingError(f"gpus_per_trial must be a number of at least 0, got {value!r}")
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)

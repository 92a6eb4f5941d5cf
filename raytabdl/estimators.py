"""The scikit-learn estimators."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from raytabdl.checks import table_and_target
from raytabdl.clock import Clock
from raytabdl.exceptions import RunFolderError
from raytabdl.fitted import Fitted
from raytabdl.inputs import Array, Target, TaskType
from raytabdl.metrics import Metric
from raytabdl.parameters import checked_settings
from raytabdl.persistence import local_path
from raytabdl.predictor import Predictor, load_predictor
from raytabdl.presets import preset
from raytabdl.run_folder import RunFolder, read_labels
from raytabdl.runtime.callbacks import check_callbacks, loggers_of, telling
from raytabdl.runtime.execution import connecting, execute
from raytabdl.runtime.mirror import Mirror, is_uri, mirrored
from raytabdl.runtime.progress import Figures, show
from raytabdl.runtime.run import Run
from raytabdl.runtime.run_json import (
    check_sampler,
    new_run_folder,
    read_preset,
    read_settings,
    spent_seconds,
    write_run,
)
from raytabdl.scorers import MetricChoice, check_known, check_measures, chosen_metric
from raytabdl.search.policy import N_FOLDS
from raytabdl.search.samplers import MakeSampler
from raytabdl.space import Choices, configuration_space
from raytabdl.targets import encode_further, encode_labels, encode_values, infer_target
from raytabdl.task import Task, make_task
from raytabdl.validation import Validation, check_parts
from raytabdl.warm_start import PortfolioChoice, chosen_portfolio

__all__ = ["Figures", "TabularClassifier", "TabularRegressor", "estimator_class", "load", "resume"]

E = TypeVar("E", bound="_Tabular")


class _Tabular(Fitted, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What the classifier and the regressor share: a fit is one run, kept in its folder."""

    _task_type: ClassVar[TaskType]

    def __init__(
        self,
        time_limit: float | None = 300.0,
        *,
        metric: MetricChoice = None,
        validation: Validation | None = None,
        categorical: Sequence[str] | None = None,
        n_trials: int | None = None,
        seed: int = 0,
        n_workers: int | None = None,
        gpus_per_trial: float | None = None,
        trial_seconds: float | None = None,
        trial_time_limit: float | None = None,
        trial_memory: float | None = None,
        choices: str | Choices | None = None,
        portfolio: PortfolioChoice = None,
        sampler: MakeSampler | None = None,
        ensemble_size: int = 25,
        run_folder: str | Path | None = None,
        progress: bool | None = None,
        callbacks: Sequence[Any] | None = None,
    ) -> None:
        self.time_limit = time_limit
        self.metric = metric
        self.validation = validation
        self.categorical = categorical
        self.n_trials = n_trials
        self.seed = seed
        self.n_workers = n_workers
        self.gpus_per_trial = gpus_per_trial
        self.trial_seconds = trial_seconds
        self.trial_time_limit = trial_time_limit
        self.trial_memory = trial_memory
        self.choices = choices
        self.portfolio = portfolio
        self.sampler = sampler
        self.ensemble_size = ensemble_size
        self.run_folder = run_folder
        self.progress = progress
        self.callbacks = callbacks

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

        ``X`` is a table of n rows (pandas, polars, arrow, numpy, scipy sparse, a list of rows) or the path of a file,
        ``y`` has n targets, or is the name of a column of the table, as ``sample_weight`` and ``groups`` may be. Ctrl-C
        ends the search and keeps what there is. Raises DataError where the data cannot be learned from, SettingError
        where a parameter has a value that it cannot have, RunFolderError where ``run_folder`` holds something.

        ``sample_weight`` has n numbers of at least 0; a row of weight 0 is as if it were not there. Weighted are the
        training of every model, and all losses on validation rows; of metrics of one's own those that take
        ``sample_weight``. Statistics of preprocessing, such as the medians that numbers are scaled by, are not.
        ``groups`` has n names: rows of one group are never trained on and validated by in the same fold.
        ``X_valid, y_valid`` are what is validated by, in the place of a part of ``X``: they are not trained on, and all
        their rows count the same.
        """
        settings, choices = checked_settings(self), preset(self.choices)
        check_parts(self.validation, groups, X_valid, y_valid)
        check_known(self.metric, self._task_type)
        clock = Clock.start(math.inf if settings.time_limit is None else settings.time_limit)
        uri = str(self.run_folder) if is_uri(self.run_folder) else None
        folder = new_run_folder(None if uri or self.run_folder is None else Path(self.run_folder))
        # Ray takes seconds to start, which the table is read in. A table that cannot be learned from ends it again.
        with mirrored(folder.path, uri), connecting(settings) as connection:
            X, y, of_rows = table_and_target(X, y, {"sample_weight": sample_weight, "groups": groups})
            if X_valid is not None:
                X_valid, y_valid, _ = table_and_target(X_valid, y_valid)
            classes, codes = self._encode_target(y)
            target = infer_target(classes)
            task = make_task(
                X,
                codes,
                target,
                N_FOLDS,
                np.random.default_rng(settings.seed),
                **of_rows,
                validation=self.validation,
                categorical=[] if self.categorical is None else [str(name) for name in self.categorical],
                holdout=None if X_valid is None else (X_valid, encode_further(y_valid, classes, "y_valid")),
            )
            portfolio = chosen_portfolio(self.portfolio, target)
            metric = _metric_of(self.metric, task, classes, settings.n_trials)
            if task.inputs.weights is not None and not metric.takes_weights:
                warnings.warn(f"metric {metric.name} takes no sample_weight: it counts all rows the same", stacklevel=2)
            loggers = loggers_of(self.callbacks)
            task = task.with_error(metric.error)
            run = Run(settings, folder, task, choices, portfolio, metric, clock, loggers, self.sampler)
            further = {
                "sample_weight": sample_weight,
                "groups": groups,
                "X_valid": X_valid,
                "validation": self.validation,
                "categorical": self.categorical,
                "portfolio": self.portfolio,
                "sampler": self.sampler,
            }
            write_run(
                run,
                classes,
                _name_of(y, task.schema.names),
                [name for name, value in further.items() if value is not None],
            )
            with show(self.progress, run) as shown, telling(self.callbacks, run, shown) as watch:
                execute(run, connection, watch)
        if set(folder.history().trials) == {"quick-dummy"}:
            warnings.warn(
                f"{self.time_limit} seconds were enough for the baseline only, which looks at no feature; give the fit "
                "a longer time_limit",
                stacklevel=2,
            )
        return self._take(folder, load_predictor(folder, run.choices, is_own=True), metric)

    @classmethod
    def resume(
        cls: type[E],
        run_folder: str | Path,
        *,
        choices: str | Choices | None = None,
        metric: MetricChoice = None,
        sampler: MakeSampler | None = None,
        progress: bool | None = None,
        callbacks: Sequence[Any] | None = None,
    ) -> E:
        """Goes on with a run that was interrupted, with the time that it has left, and returns the fitted estimator.

        Finished trials are not run again; a run that ended by itself is loaded. One in a store is brought into a new
        folder first. ``choices``, ``metric`` and ``sampler`` are given again where the run was started with objects,
        which its folder does not hold. Raises RunFolderError where there is no run, SettingError where the choices or
        the sampler are others.
        """
        check_callbacks(callbacks)
        return cls._resume(*_brought(run_folder), choices, metric, sampler, progress, callbacks)

    @classmethod
    def _resume(
        cls: type[E],
        folder: RunFolder,
        mirror: Mirror | None,
        choices: str | Choices | None,
        metric: MetricChoice,
        sampler: MakeSampler | None,
        progress: bool | None,
        callbacks: Sequence[Any] | None,
    ) -> E:
        settings = read_settings(folder)
        choices = choices or read_preset(folder)
        if folder.is_complete:
            return cls.load(folder.path, choices=choices)
        classes, target = read_labels(folder.path / "labels.json")
        _check_kind(cls, target, folder)
        portfolio = chosen_portfolio(folder.portfolio if folder.portfolio.exists() else None, target)
        estimator = cls(
            **{**asdict(settings), "metric": metric or settings.metric},
            choices=choices,
            portfolio=portfolio,
            sampler=sampler,
            run_folder=folder.path,
            progress=progress,
            callbacks=callbacks,
        )
        folder.check_space(configuration_space(preset(choices), settings.seed))
        check_sampler(folder, sampler)
        limit = math.inf if settings.time_limit is None else settings.time_limit
        task = folder.read_task(target)
        run = Run(
            settings=settings,
            folder=folder,
            task=task,
            choices=preset(choices),
            portfolio=portfolio,
            metric=_metric_of(estimator.metric, task, classes, settings.n_trials),
            clock=Clock.start(limit, spent_s=spent_seconds(folder)),
            loggers=loggers_of(callbacks),
            sampler=sampler,
        )
        with (
            mirror or nullcontext(),
            connecting(settings) as connection,
            show(progress, run) as shown,
            telling(callbacks, run, shown) as watch,
        ):
            execute(run, connection, watch)
        return estimator._take(folder, load_predictor(folder, run.choices, is_own=True), run.metric)

    @classmethod
    def load(cls: type[E], path: str | Path, *, choices: str | Choices | None = None) -> E:
        """The estimator that ``save`` wrote, or that of a finished run, after its hashes were checked.

        ``choices`` must hold the classes of the user's own among the members. Raises CorruptModelError where a file is
        missing or not what was written, RunFolderError where there is no model, or one of another kind of task.
        """
        folder = RunFolder(local_path(path))
        return cls._of(folder, load_predictor(folder, preset(choices or "full")), choices)

    @classmethod
    def _of(cls: type[E], folder: RunFolder, predictor: Predictor, choices: str | Choices | None) -> E:
        _check_kind(cls, predictor.target, folder)
        return cls(**asdict(read_settings(folder)), choices=choices or read_preset(folder))._take(folder, predictor)

    def _take(self: E, folder: RunFolder, predictor: Predictor, metric: Metric | None = None) -> E:
        """Sets the fitted attributes, in the place of those of an earlier fit."""
        self._metric = None if self.metric is None or isinstance(self.metric, str) else metric
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

    def _encode_target(self, y: Any) -> tuple[NDArray[Any] | None, NDArray[Any]]:
        raise NotImplementedError

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "predictor_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.input_tags.sparse = True
        return tags


class TabularClassifier(ClassifierMixin, _Tabular):  # type: ignore[misc]
    """Predicts one of two or more classes.

    ``time_limit`` in seconds covers all of ``fit``, Ray's start and end included. ``n_trials`` bounds what is tried,
    and nothing is trained on further folds then; without a time limit, and with one worker, such a run is repeatable.
    ``n_workers`` trials are trained at once (one for each CPU of the cluster by default), each with ``gpus_per_trial``
    GPUs or parts of one (an equal share of its node's by default, if every node has some; with 0 a trial sees none).
    The full budget of a trial are the epochs or iterations that suit the time, or ``trial_seconds`` of training, what
    ends first. A trial ends with the ``trial_time_limit`` seconds of a worker that it may take in all, or is killed
    where it does not answer; what it published counts. One whose worker takes more than ``trial_memory`` gigabytes,
    which Ray is asked for, is tried once more, with smaller batches. ``choices`` is what is searched: a ``Choices``, or
    "small", "medium" (the default) or "full". ``portfolio`` is what is tried first: a ``Portfolio``, the path of a file
    that holds one, or the folder of an earlier run, also of another table, whose best configurations come before the
    portfolio that ships. ``sampler`` suggests what is tried after it: ``BOHB`` (the default), ``RandomSearch`` or
    ``Hpbandster`` of ``raytabdl.search``, or a ``Sampler`` of one's own; with random search it is Hyperband.
    With a ``run_folder`` as ``s3://bucket/path`` the run lies in a new folder below
    ``raytabdl_runs``, and is copied to the store as it goes. ``callbacks`` are functions that are told of the run while
    it goes on: each is called with ``Figures``, about twice a second. Loggers of ``ray.tune.logger`` and
    ``ray.air.integrations`` (TensorBoard, MLflow, Weights & Biases) may stand among them. One that raises does not end
    the fit.

    ``metric`` (log loss by default) decides the ensemble: a name, a ``Metric``, a scorer of scikit-learn, or a function
    of the targets and the probabilities, (n, n_classes), or the values of a regression, which may be better where it is
    greater or where it is smaller. What measures classes is a scorer:

    >>> from sklearn.metrics import fbeta_score, make_scorer
    >>> clf = TabularClassifier(60, metric=make_scorer(fbeta_score, beta=2))
    >>> clf = TabularClassifier(60, metric=lambda y, p: ((p[:, 1] - y) ** 2).mean())

    ``validation`` says which rows are validated by, in the place of folds that are alike in their targets: a
    ``TimeOrder``, a splitter of scikit-learn or a list of (training rows, validation rows). The search goes by the fold
    that trains on most rows, and models of all folds predict together. ``categorical`` are the columns whose numbers
    are names, such as postcodes; strings and categories are known without.
    """

    _task_type = TaskType.MULTICLASS  # or binary, by the target: what is asked of it is the same for both

    def predict(self, X: Any) -> NDArray[Any]:
        """The class of each row, as it was given to ``fit``.

        The most probable one, unless the metric is one of classes and was better by another decision on validation
        rows: then the probabilities are multiplied by a factor of each class first, and the largest product decides.
        """
        check_is_fitted(self)
        return self.predictor_.decide(self.predictor_.predict(X))

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, of shape (n, n_classes) in the order of ``classes_``."""
        check_is_fitted(self)
        return self.predictor_.predict(X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy on further rows: a table and its classes, or a path and the name of a column, as for ``fit``."""
        check_is_fitted(self)
        X, y, of_rows = table_and_target(X, y, {"sample_weight": sample_weight})
        return float(super().score(X, y, **of_rows))

    def _encode_target(self, y: Any) -> tuple[NDArray[Any] | None, NDArray[Any]]:
        codes, classes = encode_labels(y)
        return classes, codes


class TabularRegressor(RegressorMixin, _Tabular):  # type: ignore[misc]
    """Predicts a number. The parameters are those of ``TabularClassifier``; the metric is RMSE by default.

    Models are trained by the error that it measures: by absolute errors for "mae" and "median_absolute_error", by
    squared errors of log(1 + target) for "msle", and by squared errors for others, unless the ``error`` of a ``Metric``
    says otherwise.
    """

    _task_type = TaskType.REGRESSION

    def predict(self, X: Any) -> Array:
        """The value of each row."""
        check_is_fitted(self)
        return self.predictor_.predict(X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R2 on further rows: a table and its values, or a path and the name of a column, as for ``fit``."""
        check_is_fitted(self)
        X, y, of_rows = table_and_target(X, y, {"sample_weight": sample_weight})
        return float(super().score(X, y, **of_rows))

    def _encode_target(self, y: Any) -> tuple[NDArray[Any] | None, NDArray[Any]]:
        return None, encode_values(y)


def load(path: str | Path, *, choices: str | Choices | None = None) -> TabularClassifier | TabularRegressor:
    """The estimator of a saved model or a finished run, of the kind that it is."""
    folder = RunFolder(local_path(path))
    predictor = load_predictor(folder, preset(choices or "full"))
    return _class_for(predictor.target)._of(folder, predictor, choices)


def resume(
    run_folder: str | Path,
    *,
    choices: str | Choices | None = None,
    metric: MetricChoice = None,
    sampler: MakeSampler | None = None,
    progress: bool | None = None,
    callbacks: Sequence[Any] | None = None,
) -> TabularClassifier | TabularRegressor:
    """Goes on with a run that was interrupted, as ``resume`` of the estimator that it is of."""
    check_callbacks(callbacks)
    folder, mirror = _brought(run_folder)
    return estimator_class(folder.path)._resume(folder, mirror, choices, metric, sampler, progress, callbacks)


def _brought(run_folder: str | Path) -> tuple[RunFolder, Mirror | None]:
    """The folder of a run; of one in a store a new folder, and what copies it back."""
    if not is_uri(run_folder):
        return RunFolder(local_path(run_folder)), None
    folder = new_run_folder(None)
    mirror = Mirror(folder.path, str(run_folder))
    mirror.pull()
    return folder, mirror


def estimator_class(path: str | Path) -> type[TabularClassifier] | type[TabularRegressor]:
    """Which estimator a run or a saved model is of."""
    folder = RunFolder(local_path(path))
    read_settings(folder)
    _, target = read_labels(folder.path / "labels.json")
    return _class_for(target)


def _class_for(target: Target) -> type[TabularClassifier] | type[TabularRegressor]:
    return TabularClassifier if target.task_type.is_classification else TabularRegressor


def _name_of(y: Any, columns: Sequence[str]) -> str | None:
    """The name of a series, by which a table has its target, unless a column that is learned from has it."""
    name = getattr(y, "name", None)
    return name if isinstance(name, str) and name not in columns else None


def _metric_of(choice: MetricChoice, task: Task, classes: NDArray[Any] | None, n_trials: int | None) -> Metric:
    """The metric, tried on all validation rows that models will be compared by; with ``n_trials`` those of one fold."""
    metric = chosen_metric(choice, task.y, task.target, classes)
    check_measures(metric, task.truths() if n_trials is None else [task.truth(0)], task.target)
    return metric


def _check_kind(cls: type[_Tabular], target: Target, folder: RunFolder) -> None:
    if target.task_type.is_classification != cls._task_type.is_classification:
        raise RunFolderError(f"{folder.path} is of a {target.task_type.value} task, which {cls.__name__} is not for")

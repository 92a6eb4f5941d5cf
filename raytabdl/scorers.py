"""Metrics of the user's own: functions and scorers of scikit-learn, turned into a ``Metric`` at one place."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from raytabdl.exceptions import SettingError
from raytabdl.inputs import Array, Error, Rows, Target, TaskType, Truth, Weights
from raytabdl.metrics import CLASSIFICATION, REGRESSION, UNMEASURABLE, Metric
from raytabdl.metrics import metric as find_metric

_MAX_ROWS = 500
"""By which a metric is tried out."""

OwnMetric = Callable[..., float]
MetricChoice = str | Metric | OwnMetric | None


def check_known(choice: MetricChoice, task_type: TaskType) -> None:
    """Raises SettingError where a name is that of no metric of the task; functions are tried out later."""
    if choice is None or isinstance(choice, (str, Metric)):
        find_metric(choice, task_type)


def chosen_metric(choice: MetricChoice, y: Array, target: Target, classes: NDArray[Any] | None) -> Metric:
    """The metric of a name, of a function or of a scorer, for a target that has the classes.

    Raises SettingError where it cannot measure the target.
    """
    if choice is None or isinstance(choice, (str, Metric)):
        known = find_metric(choice, target.task_type)
        is_logarithmic = not target.task_type.is_classification and known.error is Error.LOGARITHMIC
        if is_logarithmic and not y.min() > -1:
            raise SettingError(
                f"metric {known.name} cannot measure targets that go from {y.min():g} to {y.max():g}, since "
                "log(1 + target) must be a number; choose another one, or shift the target"
            )
        return known
    return own_metric(choice, y, target, classes)


def check_measures(metric: Metric, truths: Iterable[Truth], target: Target) -> None:
    """Raises SettingError where a metric cannot measure the validation rows of a fold: no trial could be compared.

    The package's own can measure any rows.
    """
    if {**CLASSIFICATION, **REGRESSION}.get(metric.name) == metric:
        return
    for fold, truth in enumerate(truths):
        n_rows, n_lacking = len(truth.y), 0
        perfect = truth.y.astype(np.float64)
        if target.task_type.is_classification:
            perfect = np.zeros((n_rows, target.n_classes))
            perfect[np.arange(n_rows), truth.y.astype(np.int64)] = 1
            n_lacking = target.n_classes - len(np.unique(truth.y))
        lacking = f", which lack {n_lacking} of {target.n_classes} classes" if n_lacking else ""
        what = f"metric {metric.name} cannot measure the {n_rows} rows that fold {fold} is validated by{lacking}"
        way_out = "choose another metric, or other validation rows"
        try:
            value = metric.measure(truth.y, perfect, truth.weights)
        except Exception as error:  # what a user has written may raise anything
            raise SettingError(f"{what}: {error}; {way_out}") from error
        if not np.isfinite(value):
            raise SettingError(f"{what}: it gives {value} for the truth; {way_out}")


def metric_name(choice: MetricChoice) -> str | None:
    """The name that a metric has in run.json; a function with the name of one of the package is another metric."""
    if choice is None or isinstance(choice, str):
        return choice
    return choice.name if isinstance(choice, Metric) else _own_name(choice)


def _own_name(choice: OwnMetric) -> str:
    function = getattr(choice, "_score_func", choice)  # of make_scorer
    name = getattr(function, "__name__", type(function).__name__)
    return f"own {name}" if name in CLASSIFICATION or name in REGRESSION else name


def own_metric(choice: OwnMetric, y: Array, target: Target, classes: NDArray[Any] | None) -> Metric:
    """The metric of a function of (y, predictions) or of a scorer of (estimator, X, y).

    Both see the targets as they were given to ``fit``. A function is handed probabilities, (n, n_classes), or values,
    (n,); a scorer gets from its estimator the classes or probabilities that it asks for. Of rows that lack classes, and
    that it cannot measure therefore, it is handed the probabilities of those that occur, which then sum to 1. Which way
    is better, the truth tells: it is predicted best. Raises SettingError where it tells nothing, or cannot be measured.

    >>> from sklearn.metrics import fbeta_score, make_scorer
    >>> binary = Target(TaskType.BINARY, 2)
    >>> f2 = own_metric(make_scorer(fbeta_score, beta=2), np.arange(2), binary, np.array([0, 1]))
    >>> f2.name, f2.greater_is_better, f2.loss(np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]]))
    ('fbeta_score', True, 0.0)
    """
    name, is_scorer = _own_name(choice), _n_required(choice) == 3
    value = (_Scored if is_scorer else _Measured)(choice, classes)
    truth, perfect, wrong = _examples(y, target)
    best, worst = (_tried(name, value, truth, p, is_scorer) for p in (perfect, wrong))
    if best == worst:
        raise SettingError(f"metric {name} must tell the truth from wrong predictions, got {best} for both")
    if is_scorer and best < worst:
        raise SettingError(
            f"metric {name} must be greater for better predictions, as scorers are, got {best} for the truth and "
            f"{worst} for wrong predictions; give make_scorer({name}, greater_is_better=False)"
        )
    return Metric(name, value, best > worst, best, _takes_weights(value, truth, perfect))


@dataclass(frozen=True)
class _Measured:
    """A function of targets and predictions."""

    function: OwnMetric
    classes: NDArray[Any] | None

    def __call__(self, y: Array, predictions: Array, weights: Weights = None) -> float:
        def measured(occurring: Rows | None) -> float:
            handed = predictions if occurring is None else _renormalised(predictions, occurring)
            return float(self.function(_as_given(y, self.classes), handed, **_weighting(weights)))

        return _by_classes(measured, y, self.classes)


@dataclass(frozen=True)
class _Scored:
    """A scorer, which is handed the predictions as the table of an estimator that predicts them."""

    scorer: OwnMetric
    classes: NDArray[Any] | None

    def __call__(self, y: Array, predictions: Array, weights: Weights = None) -> float:
        def measured(occurring: Rows | None) -> float:
            estimator = _Regressed() if self.classes is None else _Classified(self.classes, occurring)
            return float(self.scorer(estimator, predictions, _as_given(y, self.classes), **_weighting(weights)))

        return _by_classes(measured, y, self.classes)


def _by_classes(measured: Callable[[Rows | None], float], y: Array, classes: NDArray[Any] | None) -> float:
    """What is measured with all classes, or with those that occur in ``y`` where it cannot be otherwise.

    All come first: a metric may have been told of them, as ``labels`` or in a matrix of costs. Of one class alone
    nothing can be told, since its probabilities would all be 1.
    """
    try:
        return measured(None)
    except UNMEASURABLE:
        occurring = np.unique(y.astype(np.int64))
        if classes is None or not 1 < len(occurring) < len(classes):
            raise
        return measured(occurring)


def _renormalised(probabilities: Array, occurring: Rows) -> Array:
    """The probabilities of some classes, which sum to 1; uniform ones where nothing is left."""
    left = probabilities[:, occurring]
    total = left.sum(axis=1, keepdims=True)
    return np.asarray(np.where(total > 0, left / np.where(total > 0, total, 1), 1 / len(occurring)))


class _Classified(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Has probabilities of the classes that occur, if told which; decides for any, which is wrong where none does."""

    def __init__(self, classes: NDArray[Any], occurring: Rows | None = None) -> None:
        self.classes, self.occurring = classes, occurring
        self.classes_ = classes if occurring is None else classes[occurring]

    def predict(self, X: Array) -> NDArray[Any]:
        return np.asarray(self.classes[X.argmax(axis=1)])

    def predict_proba(self, X: Array) -> Array:
        return X if self.occurring is None else _renormalised(X, self.occurring)


class _Regressed(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    def predict(self, X: Array) -> Array:
        return X


def _as_given(y: Array, classes: NDArray[Any] | None) -> NDArray[Any]:
    return y if classes is None else np.asarray(classes[y.astype(np.int64)])


def _weighting(weights: Weights) -> dict[str, NDArray[np.float64]]:
    return {} if weights is None else {"sample_weight": weights}


def _n_required(choice: OwnMetric) -> int:
    """How many arguments are needed: (y, predictions), or (estimator, X, y)."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(choice).parameters.values()
    except ValueError:  # some functions written in C do not tell
        return 2
    return sum(p.kind in kinds and p.default is inspect.Parameter.empty for p in parameters)


def _examples(y: Array, target: Target) -> tuple[Array, Array, Array]:
    """Targets, the predictions that meet them, and some that are as wrong as can be."""
    if target.task_type.is_classification:
        codes = np.tile(np.arange(target.n_classes), 3)
        perfect = np.eye(target.n_classes)[codes]
        return codes.astype(np.float64), perfect, np.roll(perfect, 1, axis=1)
    values = np.quantile(y, np.linspace(0, 1, min(len(y), _MAX_ROWS)), method="nearest").astype(np.float64)
    return values, values.copy(), values[::-1].copy() if values[0] < values[-1] else values + 1


def _tried(name: str, value: OwnMetric, y: Array, predictions: Array, is_scorer: bool) -> float:
    try:
        result = value(y, predictions)
    except Exception as error:  # what a user has written may raise anything
        kind = "values" if predictions.ndim == 1 else "probabilities of shape (n, n_classes)"
        way_out = "" if is_scorer else _way_out(name, is_classification=predictions.ndim > 1)
        raise SettingError(f"metric {name} cannot measure {kind}: {error}{way_out}") from error
    if not np.isfinite(result):
        raise SettingError(f"metric {name} must give finite numbers, got {result}")
    return result


def _way_out(name: str, is_classification: bool) -> str:
    """What to give for a function of something else: a scorer of labels would hand the classes to one of scores."""
    function = name.removeprefix("own ")
    built_in = function.removesuffix("_score")
    known = CLASSIFICATION if is_classification else REGRESSION
    by_name = f' metric="{built_in}", or' if built_in in known else ""
    if not is_classification:
        return f";{by_name} give make_scorer({function}) where it measures something else"
    return (
        f";{by_name} give make_scorer({function}) where it measures predicted classes, and "
        f'make_scorer({function}, response_method="predict_proba") where it measures probabilities or a ranking'
    )


def _takes_weights(value: OwnMetric, y: Array, predictions: Array) -> bool:
    try:
        value(y, predictions, np.ones(len(y)))
    except TypeError:  # an unexpected argument: without weights it has just been measured
        return False
    return True

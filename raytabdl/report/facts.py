"""The facts of a report, which the page and the JSON are both made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True)
class Outcome:
    """What came out; ``ensemble`` and ``best_single`` are values of the metric on the validation rows.

    ``state`` is complete, interrupted or unfinished. ``members`` maps the trials of the ensemble, with their models, to
    their weights, the largest first; ``refitted`` are those that were trained again on all rows since. ``trials``
    counts those of the search by status, ``endings`` by success, timeout, memout and crash, ``failures`` all that
    failed by the last line of their tracebacks.
    """

    run: str
    started: str
    state: str
    task_type: str
    metric: str
    greater_is_better: bool
    ensemble: float | None
    best_single: float | None
    best_model: str | None
    members: Mapping[str, float]
    refitted: tuple[str, ...]
    seconds: float
    n_quick: int
    trials: Mapping[str, int]
    endings: Mapping[str, int]
    failures: Mapping[str, int]


@dataclass(frozen=True)
class ColumnFacts:
    """A column that is learned from: its kind, how many levels a category has, and the share of missing values."""

    name: str
    kind: str
    n_levels: int | None
    missing: float


@dataclass(frozen=True)
class Data:
    """The table; ``dropped`` maps columns to why they are not used.

    ``classes`` are those of a classification with their rows, the most frequent first; ``quantiles`` are those of
    the target of a regression.
    """

    n_rows: int
    n_folds: int
    n_validation_rows: int
    target: str | None
    columns: tuple[ColumnFacts, ...]
    dropped: Mapping[str, str]
    classes: Mapping[str, int]
    quantiles: Mapping[str, float]


@dataclass(frozen=True)
class Entry:
    """A trial on the leaderboard, by the best of its results on the first fold."""

    trial: str
    model: str
    origin: str
    budget: int
    value: float
    scores: Mapping[str, float]
    weight: float
    folds: int
    seconds: float
    n_parameters: int | None
    status: str


@dataclass(frozen=True)
class Anytime:
    """Steps (seconds, value of the metric): the best single model so far, and the ensemble that was the answer."""

    best_single: tuple[Point, ...]
    ensemble: tuple[Point, ...]


@dataclass(frozen=True)
class LearningCurve:
    """The rung loss of a trial by budget; the full budget is 27 by default, whatever the model."""

    trial: str
    model: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Confusion:
    """Rows by true class (``counts``' rows) and predicted class; rare classes stand together as the last one."""

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Residuals:
    """True less predicted values: their mean and quantiles, and (predicted, true) of a sample of rows."""

    mean: float
    quantiles: Mapping[str, float]
    sample: tuple[Point, ...]


@dataclass(frozen=True)
class Calibration:
    """Bins of equally many rows: (mean predicted probability, how often it came true), of the event ``of``.

    ``error`` is the expected calibration error: the mean distance of the two, over the rows.
    """

    of: str
    points: tuple[Point, ...]
    error: float


@dataclass(frozen=True)
class Validation:
    """What the ensemble predicts for validation rows, each by models that were not trained on it."""

    n_rows: int
    scores: Mapping[str, float]
    confusion: Confusion | None
    calibration: Calibration | None
    residuals: Residuals | None


@dataclass(frozen=True)
class Feature:
    """By how much the loss rises when a column is shuffled, with the standard error where it was more than once."""

    name: str
    rise: float
    error: float | None


@dataclass(frozen=True)
class Features:
    """Permutation importance of the columns, by the loss of ``metric`` on ``n_rows`` validation rows."""

    metric: str
    n_rows: int
    columns: tuple[Feature, ...]


@dataclass(frozen=True)
class HyperparameterFacts:
    """Shares of the variance of the rung loss: over the space (fANOVA), and around the incumbent (LPI)."""

    name: str
    fanova: float
    lpi: float


@dataclass(frozen=True)
class Hyperparameters:
    """Importance of the hyperparameters, from the trials that were measured at a budget."""

    budget: int
    n_trials: int
    shares: tuple[HyperparameterFacts, ...]


@dataclass(frozen=True)
class Phase:
    """A part of the run, in seconds from its start."""

    name: str
    began: float
    ended: float


@dataclass(frozen=True)
class Reproduction:
    """How to run it again; ``command`` is None where the command line cannot say it. ``notes`` name what differs."""

    code: str
    command: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """All that is told of a run; ``left_out`` maps a part that is None or empty to the reason."""

    outcome: Outcome
    data: Data
    leaderboard: tuple[Entry, ...]
    anytime: Anytime
    learning_curves: tuple[LearningCurve, ...]
    validation: Validation | None
    features: Features | None
    hyperparameters: Hyperparameters | None
    phases: tuple[Phase, ...]
    settings: Mapping[str, str | float | None]
    versions: Mapping[str, str]
    models: tuple[str, ...]
    reproduction: Reproduction
    left_out: Mapping[str, str]

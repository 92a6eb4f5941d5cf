"""The quick models: trained in the driver while Ray and its workers start, so that there is an answer at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from raytabdl.classic.catboost import CatBoost
from raytabdl.classic.dummy import Dummy
from raytabdl.classic.forests import RandomForest
from raytabdl.classic.lightgbm import LightGBM
from raytabdl.classic.linear import Linear
from raytabdl.component import Classic, Config, Horizon
from raytabdl.history import Trial
from raytabdl.pipeline import ClassicPipeline, Pipeline, Point
from raytabdl.search.policy import BOOSTER
from raytabdl.space import ROOT, Choices
from raytabdl.task import Task

CLASSIC: tuple[type[Classic], ...] = (Dummy, LightGBM, Linear, CatBoost, RandomForest)
_PATIENCE = 4
_RELATIVE_COST = {LightGBM: 1.0, RandomForest: 1.0, CatBoost: 3.0}
"""Of an iteration, beside the one that the policy plans with."""

_LINEAR_STEP_S = 2e-8, 4e-9
"""What a step of the descent takes for each row and output, and for each of its columns as well."""

_PUBLISHED = frozenset({1, 3, 9, 27})


@dataclass(frozen=True)
class QuickResult:
    """A point of a quick model's course, where it is worth keeping."""

    trial_id: str
    pipeline: Pipeline
    points: list[Point]


def with_quick(choices: Choices) -> Choices:
    """The choices, and the quick models beside them: what the members of an ensemble are looked up in."""
    names = {member.name for member in (*choices.classic, *choices.networks)}
    return replace(choices, classic=(*choices.classic, *(cls for cls in CLASSIC if cls.name not in names)))


def quick_configurations() -> list[tuple[str, Config]]:
    """The trial ids and configurations of the quick models, in the order in which they are trained."""
    return [(f"quick-{cls.name.replace('_', '-')}", {ROOT: cls.name}) for cls in CLASSIC]


def first_point_seconds(config: Config, task: Task, horizon: Horizon) -> float:
    """About what a quick model takes to its first point, before which it cannot be left."""
    cls = next(cls for cls in CLASSIC if cls.name == config[ROOT])
    n_outputs = task.target.n_classes if task.target.n_classes > 2 else 1
    n_values, n_columns = len(task.y) * n_outputs, len(task.schema.columns)
    if cls is Linear:
        for_row, for_column = _LINEAR_STEP_S
        return cls.horizon * n_values * (for_row + for_column * n_columns)
    n_iterations = horizon.iterations(cls, 1)
    return _RELATIVE_COST.get(cls, 0.0) * BOOSTER.seconds(n_values, max(n_columns, 1), n_iterations)


def train_quick(
    trial: Trial, task: Task, horizon: Horizon, is_over: Callable[[], bool], most_budget: int | None = None
) -> Iterator[QuickResult]:
    """Trains one quick model on the fold of its trial until it gets no better, is at ``most_budget``, or ``is_over``.

    Yields at its first point, at the rungs and at its end.
    """
    pipeline = ClassicPipeline(trial.config, Choices(networks=(), classic=CLASSIC), task.target, horizon, trial.seed)
    points: list[Point] = []
    best, n_worse = float("inf"), 0
    for point in pipeline.train(task, trial.fold):
        points.append(point)
        n_worse = 0 if point.rung_loss < best else n_worse + 1
        best = min(best, point.rung_loss)
        is_whole = point.epoch >= horizon.iterations(type(pipeline.model), horizon.max_budget)
        is_far = most_budget is not None and point.budget >= most_budget
        is_last = is_whole or is_far or n_worse >= _PATIENCE or is_over()
        if pipeline.best_predictions is not None and (is_last or point.budget in _PUBLISHED):
            yield QuickResult(trial.id, pipeline, points)
            points = []
        if is_last:
            return

from __future__ import annotations

import math
from collections import defaultdict
from itertools import count, pairwise
from typing import Any

import pytest
import torch

from raytabdl.metrics import CLASSIFICATION
from raytabdl.pipeline import make_pipeline
from raytabdl.search.brackets import Budgets

pytestmark = pytest.mark.ray

ETA = Budgets().eta


def promotions(records: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """(position among the records, trial) of each promotion."""
    return [(at, r["trial_id"]) for at, r in enumerate(records) if r["record"] == "change" and r["status"] == "running"]


def rung_of(records: list[dict[str, Any]], trial: str) -> int:
    """The last budget at which a trial had a result."""
    return max(r["budget"] for r in records if r["record"] == "result" and r["trial_id"] == trial)


def test_every_trial_has_a_result_at_each_rung_that_it_reached(search_run: Any) -> None:
    budgets = defaultdict(list)
    for record in search_run.records:
        if record["record"] == "result":
            budgets[record["trial_id"]].append(record["budget"])
    failed = {r["trial_id"] for r in search_run.records if r["record"] == "change" and r["status"] == "failed"}
    trials = {r["id"] for r in search_run.records if r["record"] == "trial"}
    assert trials == {f"{i:04d}" for i in range(16)}
    assert set(budgets) == trials - failed
    for reached in budgets.values():
        assert tuple(reached) == Budgets().rungs[: len(reached)]
    assert max(len(reached) for reached in budgets.values()) == len(Budgets().rungs)


def test_the_parameters_of_every_network_are_counted(search_run: Any) -> None:
    models = {r["id"]: r["config"]["model"] for r in search_run.records if r["record"] == "trial"}
    counts = {(models[r["trial_id"]], r["n_parameters"]) for r in search_run.records if r["record"] == "result"}
    assert {count for model, count in counts if model == "random_forest"} == {None}
    assert min(count for model, count in counts if model == "mlp") > 500


def test_each_result_has_all_metrics_of_the_task_as_its_predictions_have_them(search_run: Any) -> None:
    truth, folder = search_run.task.truth(0), search_run.folder
    for result in folder.history().results:
        predictions = folder.read_predictions(result.member)
        measured = {name: metric.measure(truth.y, predictions) for name, metric in CLASSIFICATION.items()}
        assert result.scores == pytest.approx(measured)


def test_only_the_best_of_a_rung_are_promoted(search_run: Any) -> None:
    """Seen from the records alone: a trial goes up when it is the best of those that wait, and 1/eta of the losses so
    far allow one more, or nobody comes to its rung any more.
    """
    records = search_run.records
    promoted: dict[int, set[str]] = defaultdict(set)
    assert promotions(records)
    for at, trial in promotions(records):
        budget = rung_of(records[:at], trial)
        so_far = losses_at(records[:at], budget)
        waiting = {name: loss for name, loss in so_far.items() if name not in promoted[budget]}
        assert so_far[trial] == min(waiting.values())
        in_the_end = losses_at(records, budget)
        room = math.ceil(len(in_the_end) / ETA) if len(so_far) == len(in_the_end) else len(so_far) // ETA
        assert len(promoted[budget]) < room
        promoted[budget].add(trial)


def losses_at(records: list[dict[str, Any]], budget: int) -> dict[str, float]:
    """The losses at a rung of the first bracket; a failure is the worst at the rung that it was on the way to."""
    losses: dict[str, float] = {}
    last = defaultdict(lambda: 0)
    for record in records:
        if record["record"] == "result":
            last[record["trial_id"]] = record["budget"]
            if record["budget"] == budget:
                losses[record["trial_id"]] = record["rung_loss"]
        elif record["record"] == "change" and record["status"] == "failed":
            next_rung = next(rung for rung in Budgets().rungs if rung > last[record["trial_id"]])
            if next_rung == budget:
                losses[record["trial_id"]] = math.inf
    return losses


def test_a_failed_trial_has_its_traceback_and_is_never_promoted(search_run: Any) -> None:
    names = {r["id"]: r["config"]["model"] for r in search_run.records if r["record"] == "trial"}
    failed = {r["trial_id"]: r for r in search_run.records if r["record"] == "change" and r["status"] == "failed"}
    assert {trial for trial, model in names.items() if model in ("raising", "nan_in_prediction")} == set(failed)
    for trial, record in failed.items():
        assert "Traceback" in record["reason"]
        expected = "a layer of my own is broken" if names[trial] == "raising" else "finite predictions"
        assert expected in record["reason"].splitlines()[-1]
    assert not {trial for _, trial in promotions(search_run.records)} & set(failed)


def test_a_paused_trial_goes_on_from_its_checkpoint_and_its_curve_is_that_of_a_trial_without_pause(
    search_run: Any,
) -> None:
    """Bit for bit, for every network that was paused and promoted."""
    points: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for point in records_of_curves(search_run):
        points[point["trial"]].append(point)
    trials = {r["id"]: r for r in search_run.records if r["record"] == "trial"}
    statuses = defaultdict(list)
    for record in search_run.records:
        if record["record"] == "change":
            statuses[record["trial_id"]].append(record["status"])
    paused_and_promoted = [
        trial
        for trial, changes in statuses.items()
        if ("paused", "running") in pairwise(changes) and trials[trial]["config"]["model"] == "mlp"
    ]
    assert paused_and_promoted
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as a worker has
    try:
        for trial in paused_and_promoted:
            curve = points[trial]
            trained = [point for point in curve if point["training_s"] > 0]  # the others are far beyond the best one
            assert [point["epoch"] for point in trained] == [i for i, _ in zip(count(1), trained, strict=False)]
            config, seed = trials[trial]["config"], trials[trial]["seed"]
            pipeline = make_pipeline(config, search_run.choices, search_run.task.target, search_run.horizon, seed)
            unpaused = [point for point, _ in zip(pipeline.train(search_run.task, 0), curve, strict=False)]
            for field in ("budget", "train_loss", "rung_loss", "learning_rate"):
                assert [point[field] for point in curve] == [getattr(point, field) for point in unpaused], field
    finally:
        torch.set_num_threads(n_threads)


def records_of_curves(search_run: Any) -> list[dict[str, Any]]:
    import json

    return [json.loads(line) for line in search_run.folder.curves.read_text().splitlines()]

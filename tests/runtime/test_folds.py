"""The ensemble's configurations on the other folds: which are suggested, and what a real search does with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from raytabdl import TabularClassifier, TabularRegressor, datasets
from raytabdl.classic.lightgbm import LightGBM
from raytabdl.clock import Clock
from raytabdl.ensemble import Ensemble
from raytabdl.history import Change, History, Result, Seconds, Status, Trial
from raytabdl.names import fold_of, trial_of
from raytabdl.networks.mlp import ShapedMLP
from raytabdl.pipeline import load_model
from raytabdl.quick import with_quick
from raytabdl.run_folder import RunFolder
from raytabdl.runtime.folds import Folds
from raytabdl.runtime.recorder import Recorder
from raytabdl.space import Choices


def history_of(statuses: dict[str, Status], seconds: float = 2.0, model: str = "lightgbm") -> History:
    history = History()
    for name, status in statuses.items():
        origin = "quick" if name.startswith("quick") else "portfolio"
        history.append(Trial(name, {"model": model}, origin, 0, 0, fold_of(name)))
        if fold_of(name) == 0:
            history.append(Result(name, 9, 1.0, 1.0, {}, Seconds(seconds), 1.0, f"{name}@9"))
        history.append(Change(name, status, 1.0))
    return history


def folds_of(
    history: History, weights: dict[str, float], *, elapsed: float = 60.0, is_tried: bool = True, n_valid: int = 100
) -> Folds:
    clock, networks = Clock.start(100.0, spent_s=elapsed), frozenset({"mlp"})
    ensemble = Ensemble(weights, 1.0)
    return Folds(
        history=history,
        n_folds=3,
        n_workers=lambda: 2,
        clock=clock,
        begin_s=50.0,
        end_s=100.0,
        run_seed=0,
        max_budget=27,
        networks=networks,
        portfolio_is_tried=lambda: is_tried,
        ensemble=lambda: ensemble,
        n_valid=n_valid,
    )


def test_nothing_is_due_while_the_search_is_young_or_over_or_has_no_ensemble() -> None:
    history = history_of({"0000": Status.COMPLETED})
    assert folds_of(history, {"0000@9": 1.0}, elapsed=49, is_tried=False).next() is None
    assert folds_of(history, {"0000@9": 1.0}, elapsed=100).next() is None
    young = folds_of(history, {"0000@9": 1.0})
    assert replace(young, ensemble=lambda: None).next() is None
    due = folds_of(history, {"0000@9": 1.0}).next()
    assert due is not None
    assert (due.trial_id, due.origin, due.fold, due.train_to) == ("0000.1", "bag", 1, 9)


def test_trials_that_train_and_the_dummy_are_left_alone() -> None:
    history = history_of({"0000": Status.RUNNING, "quick-dummy": Status.COMPLETED, "0001": Status.COMPLETED})
    history.trials["quick-dummy"].config["model"] = "dummy"
    due = folds_of(history, {"0000@9": 0.5, "quick-dummy@9": 0.3, "0001@9": 0.2}).next()
    assert due is not None
    assert due.trial_id == "0001.1"


def test_what_waits_at_a_rung_gets_a_bag_only_when_it_has_no_time_to_go_up() -> None:
    history = history_of({"0000": Status.PAUSED}, seconds=10.0)  # two more folds by two workers take 10 s
    assert folds_of(history, {"0000@9": 1.0}, elapsed=80).next() is None
    due = folds_of(history, {"0000@9": 1.0}, elapsed=87.5).next()
    assert due is not None
    assert due.trial_id == "0000.1"


def test_a_quick_model_is_not_wanted_where_the_search_has_one_of_its_kind_that_is_as_good() -> None:
    history = history_of({"quick-lightgbm": Status.COMPLETED, "0000": Status.COMPLETED})
    due = folds_of(history, {"quick-lightgbm@9": 0.9, "0000@9": 0.1}).next()
    assert due is not None
    assert due.trial_id == "0000.1"


def test_time_presses_when_the_bags_of_the_ensemble_take_what_is_left() -> None:
    history = history_of({"0000": Status.COMPLETED, "0001": Status.COMPLETED}, seconds=10.0)
    assert not folds_of(history, {"0000@9": 1.0}, elapsed=86).is_pressed()
    assert folds_of(history, {"0000@9": 1.0}, elapsed=88).is_pressed()
    assert folds_of(history, {"0000@9": 0.5, "0001@9": 0.5}, elapsed=75).is_pressed()


def test_a_quick_model_is_trained_to_the_end_on_the_other_folds() -> None:
    due = folds_of(history_of({"quick-linear": Status.COMPLETED}), {"quick-linear@9": 1.0}).next()
    assert due is not None
    assert (due.trial_id, due.train_to) == ("quick-linear.1", 27)


def test_the_fold_of_a_quick_model_is_priced_by_the_whole_course() -> None:
    """It was left at 9 of 27 after 2 seconds, and has twice as many iterations in the search: 12 seconds a fold."""
    history = history_of({"quick-linear": Status.COMPLETED})
    folds = folds_of(history, {"quick-linear@9": 1.0}, elapsed=87.0)  # 13 are left
    assert folds.next() is not None
    assert replace(folds, longer_than_quick=2.0).next() is None


def test_what_failed_on_a_fold_is_left_and_a_fold_that_was_cut_short_is_tried_again(tmp_path: Path) -> None:
    completed = {"0000": Status.COMPLETED, "0001": Status.COMPLETED}
    history = history_of({**completed, "0000.1": Status.FAILED, "0001.1": Status.RUNNING, "0001.2": Status.COMPLETED})
    folds = folds_of(history, {"0000@9": 0.9, "0001@9": 0.1})
    assert folds.next() is None
    folds.restart(Recorder(RunFolder(tmp_path), history, folds.clock))
    due = folds.next()
    assert due is not None
    assert due.trial_id == "0001.1"


def test_a_bag_that_was_begun_when_it_was_late_is_completed_though_time_no_longer_presses() -> None:
    history = history_of({"0000": Status.PAUSED, "0000.1": Status.RUNNING}, seconds=10.0)
    assert folds_of(history, {"0000@9": 1.0}, elapsed=86).next() is not None
    assert folds_of(history_of({"0000": Status.PAUSED}), {"0000@9": 1.0}, elapsed=86).next() is None


def test_after_the_ensemble_come_the_best_of_a_family_and_nothing_that_is_far_behind() -> None:
    history = History()
    rung_losses = {
        "0000": ("mlp", 1.0),
        "0001": ("mlp", 1.02),
        "0002": ("lightgbm", 1.05),
        "0003": ("catboost", 1.2),
        "0004": ("mlp", 1.2),
    }
    for name, (model, loss) in rung_losses.items():
        history.append(Trial(name, {"model": model}, "portfolio", 0, 0))
        history.append(Result(name, 9, loss, 1.0, {}, Seconds(10.0), 1.0, f"{name}@9"))
        history.append(Change(name, Status.COMPLETED, 1.0))
    early = folds_of(history, {"0000@9": 1.0})
    first = early.next()
    assert first is not None
    assert first.trial_id == "0000.1"
    of_many = replace(folds_of(history, {}, elapsed=87.2), n_valid=100_000).next()
    assert of_many is not None
    assert of_many.trial_id == "0000.1"  # the best of its family
    folds = folds_of(history, {"0000@9": 1.0}, elapsed=87.2)
    begun = []
    while (due := folds.next()) is not None:
        begun.append(due.trial_id)
        history.append(Trial(due.trial_id, due.config, "bag", -1, 0, due.fold))
    assert begun == [f"{trial}.{fold}" for trial in ("0000", "0002", "0003", "0001") for fold in (1, 2)]


def test_a_fold_is_trained_to_where_the_first_one_was_best() -> None:
    history = History()
    history.append(Trial("0000", {"model": "lightgbm"}, "portfolio", 0, 0))
    for budget, rung_loss in ((1, 0.5), (3, 0.4), (9, 0.4), (27, 0.4)):
        history.append(Result("0000", budget, rung_loss, 1.0, {}, Seconds(budget * 1.0), 1.0, f"0000@{budget}"))
    history.append(Change("0000", Status.COMPLETED, 1.0))
    # Two more folds take 1 + 3 s each: what was trained after budget 3 changed nothing.
    due = folds_of(history, {"0000@3": 1.0}, elapsed=95).next()
    assert due is not None
    assert (due.trial_id, due.train_to) == ("0000.1", 3)
    assert folds_of(history, {"0000@3": 1.0}, elapsed=95.5).next() is None


def test_a_network_is_begun_where_a_shorter_one_ends_in_time() -> None:
    weights = {"0000@9": 1.0}
    for model, is_begun in (("mlp", True), ("lightgbm", False)):
        history = history_of({"0000": Status.COMPLETED}, seconds=20.0, model=model)
        assert (folds_of(history, weights, elapsed=86).next() is not None) == is_begun  # 0.6 * 20 s and the margin
        assert folds_of(history, weights, elapsed=87).next() is None


def test_until_the_portfolio_was_tried_only_whole_bags_of_the_ensemble_are_begun_and_as_late_as_they_can_be() -> None:
    history = history_of({"0000": Status.COMPLETED, "0001": Status.COMPLETED}, seconds=20.0)
    weights = {"0000@9": 1.0}  # two more folds by two workers take 20 s, with the margin 23 s
    assert folds_of(history, weights, elapsed=73.5, is_tried=False).next() is None
    assert folds_of(history, weights, elapsed=75, is_tried=False).next() is not None
    assert folds_of(history, weights, elapsed=78, is_tried=False).next() is None
    half = history_of({"0000": Status.COMPLETED, "0000.1": Status.RUNNING}, 11.0)
    assert folds_of(half, weights, elapsed=87, is_tried=False).next()
    whole = history_of({name: Status.COMPLETED for name in ("0000", "0000.1", "0000.2", "0001")}, 10.0)
    assert folds_of(whole, weights, elapsed=88, is_tried=False).next() is None
    of_many_rows = folds_of(whole, weights, elapsed=80, is_tried=True, n_valid=1_000)
    assert of_many_rows.next() is None
    assert replace(of_many_rows, clock=Clock.start(100.0, spent_s=88.0)).next()


def test_where_the_first_fold_has_few_rows_all_that_is_known_to_work_gets_a_bag_before_the_search_goes_on() -> None:
    history = history_of({"0000": Status.COMPLETED, "0001": Status.COMPLETED, "0002": Status.PAUSED})
    history.append(Trial("0003", {"model": "lightgbm"}, "random", 0, 0))
    history.append(Result("0003", 9, 0.99, 1.0, {}, Seconds(2.0), 1.0, "0003@9"))
    history.append(Change("0003", Status.COMPLETED, 1.0))
    folds = folds_of(history, {"0000@9": 1.0}, elapsed=10)
    begun = []
    while (due := folds.next()) is not None:
        begun.append(due.trial_id)
        history.append(Trial(due.trial_id, due.config, "bag", -1, 0, due.fold))
    assert begun == ["0000.1", "0000.2", "0001.1", "0001.2"]
    assert replace(folds, n_valid=1_000).next() is None


def test_where_the_first_fold_has_few_rows_the_search_goes_on_once_bags_have_taken_half_of_the_time() -> None:
    """Two folds of a minute for each of four: by two workers a minute and half of the time that has passed."""
    history = history_of({f"000{i}": Status.COMPLETED for i in range(4)}, seconds=60.0)

    def begun(elapsed: float, ensemble: dict[str, float]) -> list[str]:
        folds = replace(folds_of(history, ensemble), clock=Clock.start(3600.0, spent_s=elapsed), end_s=3600.0)
        names = []
        while (due := folds.next()) is not None:
            names.append(due.trial_id)
            history.append(Trial(due.trial_id, due.config, "bag", -1, 0, due.fold))
        return names

    assert begun(100.0, {}) == ["0000.1", "0000.2", "0001.1", "0001.2"]  # 0, then 120 of 220 s
    assert begun(110.0, {"0002@9": 1.0}) == ["0002.1", "0002.2"]  # of the ensemble it is at once
    for trial in ("0000", "0001", "0002"):
        for fold in (1, 2):
            history.append(Result(f"{trial}.{fold}", 9, 1.0, 1.0, {}, Seconds(50.0), 1.0, f"{trial}.{fold}@9"))
            history.append(Change(f"{trial}.{fold}", Status.COMPLETED, 1.0))
    assert begun(179.0, {}) == []  # 300 s were taken
    assert begun(181.0, {}) == ["0003.1", "0003.2"]


def test_the_folds_begin_early_where_the_portfolio_is_through() -> None:
    weights = {"0000@9": 1.0}
    through = history_of({"0000": Status.COMPLETED, "0001": Status.PAUSED})
    assert folds_of(through, weights, elapsed=10).next() is not None
    assert folds_of(through, weights, elapsed=10, is_tried=False).next() is None
    busy = history_of({"0000": Status.COMPLETED, "0001": Status.RUNNING})
    assert folds_of(busy, weights, elapsed=10).next() is None
    one_is_slow = history_of({**{f"000{i}": Status.COMPLETED for i in range(3)}, "0003": Status.RUNNING})
    assert folds_of(one_is_slow, weights, elapsed=10).next() is not None


@pytest.fixture(scope="module", params=["multiclass", "regression"])
def fitted(request, ray_cluster, tmp_path_factory):
    """A fit with time for the folds, also where Ray takes half of a minute to start; its rows and its target."""
    name, cls = {"multiclass": ("car", TabularClassifier), "regression": ("airfoil_self_noise", TabularRegressor)}[
        request.param
    ]
    X, y = datasets.load(name)
    X, y = X.iloc[::5], y.iloc[::5]
    choices = Choices(networks=(ShapedMLP,), classic=(LightGBM,))
    folder = tmp_path_factory.mktemp("folds") / "run"
    return cls(60, choices=choices, run_folder=folder, progress=False).fit(X, y), X, y


@pytest.mark.ray
@pytest.mark.slow
def test_each_fold_of_a_bag_is_a_model_of_its_own_that_has_not_seen_the_rows_it_is_validated_on(fitted):
    model, X, _ = fitted
    folder = model.folder_
    members = [member for member in folder.members() if fold_of(member) > 0]
    assert members
    task = folder.read_task(model.predictor_.target)
    for member in members:
        rows = task.split(fold_of(member))[1]
        again = load_model(folder.model(member), with_quick(Choices())).predict(task.inputs.take(rows))
        np.testing.assert_allclose(folder.read_predictions(member), again, atol=1e-5, rtol=1e-4)
    assert len(model.predict(X)) == len(X)


@pytest.mark.ray
@pytest.mark.slow
def test_a_bag_has_one_row_in_the_leaderboard_and_its_weight_is_spread_over_its_folds(fitted):
    model, *_ = fitted
    weights = model.folder_.read_ensemble().weights
    of_trial = {}
    for member, weight in weights.items():
        of_trial.setdefault(trial_of(member), {})[fold_of(member)] = weight
    assert any(set(folds) == set(range(5)) for folds in of_trial.values())
    assert all(weight == pytest.approx(folds[0]) for folds in of_trial.values() for weight in folds.values())
    board = model.leaderboard().set_index("trial")
    assert board.loc[list(of_trial), "folds"].to_dict() == {trial: len(folds) for trial, folds in of_trial.items()}
    assert board["weight"].sum() == pytest.approx(1)
    assert not board.index.str.contains(".", regex=False).any()

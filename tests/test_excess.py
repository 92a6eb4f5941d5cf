from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raytabdl.ensemble import EnsembleBuilder
from raytabdl.excess import Bounds, Stored, excess
from raytabdl.metrics import REGRESSION
from raytabdl.names import fold_of, trial_of

RMSE = REGRESSION["rmse"]


def stored(losses, *, usual=None, families=None, n_bytes=1):
    """Members with these losses, which are their usual ones too, and of one family, unless others are given."""
    usual, families = usual or {}, families or {}
    return {m: Stored(loss, usual.get(m, loss), families.get(m, "mlp"), n_bytes) for m, loss in losses.items()}


def deleted(members, n_members, *, told=(), n_bytes=math.inf, n_best=1, bags=()):
    return excess(members, told, Bounds(n_members, n_bytes), n_best=n_best, bags=bags)


def test_within_the_bounds_nothing_is_in_excess():
    members = stored({"0@1": 1.0, "0@3": 2.0, "1@1": 3.0}, n_bytes=10)
    assert deleted(members, 3, n_bytes=30) == []
    assert deleted(members, 2) == deleted(members, 3, n_bytes=29) == ["0@3"]


def test_points_that_are_not_the_best_of_their_trial_go_before_trials_the_worst_first():
    members = stored({"0@1": 1.0, "0@3": 0.5, "1@1": 3.0, "2@1": 2.0, "2@3": 4.0})
    assert deleted(members, 3) == ["2@3", "0@1"]
    assert deleted(members, 2) == ["2@3", "0@1", "1@1"]
    assert deleted(members, 0) == ["2@3", "0@1", "1@1", "2@1"]


def test_the_best_by_the_usual_loss_are_kept_as_well():
    """The rung at which a trial, and the trial that, is best by it is another than by the metric."""
    members = stored({"0@1": 1.0, "0@3": 1.5, "1@1": 2.0, "2@1": 3.0}, usual={"0@1": 9.0, "0@3": 8.0, "1@1": 5.0})
    assert deleted(members, 0, n_best=1) == ["1@1"]
    members["2@1"] = Stored(3.0, 7.0, "mlp", 1)
    assert deleted(members, 0, n_best=1) == ["2@1"]


def test_of_equals_the_one_that_was_trained_for_longest_is_kept():
    assert deleted(stored({"0@1": 1.0, "0@9": 1.0, "0@3": 1.0}), 1) == ["0@1", "0@3"]


def test_what_was_told_and_quick_models_and_the_best_of_each_family_are_never_in_excess():
    losses = {
        "quick-dummy@27": 9.0,
        "quick-linear.1@27": 8.0,
        "0@1": 1.0,
        "1@1": 2.0,
        "2@1": 3.0,
        "3@1": 4.0,
        "4@1": 5.0,
    }
    members = stored(losses, families={"3@1": "tabm", "4@1": "tabm"})
    assert deleted(members, 0, told={"2@1"}) == ["4@1", "1@1"]


def test_a_trial_goes_with_its_models_of_all_folds():
    members = stored({"0@1": 1.0, "1@1": 2.0, "1.1@1": 2.0, "1.2@1": 2.0, "2@1": 1.5})
    assert deleted(members, 4) == ["1@1", "1.1@1", "1.2@1"]
    assert deleted(members, 4, bags={"1"}) == ["2@1"]
    assert deleted(members, 0, told={"1.1@1"}) == ["1@1", "1.2@1", "2@1"]


def test_models_of_further_folds_whose_first_is_gone_are_the_first_to_go():
    assert deleted(stored({"0@1": 1.0, "1@1": 2.0, "2.1@1": 0.1}), 2) == ["2.1@1"]


def test_a_bag_of_too_little_gain_takes_no_place_of_one_that_may_be_selected():
    """By the mean over the folds it is the best; on fold 0 it gains less than half of what the best trial does."""
    builder = EnsembleBuilder(np.zeros(4), RMSE, n_best=1, worst_loss=1.0, other_folds=[np.zeros(4)])
    for member, error in {"0@9": 0.1, "1@9": 0.4, "1.1@9": 0.4, "2@9": 0.7, "2.1@9": 0.0}.items():
        builder.add(member, np.full(4, error))
    bags = {trial_of(member) for member in builder.bags()}
    assert deleted(stored(builder.losses), 0, bags=bags) == ["2@9", "2.1@9"]


def test_what_no_ensemble_can_hold_goes_first_and_is_the_best_of_no_family():
    members = stored({"0@1": 1.0, "1@1": math.inf, "2@1": 2.0, "2.1@1": math.inf}, families={"1@1": "tabm"})
    assert deleted(members, 3) == ["1@1"]
    assert deleted(members, 0, bags={"2"}) == ["1@1", "2.1@1"]


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from(["rmse", "mae"]), st.sampled_from([math.inf, 2.5]))
def test_the_ensembles_of_a_run_are_those_of_one_that_deletes_nothing(seed, name, worst_loss):
    """Members come one after another, of trials on several rungs, some of which become bags."""
    rng = np.random.default_rng(seed)
    n_folds, n_best, n_rows = 3, 3, 12
    y = [rng.normal(size=n_rows) for _ in range(n_folds)]
    whole, bounded = (
        EnsembleBuilder(y[0], REGRESSION[name], size=5, n_best=n_best, worst_loss=worst_loss, other_folds=y[1:])
        for _ in range(2)
    )
    told, families = set(), {}
    skills = rng.uniform(0.2, 3.0, 15)
    for number, skill in enumerate(skills):
        families[f"{number}"] = "mlp" if rng.random() < 0.7 else "tabm"
        coming = [f"{number}@{budget}" for budget in (1, 3, 9)[: rng.integers(1, 4)]]
        known = sorted({trial_of(member) for member in bounded.losses if fold_of(member) == 0})
        if known and rng.random() < 0.4:  # one of them is trained on the other folds
            trial = rng.choice(known)
            coming += [f"{trial}.{fold}@9" for fold in range(1, n_folds) if f"{trial}.{fold}@9" not in whole.losses]
        for member in coming:
            predictions = y[fold_of(member)] + skill * rng.normal(size=n_rows)
            for builder in (whole, bounded):
                builder.add(member, predictions)
        ensemble = bounded.ensemble()
        assert ensemble == whole.ensemble()
        told |= ensemble.weights.keys()
        members = {
            member: Stored(
                loss, RMSE.loss(y[fold_of(member)], bounded.predictions[member]), families[trial_of(member)], 1
            )
            for member, loss in bounded.losses.items()
        }
        bags = {trial_of(member) for member in bounded.bags()}
        for member in excess(members, told, Bounds(8, math.inf), n_best=n_best, bags=bags):
            assert member not in told
            del bounded.losses[member], bounded.predictions[member]
    assert len(bounded.losses) < len(whole.losses)


@pytest.mark.parametrize("n_members", [50, 51])
def test_the_bound_is_kept_to_the_member(n_members):
    members = stored({f"{i:04d}@1": float(i) for i in range(n_members)})
    assert deleted(members, 50) == [f"{i:04d}@1" for i in range(50, n_members)]

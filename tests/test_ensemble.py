from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import get_scorer

from raytabdl.ensemble import Ensemble, EnsembleBuilder, InferLimit, select
from raytabdl.inputs import Target, TaskType
from raytabdl.metrics import CLASSIFICATION, REGRESSION, Metric
from raytabdl.names import fold_of, fold_trial, member_key, trial_of
from raytabdl.persistence import write_array
from raytabdl.run_folder import RunFolder
from raytabdl.scorers import own_metric

LOG_LOSS, RMSE = CLASSIFICATION["log_loss"], REGRESSION["rmse"]
METRICS = {**CLASSIFICATION, **REGRESSION}


def members(seed, metric_name, n_members=5, n=30):
    """A target and members that know it more or less well."""
    rng = np.random.default_rng(seed)
    if metric_name in REGRESSION:
        y = rng.exponential(size=n)
        return y, {f"{i}@1": np.abs(y + rng.normal(size=n) * (0.2 + i / 5)) for i in range(n_members)}
    y = np.arange(n) % 3
    logits = [np.eye(3)[y] * 2 + rng.normal(size=(n, 3)) * (1 + i / 5) for i in range(n_members)]
    weights = [np.exp(x) for x in logits]
    return y, {f"{i}@1": w / w.sum(axis=1, keepdims=True) for i, w in enumerate(weights)}


def select_slowly(predictions, y, metric, size):
    """Caruana et al. 2004, section 2, one member and one mean at a time."""
    bag, best = [], (np.inf, [])
    for _ in range(size):
        losses = {
            name: metric.loss(y, np.mean([predictions[member] for member in [*bag, name]], axis=0))
            for name in predictions
        }
        least = min(losses.values())
        ties = [name for name in predictions if losses[name] <= least + 1e-9]
        pick = min(ties, key=lambda name: (name not in bag, metric.loss(y, predictions[name])))
        bag = [*bag, pick]
        if losses[pick] < best[0] - 1e-9:
            best = (losses[pick], bag)
    return {name: best[1].count(name) / len(best[1]) for name in set(best[1])}, best[0]


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.sampled_from(sorted(METRICS)), st.integers(1, 8))
def test_the_selection_is_that_of_the_plain_algorithm(seed, name, size):
    y, predictions = members(seed, name)
    ensemble = select(predictions, y, METRICS[name], size=size)
    weights, loss = select_slowly(predictions, y, METRICS[name], size)
    assert ensemble.loss == pytest.approx(loss, abs=1e-6)
    assert METRICS[name].loss(y, ensemble.predict(predictions)) == pytest.approx(loss, abs=1e-6)
    if name in ("rmse", "mse"):  # without ties the members are the same too
        assert ensemble.weights == pytest.approx(weights)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from(["log_loss", "rmse", "mse", "mae", "accuracy", "roc_auc"]))
def test_a_weighted_selection_is_that_of_repeated_rows(seed, name):
    y, predictions = members(seed, name)
    weights = np.random.default_rng(seed).integers(1, 4, len(y))
    repeated = {member: np.repeat(p, weights, axis=0) for member, p in predictions.items()}
    expected = select(repeated, np.repeat(y, weights), METRICS[name], size=6)
    ensemble = select(predictions, y, METRICS[name], size=6, weights=weights.astype(float))
    assert ensemble.loss == pytest.approx(expected.loss, abs=1e-6)
    assert METRICS[name].loss(y, ensemble.predict(predictions), weights) == pytest.approx(ensemble.loss, abs=1e-6)


@given(st.integers(0, 10_000), st.sampled_from(sorted(METRICS)))
def test_an_ensemble_is_never_worse_than_its_best_member(seed, name):
    y, predictions = members(seed, name)
    alone = min(METRICS[name].loss(y, p) for p in predictions.values())
    assert select(predictions, y, METRICS[name]).loss <= alone + 1e-6


def test_an_ensemble_of_one_is_the_best_single_model():
    y, predictions = members(0, "rmse")
    best = min(predictions, key=lambda name: RMSE.loss(y, predictions[name]))
    assert select(predictions, y, RMSE, size=1) == Ensemble({best: 1.0}, pytest.approx(RMSE.loss(y, predictions[best])))


def test_two_models_with_opposite_errors_are_found_though_each_is_worse_alone():
    y, error = np.zeros(100), np.random.default_rng(0).normal(size=100)
    predictions = {"up@1": error, "down@1": -error, "noise@1": 1.01 * np.roll(error, 1)}
    ensemble = select(predictions, y, RMSE)
    assert ensemble.weights == {"up@1": 0.5, "down@1": 0.5}
    assert ensemble.loss == pytest.approx(0, abs=1e-12)


def test_picking_with_replacement_gives_a_model_more_than_one_share():
    y, error = np.zeros(50), np.random.default_rng(0).normal(size=50)
    ensemble = select({"a@1": error, "b@1": -2 * error}, y, RMSE, size=3)
    assert ensemble.weights == {"a@1": pytest.approx(2 / 3), "b@1": pytest.approx(1 / 3)}


def test_the_weights_sum_to_one_and_come_largest_first():
    y, predictions = members(3, "log_loss")
    weights = list(select(predictions, y, LOG_LOSS).weights.values())
    assert sum(weights) == pytest.approx(1)
    assert weights == sorted(weights, reverse=True)


def select_slowly_in_time(predictions, y, metric, size, limit):
    """The same of members that there is time for; the best of what is selected by what each of them may take."""
    found = []
    for share in (1.0, 0.5, 0.25):
        bag, best = [], (np.inf, {})
        for _ in range(size):
            spent = sum(limit.seconds[member] for member in set(bag))
            losses = {
                member: metric.loss(y, np.mean([predictions[own] for own in [*bag, member]], axis=0))
                for member in predictions
                if limit.seconds[member] <= share * limit.limit_s
                and (member in bag or limit.seconds[member] <= limit.limit_s - spent)
            }
            if not losses:
                break
            pick = min(losses, key=lambda member: losses[member])
            bag = [*bag, pick]
            if losses[pick] < best[0] - 1e-9:
                best = (losses[pick], {name: bag.count(name) / len(bag) for name in set(bag)})
        found.append(best)
    return min(found, key=lambda each: each[0])


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from(["rmse", "log_loss", "mae"]), st.floats(1.0, 8.0))
def test_the_selection_within_a_time_is_that_of_the_plain_algorithm_without_what_there_is_no_time_for(
    seed, name, limit_s
):
    """Of more members than are measured at once, the best of which take longest."""
    y, predictions = members(seed, name, n_members=14)
    limit = InferLimit(limit_s, {member: 8.0 / (1 + i) for i, member in enumerate(predictions)})
    in_time = {member: p for member, p in predictions.items() if limit.allows([member])}
    ensemble = select(in_time, y, METRICS[name], size=6, limit=limit)
    loss, weights = select_slowly_in_time(in_time, y, METRICS[name], 6, limit)
    assert ensemble.loss == pytest.approx(loss, abs=1e-6)
    assert sum(limit.seconds[member] for member in ensemble.weights) <= limit_s
    if name == "rmse":  # without ties the members are the same too
        assert ensemble.weights == pytest.approx(weights)


def test_a_member_that_takes_all_the_time_does_not_keep_out_others_that_are_better_together():
    y, error = np.zeros(100), np.random.default_rng(0).normal(size=100)
    predictions = {"dear@1": 0.5 * np.roll(error, 1), "up@1": error, "down@1": -error}
    seconds = {"dear@1": 0.9, "up@1": 0.4, "down@1": 0.4}
    assert select(predictions, y, RMSE, limit=InferLimit(1.0, seconds)).weights == {"up@1": 0.5, "down@1": 0.5}
    assert select(predictions, y, RMSE, size=1, limit=InferLimit(1.0, seconds)).weights == {"dear@1": 1.0}


def test_a_large_offset_of_the_target_costs_no_digits():
    y, predictions = members(1, "rmse")
    moved = select({name: p + 1e9 for name, p in predictions.items()}, y + 1e9, RMSE)
    assert moved.loss == pytest.approx(select(predictions, y, RMSE).loss, rel=1e-5)


def test_a_slow_metric_is_asked_of_some_of_the_rows_and_the_loss_is_of_all():
    n_rows = []

    def value(y, predictions, weights=None):
        n_rows.append(len(y))
        return float(((predictions[:, 1] - y) ** 2).mean())

    rng = np.random.default_rng(0)
    y = (np.arange(9_000) % 2).astype(float)
    predictions = {}
    for i in range(5):
        p = np.clip(y * 0.4 + 0.3 + rng.normal(0, 0.2, len(y)), 0, 1)
        predictions[f"{i}@1"] = np.column_stack([1 - p, p])
    ensemble = select(predictions, y, Metric("own brier", value, greater_is_better=False, best=0.0))
    assert n_rows.count(len(y)) == 1
    assert max(n_rows[:-1]) <= 4_000
    assert ensemble.loss == pytest.approx(np.square(ensemble.predict(predictions)[:, 1] - y).mean())
    assert len(ensemble.weights) == 5


@pytest.mark.parametrize(("name", "is_scaled"), [("roc_auc", True), ("average_precision", True), ("log_loss", False)])
def test_probabilities_are_calibrated_where_the_metric_does_not_see_to_it(name, is_scaled):
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 2, 2_000)
    y = (rng.random(2_000) < 1 / (1 + np.exp(-odds))).astype(float)
    p = 1 / (1 + np.exp(-(0.1 * odds + 0.85)))  # all are above one half
    both = np.column_stack([1 - p, p])
    builder = EnsembleBuilder(y, CLASSIFICATION[name])
    loss = builder.add("0@27", both)
    ensemble = builder.ensemble()
    assert bool(ensemble.scaling) is is_scaled
    assert ensemble.loss == pytest.approx(loss, abs=1e-9)
    accuracy = CLASSIFICATION["accuracy"].measure(y, ensemble.predict({"0@27": both}))
    assert accuracy > 0.75 if is_scaled else accuracy < 0.55


def test_selecting_changes_no_predictions():
    y, predictions = members(2, "log_loss")
    before = {name: p.copy() for name, p in predictions.items()}
    select(predictions, y, LOG_LOSS)
    assert all((predictions[name] == before[name]).all() for name in before)


def test_what_is_not_better_than_the_dummy_never_enters():
    y = np.array([0.0, 1.0, 2.0, 3.0])
    builder = EnsembleBuilder(y, RMSE)
    builder.worst_loss = builder.add("dummy@1", np.full(4, 1.5))
    builder.add("worse@1", 3 - y)
    builder.add("good@1", y + np.array([0.1, -0.1, 0.1, -0.1]))
    assert builder.candidates() == ["good@1"]


def test_what_gains_less_than_half_of_what_the_best_one_does_never_enters():
    y = np.array([0.0, 1.0, 2.0, 3.0])
    builder = EnsembleBuilder(y, RMSE)
    builder.worst_loss = builder.add("dummy@1", y + 2.0)
    for member, error in {"best@1": 1.0, "near@1": 1.45, "far@1": 1.55}.items():
        builder.add(member, y + error)
    assert builder.candidates() == ["best@1", "near@1"]


def test_the_dummy_is_the_ensemble_where_nothing_is_better():
    builder = EnsembleBuilder(np.array([0.0, 1.0]), RMSE)
    assert builder.ensemble() is None
    builder.worst_loss = builder.add("dummy@1", np.full(2, 0.5))
    builder.add("worse@1", np.array([1.0, 0.0]))
    ensemble = builder.ensemble()
    assert ensemble is not None
    assert ensemble.weights == {"dummy@1": 1.0}


def test_a_trial_has_one_candidate_the_rung_with_its_lowest_loss():
    y = np.zeros(4)
    builder = EnsembleBuilder(y, RMSE, n_best=2)
    for member, error in {"a@1": 3.0, "a@3": 1.0, "a@9": 2.0, "b@1": 4.0, "c@1": 5.0}.items():
        builder.add(member, y + error)
    assert builder.candidates() == ["a@3", "b@1"]


def test_what_no_selection_looks_at_is_let_go_and_read_again_once_its_bag_is_whole(tmp_path):
    """The worst of four trials is out of the best two on fold 0; with the models of all folds it is the best."""
    folder = RunFolder(tmp_path / "run")
    folder.create()
    y = np.zeros((3, 4))
    for fold in range(3):
        write_array(folder.path / "validation" / f"{fold:04d}.npy", y[fold])
    errors = {"a@1": 3.0, "a@3": 1.0, "b@1": 2.0, "c@1": 4.0, "d@1": 5.0, "d.1@1": 0.0}
    for member, error in errors.items():
        write_array(folder.predictions / f"{member}.npy", y[0] + error)
    builder = replace(folder.builder(RMSE, 5), n_best=2)
    builder.release()
    assert set(builder.predictions) == {"a@3", "b@1"}
    assert builder.losses == errors
    whole = folder.builder(RMSE, 5)
    for member, error in {"d.2@1": 0.0, "a.1@3": 99.0, "a.2@3": 99.0}.items():
        write_array(folder.predictions / f"{member}.npy", y[0] + error)
        for each in (builder, whole):
            each.add(member, folder.read_predictions(member))
    ensemble = builder.ensemble()
    assert ensemble == replace(whole, n_best=2).ensemble()
    assert ensemble is not None
    assert set(ensemble.weights) == {"d@1", "d.1@1", "d.2@1"}
    builder.release()
    assert {"a.1@3", "d@1", "d.1@1", "d.2@1"} < set(builder.predictions)
    assert "c@1" not in builder.predictions


def test_predictions_that_are_not_finite_are_refused():
    builder = EnsembleBuilder(np.zeros(2), RMSE)
    assert builder.add("broken@1", np.array([0.0, np.nan])) == np.inf
    assert builder.candidates() == []


def test_a_member_is_a_trial_at_a_budget():
    assert member_key("quick-dummy", 27) == "quick-dummy@27"
    assert trial_of("quick-dummy@27") == "quick-dummy"


def test_a_member_on_another_fold_belongs_to_the_trial_that_it_repeats():
    assert member_key(fold_trial("0005", 2), 27) == "0005.2@27"
    assert (trial_of("0005.2@27"), fold_of("0005.2@27")) == ("0005", 2)
    assert fold_of("0005@27") == fold_of("quick-dummy@1") == 0


def test_ties_of_ranks_that_rounding_makes_do_not_keep_probabilities_from_being_calibrated():
    """Of pairs that differ in the last bit alone scaling makes ties, by which the area under the curve is less."""
    rng = np.random.default_rng(0)
    true = rng.uniform(0.05, 0.95, 400)
    y = (rng.random(400) < true).astype(np.int64)
    flat = 0.4 + 0.1 * true
    pairs = rng.uniform(0.4, 0.5, 50)
    y = np.concatenate([y, np.zeros(50, np.int64), np.ones(50, np.int64)])
    flat = np.concatenate([flat, pairs, np.nextafter(pairs, 1)])
    predictions = np.stack([1 - flat, flat], axis=1)
    builder = EnsembleBuilder(y, CLASSIFICATION["roc_auc"])
    builder.add("flat@1", predictions)
    ensemble = builder.ensemble()
    assert ensemble is not None
    assert ensemble.loss > builder.metric.loss(y, predictions)
    assert LOG_LOSS.loss(y, ensemble.predict({"flat@1": predictions})) < LOG_LOSS.loss(y, predictions) - 0.05


def folds_of(errors, n_folds=3, n_rows=40):
    """A builder with 3 folds; the members of each trial are off by its error, with a sign for each row."""
    rng = np.random.default_rng(0)
    y = [rng.normal(size=n_rows) for _ in range(n_folds)]
    builder = EnsembleBuilder(y[0], RMSE, other_folds=y[1:])
    for (trial, folds), error in errors.items():
        for fold in folds:
            name = fold_trial(trial, fold) if fold else trial
            builder.add(member_key(name, 9), y[fold] + error * rng.choice([-1.0, 1.0], n_rows))
    return builder


def test_bags_are_selected_by_all_their_rows():
    # On fold 0 both are alike; on the others b is worse.
    builder = folds_of({("a", (0, 1, 2)): 1.0, ("b", (0,)): 1.0, ("b", (1, 2)): 9.0})
    ensemble = builder.ensemble()
    assert {trial_of(member) for member in ensemble.weights} == {"a"}
    assert ensemble.weights == {m: pytest.approx(1 / 3) for m in ("a@9", "a.1@9", "a.2@9")}
    assert {trial_of(member) for member in builder.holdout().weights} == {"a", "b"}


@pytest.mark.parametrize("n_positive", [1, 2])
@pytest.mark.parametrize("scorer", ["neg_log_loss", "roc_auc"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_halves_and_samples_that_lack_a_class_do_not_end_a_selection(scorer, n_positive):
    """Of scikit-learn's log loss they have none; its area under the curve is NaN."""
    rng = np.random.default_rng(0)
    y = [(np.arange(40) < n_positive).astype(float) for _ in range(3)]
    metric = own_metric(get_scorer(scorer), np.arange(2), Target(TaskType.BINARY, 2), np.array(["no", "yes"]))
    builder = EnsembleBuilder(y[0], metric, other_folds=y[1:])
    for trial in "ab":
        for fold in range(3):
            p = np.clip(0.1 + 0.6 * y[fold] + 0.1 * rng.normal(size=40), 0.01, 0.99)
            builder.add(f"{trial}.{fold}@9" if fold else f"{trial}@9", np.column_stack([1 - p, p]))
    ensemble = builder.ensemble()
    assert np.isfinite(ensemble.loss)
    assert sum(ensemble.weights.values()) == pytest.approx(1)
    assert {fold_of(member) for member in ensemble.weights} == {0, 1, 2}  # the bags


def test_where_nothing_can_be_measured_the_loss_is_infinite():
    def value(y, predictions):
        raise ValueError("too few rows")

    y = np.zeros(4)
    ensemble = select({"a@1": y, "b@1": y + 1}, y, Metric("own", value, False, 0.0))
    assert ensemble == Ensemble({"a@1": 1.0}, np.inf)


def test_each_fold_has_weights_of_its_own():
    """Bad on one half of the rows each, and by their weights one of the two is good throughout."""
    rng = np.random.default_rng(0)
    y = [rng.normal(size=40) for _ in range(3)]
    first = np.arange(40) < 20
    weights = [np.where(first, 1.999, 0.001) for _ in range(3)]
    builder = EnsembleBuilder(y[0], RMSE, other_folds=y[1:], row_weights=weights)
    for fold in range(3):
        for trial, is_bad in (("a", ~first), ("b", first)):
            name = fold_trial(trial, fold) if fold else trial
            loss = builder.add(member_key(name, 9), y[fold] + is_bad)
            assert loss == pytest.approx(np.sqrt(weights[fold][is_bad].sum() / 40))
    assert {trial_of(member) for member in builder.ensemble().weights} == {"a"}
    assert len(builder.ensemble().weights) == 3


def test_a_bag_that_gives_up_too_much_on_the_first_fold_is_no_ground_to_select_from():
    builder = folds_of({("a", (0, 1, 2)): 1.5, ("c", (0, 1, 2)): 9.0, ("b", (0,)): 1.0})
    weights = builder.ensemble().weights
    assert builder.holdout().loss < 1.0
    assert weights["a@9"] == weights["a.1@9"] == weights["a.2@9"] < weights["b@9"]  # its share on all its models
    assert sum(weights.values()) == pytest.approx(1)


def test_one_bag_alone_is_no_ground_to_select_from():
    one = {("a", (0, 1, 2)): 1.0, ("b", (0,)): 1.2}
    builder = folds_of(one, n_rows=10)  # too few rows to hold anything against the bag
    assert builder.ensemble().trial_weights() == pytest.approx(builder.holdout().trial_weights())
    assert set(builder.ensemble().trial_weights()) == {"a", "b"}
    two = folds_of({**one, ("c", (0, 1, 2)): 1.0}, n_rows=10)
    assert set(two.ensemble().trial_weights()) <= {"a", "c"}


def test_the_models_of_a_bag_that_is_not_complete_share_the_weight_of_their_trial():
    builder = folds_of({("a", (0, 2)): 1.0})
    assert builder.ensemble().weights == {"a@9": 0.5, "a.2@9": 0.5}
    assert builder.ensemble().loss == builder.holdout().loss


def test_bags_are_compared_by_the_weights_of_the_rows():
    """On the rows that count b is far better than the bags, on the others far worse."""
    rng = np.random.default_rng(0)
    y = [rng.normal(size=40) for _ in range(3)]
    heavy = np.arange(40) < 20
    weights = [np.where(heavy, 1.999, 0.001)] * 3
    builder = EnsembleBuilder(y[0], RMSE, other_folds=y[1:], row_weights=weights)
    errors = {"a": np.where(heavy, 1.5, 0.0), "c": np.full(40, 9.0), "b": np.where(heavy, 0.1, 3.0)}
    for trial, folds in {"a": (0, 1, 2), "c": (0, 1, 2), "b": (0,)}.items():
        for fold in folds:
            name = fold_trial(trial, fold) if fold else trial
            builder.add(member_key(name, 9), y[fold] + errors[trial] * rng.choice([-1.0, 1.0], 40))
    assert "b" in builder.ensemble().trial_weights()


def in_time(builder, limit_s, seconds=1.0):
    """The weights by member that are selected where each takes so many seconds, or those of its trial."""
    own = seconds if isinstance(seconds, dict) else dict.fromkeys("abc", seconds)
    limit = InferLimit(limit_s, {member: own[trial_of(member)] for member in builder.losses})
    ensemble = replace(builder, limit=limit).ensemble()
    return None if ensemble is None else ensemble.weights


def test_a_bag_takes_the_time_of_all_its_models_and_there_is_to_be_some_for_two():
    errors = {("a", (0, 1, 2)): 1.0, ("b", (0, 1, 2)): 1.1, ("c", (0,)): 2.0}
    builder = folds_of(errors, n_rows=10)  # too few rows to hold anything against the bags
    assert in_time(builder, 6.0) == builder.ensemble().weights
    assert set(builder.ensemble().trial_weights()) == {"a", "b"}
    of_first = builder.holdout().weights
    assert set(of_first) == {"a@9", "b@9", "c@9"}
    assert next(iter(of_first)) == "b@9"
    of_largest = {member: pytest.approx(of_first["b@9"] / 3) for member in ("b@9", "b.1@9", "b.2@9")}
    assert in_time(builder, 5.9) == {**of_first, **of_largest}
    assert in_time(builder, 4.9) == of_first
    assert in_time(builder, 1.0) == {"a@9": 1.0}
    assert in_time(builder, 0.9) is None


def test_bags_that_take_too_long_are_none_to_select_from():
    builder = folds_of({(trial, (0, 1, 2)): 1.0 for trial in "abc"}, n_rows=10)
    assert set(builder.ensemble().trial_weights()) == {"a", "b", "c"}
    weights = in_time(builder, 6.0, {"a": 1.0, "b": 2.1, "c": 1.0})
    assert {trial_of(member) for member in weights} == {"a", "c"}
    assert len(weights) == 6


def test_a_trial_is_represented_by_its_best_rung_that_is_in_time():
    y = np.zeros(4)
    builder = EnsembleBuilder(y, RMSE)
    for member, error in {"a@9": 1.0, "a@3": 2.0, "a@1": 3.0}.items():
        builder.add(member, y + error)
    limit = InferLimit(0.5, {"a@9": 0.9, "a@3": 0.4, "a@1": 0.2})
    assert replace(builder, limit=limit).candidates() == ["a@3"]


def test_the_dummy_is_no_ensemble_in_the_place_of_better_models_that_take_too_long():
    y = np.array([0.0, 1.0, 2.0, 3.0])
    builder = EnsembleBuilder(y, RMSE)
    builder.worst_loss = builder.add("dummy@1", np.full(4, 1.5))
    builder.add("good@1", y + 0.1)
    assert replace(builder, limit=InferLimit(0.5, {"dummy@1": 0.0, "good@1": 1.0})).ensemble() is None
    builder.losses.pop("good@1")
    assert replace(builder, limit=InferLimit(0.5, {"dummy@1": 0.0})).ensemble().weights == {"dummy@1": 1.0}


def test_what_gains_enough_is_said_by_the_best_that_is_in_time():
    y = np.array([0.0, 1.0, 2.0, 3.0])
    builder = EnsembleBuilder(y, RMSE)
    builder.worst_loss = builder.add("dummy@1", y + 2.0)
    for member, error in {"best@1": 0.1, "near@1": 1.4, "far@1": 1.6}.items():
        builder.add(member, y + error)
    seconds = {"dummy@1": 0.0, "best@1": 1.0, "near@1": 0.1, "far@1": 0.1}
    assert builder.candidates() == ["best@1"]
    assert replace(builder, limit=InferLimit(0.5, seconds)).candidates() == ["near@1", "far@1"]


@pytest.mark.parametrize(("n_rows", "is_compared"), [(19, False), (20, True)])
def test_twenty_rows_are_enough_to_hold_something_against_bags(n_rows, is_compared):
    errors = {("a", (0, 1, 2)): 1.5, ("c", (0, 1, 2)): 9.0, ("b", (0,)): 1.0}
    assert ("b" in folds_of(errors, n_rows=n_rows).ensemble().trial_weights()) is is_compared


def test_bags_are_kept_though_many_are_better_on_the_first_fold():
    """Of many trials some are best there by chance: what was seen on all rows counts for more."""
    errors = {("a", (0, 1, 2)): 1.0, ("b", (0, 1, 2)): 1.1, **{(f"{i}", (0,)): 0.99 for i in range(5)}}
    builder = folds_of(errors)
    builder.n_best = 3
    assert {trial_of(member) for member in builder.candidates()} == {"0", "1", "2"}
    builder.metric = REGRESSION["mae"]
    assert set(builder.ensemble().trial_weights()) <= {"a", "b", "0", "1", "2"}
    assert list(builder.bags()) == ["a@9", "b@9"]


def test_of_equal_candidates_the_one_that_was_trained_for_longest_is_taken():
    builder = EnsembleBuilder(np.zeros(4), RMSE)
    for budget in (1, 27, 3):
        builder.add(f"a@{budget}", np.ones(4))
    assert builder.candidates() == ["a@27"]


def test_the_folds_of_a_bag_are_in_their_order():
    assert folds_of({("a", (0, 2, 1)): 1.0, ("c", (0, 2, 1)): 9.0}).ensemble().loss <= 1.0 + 1e-9


def test_of_many_rows_some_are_taken_with_their_weights():
    y = np.zeros(9_000)
    counts = np.arange(9_000) < 4_500
    weights = np.where(counts, 1.999, 0.001)
    own = Metric(
        "own", lambda y, p, w=None: float(np.average(np.square(p - y), weights=w)), False, 0.0, takes_weights=True
    )
    ensemble = select({"b@1": counts * 1.0, "a@1": ~counts * 1.0}, y, own, weights=weights)
    assert ensemble == Ensemble({"a@1": 1.0}, pytest.approx(0.0005))


@pytest.mark.parametrize(("name", "n_rows", "most"), [("own", 9_000, 4_000), ("mae", 21_000, 20_000)])
def test_of_many_rows_each_is_taken_at_most_once(name, n_rows, most):
    asked = []

    def value(y, predictions):
        asked.append(len(np.unique(y)))
        return float(np.square(predictions - y).mean())

    y = np.arange(float(n_rows))
    metric = Metric(name, value, greater_is_better=False, best=0.0)
    ensemble = select({"far@1": y - 2.0, "near@1": y + 1.0}, y, metric, size=1)
    assert ensemble.weights == {"near@1": 1.0}  # though the mean with the other would be better
    assert asked[-1] == n_rows
    assert set(asked[:-1]) == {most}


@pytest.mark.parametrize("counts", [(39_992, 8), (39_000, 960, 40), (20_000, 20_000)])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_of_many_rows_those_of_a_rare_class_are_taken_and_count_as_much_as_among_all(counts, is_weighted):
    asked = []

    def value(y, predictions, weights=None):
        shares = np.bincount(y, weights) / (len(y) if weights is None else weights.sum())
        asked.append((np.bincount(y), shares))
        return float(-np.log(predictions[np.arange(len(y)), y]).mean())

    y = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    weights = np.where(y == 0, 2.0, 1.0) if is_weighted else None
    metric = Metric("own", value, greater_is_better=False, best=0.0, takes_weights=True)
    uniform = np.full((len(y), len(counts)), 1 / len(counts))
    select({"a@1": uniform, "b@1": 0.5 * uniform + 0.5 * np.eye(len(counts))[y]}, y, metric, size=2, weights=weights)
    of_all = np.bincount(y, weights) / (len(y) if weights is None else weights.sum())
    for n_rows, shares in asked:
        assert (n_rows >= np.minimum(counts, 50)).all()
        np.testing.assert_allclose(shares, of_all, atol=0 if min(counts) < 50 else 0.02, rtol=0.02)


def test_of_twins_the_one_that_was_picked_before_is_picked_again():
    error = np.random.default_rng(0).normal(size=50)
    ensemble = select({"a@1": error, "twin@1": error.copy(), "b@1": -2 * error}, np.zeros(50), RMSE, size=3)
    assert ensemble.weights == {"a@1": pytest.approx(2 / 3), "b@1": pytest.approx(1 / 3)}


def test_there_are_25_picks_and_40_candidates():
    error = np.ones(4)
    ensemble = select({"a@1": error, "b@1": -25 * error}, np.zeros(4), RMSE)  # 25 to 1 would be perfect
    assert ensemble == Ensemble({"a@1": pytest.approx(0.96), "b@1": pytest.approx(0.04)}, pytest.approx(0.04))
    builder = EnsembleBuilder(np.zeros(4), RMSE)
    for i in range(45):
        builder.add(f"{i:04d}@1", np.full(4, 1 + i / 100))
    assert builder.candidates() == [f"{i:04d}@1" for i in range(40)]


def test_what_is_as_good_as_the_dummy_never_enters():
    builder = EnsembleBuilder(np.array([0.0, 1.0]), RMSE)
    builder.worst_loss = builder.add("dummy@1", np.full(2, 0.5))
    builder.add("same@1", np.full(2, 0.5))
    assert builder.candidates() == ["dummy@1"]

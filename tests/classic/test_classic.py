"""What every classic model holds to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from raytabdl.classic import ALL_CLASSIC, SVM
from raytabdl.classic.catboost import CatBoost
from raytabdl.classic.dummy import Dummy
from raytabdl.classic.forests import RandomForest
from raytabdl.classic.lightgbm import LightGBM
from raytabdl.classic.linear import Linear
from raytabdl.component import Choice
from raytabdl.exceptions import DataError
from raytabdl.inputs import Error, Inputs, Target, TaskType
from raytabdl.members import dimensions

MODELS = (Dummy, *ALL_CLASSIC)
LEARNERS = MODELS[1:]
ABSOLUTE = Target(TaskType.REGRESSION, 0, Error.ABSOLUTE)
TARGETS = (Target(TaskType.BINARY, 2), Target(TaskType.MULTICLASS, 3), Target(TaskType.REGRESSION, 0), ABSOLUTE)

each_model = pytest.mark.parametrize("cls", MODELS, ids=lambda cls: cls.name)
each_learner = pytest.mark.parametrize("cls", LEARNERS, ids=lambda cls: cls.name)
each_target = pytest.mark.parametrize("target", TARGETS, ids=["binary", "multiclass", "regression", "absolute"])


def rows(n=120, seed=0):
    rng = np.random.default_rng(seed)
    numeric = rng.normal(size=(n, 3)).astype(np.float32)
    numeric[rng.random((n, 3)) < 0.1] = np.nan
    return Inputs(numeric, rng.integers(1, 5, size=(n, 2)).astype(np.int32), (5, 5))


def truth(X, target):
    signal = np.nan_to_num(X.numeric[:, 0]) + (X.categorical[:, 0] == 2)
    if not target.task_type.is_classification:
        return signal.astype(np.float64)
    return np.digitize(signal, np.quantile(signal, np.linspace(0, 1, target.n_classes + 1)[1:-1]))


def new(cls, target, **config):
    return cls(target, seed=0, n_threads=1, **config)


def trained(cls, target, X, *steps):
    model = new(cls, target)
    for n_iterations in steps:
        model.advance(X, truth(X, target), n_iterations)
    return model


def loss(y, predictions, target):
    if target.task_type.is_classification:
        return -np.log(predictions[np.arange(len(y)), y] + 1e-9).mean()
    return np.abs(y - predictions).mean() if target is ABSOLUTE else np.square(y - predictions).mean()


@each_learner
@each_target
def test_a_learner_is_better_than_the_prior_on_new_rows(cls, target):
    X, X_new = rows(), rows(seed=1)
    y = truth(X_new, target)
    model, dummy = trained(cls, target, X, 30), trained(Dummy, target, X, 1)
    assert loss(y, model.predict(X_new, 30), target) < 0.9 * loss(y, dummy.predict(X_new, 1), target)


@each_model
@each_target
def test_training_in_steps_is_training_in_one_go(cls, target):
    X = rows()
    in_steps, at_once = trained(cls, target, X, 2, 3, 8), trained(cls, target, X, 8)
    for n_iterations in (2, 8):
        np.testing.assert_allclose(in_steps.predict(X, n_iterations), at_once.predict(X, n_iterations), atol=1e-12)


@each_model
@each_target
def test_the_first_iterations_predict_as_they_did_before_the_later_ones(cls, target):
    X, X_new = rows(), rows(seed=1)
    model = trained(cls, target, X, 3)
    before = model.predict(X_new, 3)
    model.advance(X, truth(X, target), 9)
    model.predict(X_new, 9)
    np.testing.assert_allclose(model.predict(X_new, 3), before, atol=1e-12)


@each_model
@each_target
def test_a_saved_model_predicts_the_same_and_goes_on_the_same(cls, target, tmp_path):
    X, X_new = rows(), rows(seed=1)
    model = trained(cls, target, X, 6)
    model.save_progress(tmp_path)
    loaded = new(cls, target)
    loaded.load(tmp_path)
    for n_iterations in (4, 6):
        np.testing.assert_allclose(
            loaded.predict(X_new, n_iterations), model.predict(X_new, n_iterations), rtol=1e-6, atol=1e-9
        )
    for each in (model, loaded):
        each.advance(X, truth(X, target), 12)
    difference = np.abs(loaded.predict(X_new, 12) - model.predict(X_new, 12)).max()
    assert difference < (0.2 if cls is LightGBM else 1e-9)  # LightGBM draws rows and columns anew


@each_model
@each_target
def test_unseen_categories_and_missing_numbers_have_valid_predictions(cls, target):
    model = trained(cls, target, rows(), 5)
    X_new = Inputs(np.full((4, 3), np.nan, np.float32), np.zeros((4, 2), np.int32), (5, 5))
    predictions = model.predict(X_new, 5)
    assert np.isfinite(predictions).all()
    if target.task_type.is_classification:
        assert predictions.shape == (4, target.n_classes)
        assert (predictions >= 0).all()
        assert predictions.sum(axis=1) == pytest.approx(1, abs=1e-6)
    else:
        assert predictions.shape == (4,)


@each_model
@pytest.mark.parametrize("is_numeric", [True, False])
@each_target
def test_one_column_is_enough(cls, target, is_numeric):
    X = rows()
    one = Inputs(X.numeric[:, : int(is_numeric)], X.categorical[:, : int(not is_numeric)], () if is_numeric else (5,))
    model = new(cls, target)
    model.advance(one, truth(X, target), 5)
    assert np.isfinite(model.predict(one, 5)).all()


@each_model
@each_target
def test_two_rows_are_enough(cls, target):
    X = rows(n=2)
    model = new(cls, target)
    model.advance(X, np.array([0, target.n_classes - 1]) if target.n_classes else np.array([0.5, 2.0]), 5)
    predictions = model.predict(X, 5)
    assert predictions.shape == ((2, target.n_classes) if target.n_classes else (2,))
    assert np.isfinite(predictions).all()


def test_lightgbm_refuses_one_row_and_says_nothing_of_its_own(capfd):
    with pytest.raises(DataError, match="one row to learn from; boosted trees need at least 2"):
        new(LightGBM, TARGETS[2]).advance(rows(1), np.zeros(1), 1)
    new(LightGBM, TARGETS[2]).advance(_with_unseen_levels(rows(300)), np.arange(300.0), 3)
    assert capfd.readouterr() == ("", "")


def _with_unseen_levels(X):
    return Inputs(X.numeric, np.where(X.categorical == 1, 0, X.categorical), X.cardinalities)


@each_model
def test_a_class_that_the_training_part_lacks_has_a_probability(cls):
    X, target = rows(), TARGETS[1]
    model = new(cls, target)
    model.advance(X, truth(X, TARGETS[0]) * 2, 5)
    predictions = model.predict(X, 5)
    assert predictions.shape == (len(X), 3)
    assert predictions.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert (predictions[:, 1] < 0.2).all()


@pytest.mark.parametrize("target", TARGETS[2:], ids=["regression", "absolute"])
@each_model
def test_a_constant_target_is_learned_or_refused_and_never_trained_for_ever(cls, target):
    X = rows(n=30)
    model = new(cls, target)
    if cls is CatBoost:
        with pytest.raises(Exception, match="targets are equal"):
            model.advance(X, np.full(30, 4.0), 5)
    else:
        model.advance(X, np.full(30, 4.0), 5)
        assert model.predict(X, 5) == pytest.approx(4.0)


@pytest.mark.parametrize("cls", [LightGBM, CatBoost])
def test_boosting_without_columns_is_refused(cls):
    X = Inputs(np.empty((9, 0), np.float32), np.empty((9, 0), np.int32), ())
    with pytest.raises(DataError, match="no columns to learn from"):
        new(cls, TARGETS[2]).advance(X, np.arange(9.0), 2)


@each_model
@each_target
def test_a_row_is_predicted_alone_as_among_others(cls, target):
    X = rows()
    model = trained(cls, target, X, 6)
    alone = model.predict(X.take(np.array([7])), 6)
    np.testing.assert_allclose(alone, model.predict(X, 6)[[7]], atol=1e-6)


@pytest.mark.parametrize(
    ("cls", "config"), [(LightGBM, {"num_leaves": 2, "cat_smooth": 1.0}), (CatBoost, {"depth": 1})]
)
def test_one_split_of_a_booster_parts_categories_that_lie_mixed(cls, config):
    # Split as numbers, one threshold on the codes could part few of them.
    rng = np.random.default_rng(0)
    codes = rng.integers(1, 41, size=2000).astype(np.int32)
    y = (rng.permutation(41) < 20)[codes].astype(np.int64)
    X = Inputs(np.empty((2000, 0), np.float32), codes[:, None], (41,))
    model = new(cls, TARGETS[0], **config)
    model.advance(X, y, 1)
    positive = model.predict(X, 1)[:, 1]
    assert len(np.unique(positive.round(6))) == 2
    assert ((positive > positive.mean()) == y).mean() > 0.95


@pytest.mark.parametrize("cls", [CatBoost, LightGBM])
def test_a_booster_with_the_defaults_of_its_full_space_is_the_booster_by_default(cls):
    X = rows()
    plain = trained(cls, TARGETS[0], X, 8)
    full = new(cls, TARGETS[0], **{key: dimension.default for key, dimension in dimensions(cls).items()})
    full.advance(X, truth(X, TARGETS[0]), 8)
    np.testing.assert_array_equal(full.predict(X, 8), plain.predict(X, 8))


@pytest.mark.parametrize("cls", ALL_CLASSIC)
def test_every_dimension_of_the_full_space_has_an_effect(cls):
    rng = np.random.default_rng(0)
    codes = rng.integers(1, 40, size=(1500, 2)).astype(np.int32)
    X = Inputs(rng.normal(size=(1500, 3)).astype(np.float32), codes, (40, 40))
    y = ((codes[:, 0] % 3 == 0) ^ (X.numeric[:, 0] > 0) ^ (rng.random(1500) < 0.2)).astype(np.int64)

    def predictions(**config):
        model = new(cls, TARGETS[0], **config)
        model.advance(X, y, 8)
        return model.predict(X, 8)

    expected = predictions()
    for key, dimension in dimensions(cls).items():
        values = dimension.options if isinstance(dimension, Choice) else (dimension.low, dimension.high)
        assert any(not np.array_equal(predictions(**{key: value}), expected) for value in values), key


def test_the_constant_of_absolute_errors_is_the_median():
    X, y = rows(n=5), np.array([0.0, 1.0, 2.0, 3.0, 100.0])
    for weights, expected in ((None, 2.0), (np.array([1.0, 1.0, 1.0, 1.0, 5.0]), 100.0)):
        model = new(Dummy, ABSOLUTE)
        model.advance(replace(X, weights=weights), y, 1)
        assert model.predict(X, 1).tolist() == [expected] * 5


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize(
    ("cls", "config"),
    [
        (LightGBM, {"learning_rate": 0.2}),
        (CatBoost, {"learning_rate": 0.2, "leaf_iterations": 10}),
        (Linear, {}),
        (SVM, {}),
    ],
)
def test_skewed_targets_are_predicted_by_their_medians_where_absolute_errors_count(cls, config, is_weighted):
    """Two groups of rows, each of which has its own exponential distribution: its median is log 2, its mean 1."""
    rng = np.random.default_rng(0)
    group = np.repeat([-1.0, 1.0], 1500)
    noise = rng.exponential(size=3000)
    X = Inputs(group.astype(np.float32)[:, None], np.empty((3000, 0), np.int32), ())
    weights = None
    if is_weighted:  # every other row is far off, and hardly counts
        noise[::2], weights = 50.0, np.where(np.arange(3000) % 2, 2.0, 1e-4)
    for target, expected in ((ABSOLUTE, np.log(2)), (TARGETS[2], 1.0)):
        model = new(cls, target, **config)
        model.advance(replace(X, weights=weights), 2 * group + noise, 60)
        np.testing.assert_allclose(model.predict(X.take(np.array([0, 2999])), 60) - [-2, 2], expected, atol=0.15)


def test_a_forest_is_scikit_learns_trees():
    from sklearn.tree import DecisionTreeRegressor

    # Of the halfway point between these neighbours float32 makes the upper one, which then falls on the wrong side.
    lower = np.nextafter(np.float32(4), np.float32(5))
    column = np.array([lower, np.nextafter(lower, np.float32(5))] * 20, np.float32)
    X = Inputs(column[:, None], np.empty((40, 0), np.int32), ())
    y = (np.arange(40) % 2).astype(np.float64)
    model = new(RandomForest, TARGETS[2], bootstrap=False, min_samples_leaf=1, max_features=1.0)
    model.advance(X, y, 1)
    expected = DecisionTreeRegressor(random_state=0).fit(X.numeric, y).predict(X.numeric)
    assert model.predict(X, 1).tolist() == expected.tolist() == y.tolist()


def test_the_linear_model_of_a_classification_is_scikit_learns_logistic_regression():
    from sklearn.linear_model import LogisticRegression

    X = Inputs(np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32), np.empty((200, 0), np.int32), ())
    y, l2 = truth(Inputs(X.numeric, np.ones((200, 1), np.int32), (2,)), TARGETS[1]), 1e-2
    model = new(Linear, TARGETS[1], l2=l2)
    model.advance(X, y, 54)
    scaled = model.design_.scaler.transform(X.numeric)
    expected = LogisticRegression(C=1 / (l2 * len(y)), tol=1e-8, max_iter=1000).fit(scaled, y).predict_proba(scaled)
    np.testing.assert_allclose(model.predict(X, 54), expected, atol=2e-3)


def told_otherwise(X, target, weight):
    """Rows of which every other one has a false target and the weight, and the others 1."""
    y, is_false = truth(X, target), np.arange(len(X)) % 2 == 1
    y = np.where(is_false, np.roll(y, 1) if target.n_classes != 2 else 1 - y, y)
    return replace(X, weights=np.where(is_false, weight, 1.0)), y


@each_learner
@each_target
def test_rows_that_weigh_next_to_nothing_teach_next_to_nothing(cls, target):
    X_new = rows(seed=1)
    losses = {}
    for weight in (1e-4, 1.0):
        X, y = told_otherwise(rows(400), target, weight)
        model = new(cls, target)
        model.advance(X, y, 30)
        losses[weight] = loss(truth(X_new, target), model.predict(X_new, 30), target)
    assert losses[1e-4] < 0.85 * losses[1.0]


@each_learner
@each_target
def test_weights_move_predictions_about_as_far_as_so_many_rows_do(cls, target):
    """Of targets without a pattern, of which the high ones weigh more."""
    rng = np.random.default_rng(0)
    X, X_new = rows(300), rows(seed=1)
    y = rng.integers(target.n_classes, size=300) if target.n_classes else rng.normal(size=300)
    weights = np.where(y > 0, 4, 1)
    plain, weighted, repeated = (new(cls, target) for _ in range(3))
    plain.advance(X, y, 20)
    weighted.advance(replace(X, weights=weights / weights.mean()), y, 20)
    several = np.repeat(np.arange(300), weights)
    repeated.advance(X.take(several), y[several], 20)
    of_plain, of_weighted, of_repeated = (model.predict(X_new, 20) for model in (plain, weighted, repeated))
    if target.n_classes:
        of_plain, of_weighted, of_repeated = (1 - p[:, 0] for p in (of_plain, of_weighted, of_repeated))
    assert of_weighted.mean() - of_plain.mean() == pytest.approx(of_repeated.mean() - of_plain.mean(), rel=0.4)


@pytest.mark.parametrize("cls", [Dummy, Linear], ids=lambda cls: cls.name)
@each_target
def test_where_rows_count_alone_a_weight_is_what_so_many_rows_are(cls, target):
    numbers = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], (60, 2)).astype(np.float32)
    X = Inputs(numbers, np.empty((60, 0), np.int32), ())
    y = truth(replace(X, categorical=np.zeros((60, 1), np.int32)), target)
    weights = 1 + np.arange(60) % 2
    several = np.repeat(np.arange(60), weights)
    weighted, repeated = (new(cls, target) for _ in range(2))
    for model in (weighted, repeated):
        if cls is Linear:
            model.design_.fit = lambda _, design=model.design_: fitted_on(design, X)  # a scaler weighs no rows
    weighted.advance(replace(X, weights=weights * 7.0), y, 40)
    repeated.advance(X.take(several), y[several], 40)
    np.testing.assert_allclose(weighted.predict(X, 40), repeated.predict(X, 40), atol=1e-4)


def fitted_on(design, X):
    type(design).fit(design, X)
    return design

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from raytabdl.inputs import Target, TaskType
from raytabdl.preprocessing import (
    PCA,
    SMOTE,
    Chosen,
    FoldCache,
    MeanImputer,
    MergeRare,
    MissingIndicator,
    OneHot,
    Ordinal,
    Preprocessing,
    QuantileScaler,
    RobustScaler,
    StandardScaler,
    TargetEncoding,
)
from raytabdl.task import make_task

TARGET = Target(TaskType.BINARY, 2)


def task_of(n=150, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n), "c": rng.choice(list("xyz"), n)})
    frame.loc[rng.random(n) < 0.1, "a"] = None
    return make_task(frame, (rng.random(n) < 0.2).astype(np.int64), TARGET, 3, np.random.default_rng(0))


def chain(**members):
    return Preprocessing({label: Chosen(cls, {}) for label, cls in members.items()})


def prepared(task, fold=0, cache=None, **members):
    return chain(**members).prepare(task, fold, cache or FoldCache())


def test_the_default_chain_scales_and_marks_what_is_missing():
    task = task_of()
    X = task.inputs.take(task.split(0)[0])
    scaled = RobustScaler().fit(X.numeric, np.random.default_rng(0)).transform(X.numeric)
    outcome = prepared(task)
    np.testing.assert_array_equal(outcome.x_num, MissingIndicator().fit(scaled).transform(scaled))
    np.testing.assert_array_equal(outcome.x_cat, X.categorical)
    assert outcome.x_cat.dtype == np.int64 and outcome.cardinalities == X.cardinalities
    np.testing.assert_array_equal(outcome.y, task.y[task.split(0)[0]])


def test_the_default_state_has_the_names_that_models_of_the_first_version_have():
    preprocessing = chain()
    preprocessing.prepare(task_of(), 0, FoldCache())
    assert set(preprocessing.state()) == {"scaler.centre_", "scaler.factor_", "indicator.columns"}


@pytest.mark.parametrize(
    "members",
    [
        {"levels": MergeRare, "encoder": TargetEncoding, "scaler": QuantileScaler, "imputer": MeanImputer},
        {"encoder": OneHot, "features": PCA, "resampler": SMOTE},
    ],
)
def test_steps_are_fitted_on_the_training_part_only(members):
    task = task_of()
    valid = task.split(0)[1]
    inputs = replace(task.inputs, numeric=task.inputs.numeric.copy(), categorical=task.inputs.categorical.copy())
    inputs.numeric[valid] = 1e6
    inputs.categorical[valid] = 0
    y = task.y.copy()
    y[valid] = 1 - y[valid]
    one, other = chain(**members), chain(**members)
    first = one.prepare(task, 0, FoldCache())
    second = other.prepare(replace(task, inputs=inputs, y=y), 0, FoldCache())
    np.testing.assert_array_equal(first.x_num, second.x_num)
    for name, array in one.state().items():
        np.testing.assert_array_equal(other.state()[name], array)


def test_validation_rows_are_mapped_as_new_rows_are():
    task, steps = task_of(), {"encoder": TargetEncoding, "features": PCA, "resampler": SMOTE}
    preprocessing = chain(**steps)
    outcome = preprocessing.prepare(task, 0, FoldCache())
    valid = preprocessing.transform(task.inputs.take(task.split(0)[1]))
    np.testing.assert_array_equal(outcome.x_num_valid, valid.numeric)
    assert len(outcome.x_num_valid) == len(task.split(0)[1])  # resampling is for training


def test_one_hot_codes_are_not_scaled_and_other_codes_are():
    outcome = prepared(task_of(), encoder=OneHot, scaler=StandardScaler)
    assert set(np.unique(outcome.x_num[:, -3:])) == {0, 1} and outcome.x_cat.shape[1] == 0
    scaled = prepared(task_of(), encoder=Ordinal, scaler=StandardScaler).x_num[:, 2]
    assert scaled.mean() == pytest.approx(0, abs=1e-5) and scaled.std() == pytest.approx(1, rel=1e-4)


def test_training_rows_are_resampled_behind_all_other_steps():
    task = task_of()
    plain, more = prepared(task, features=PCA), prepared(task, features=PCA, resampler=SMOTE)
    np.testing.assert_array_equal(more.x_num[: len(plain.y)], plain.x_num)
    assert len(more.x_num) == len(more.x_cat) == len(more.y) == 2 * (plain.y == 0).sum()


def counted(monkeypatch):
    """A list that grows with each fit of the scaler."""
    fits = []
    fit = QuantileScaler.fit
    monkeypatch.setattr(QuantileScaler, "fit", lambda self, X, rng: (fits.append(len(X)), fit(self, X, rng))[1])
    return fits


@pytest.mark.parametrize("is_in_folder", [True, False])
def test_trials_of_the_same_steps_share_one_fit(monkeypatch, tmp_path, is_in_folder):
    fits, task, cache = counted(monkeypatch), task_of(), FoldCache(tmp_path if is_in_folder else None)
    first, second = chain(scaler=QuantileScaler), chain(scaler=QuantileScaler)
    outcomes = [each.prepare(task, 0, cache) for each in (first, second)]
    assert len(fits) == 1
    np.testing.assert_array_equal(outcomes[0].x_num, outcomes[1].x_num)
    rows = task.inputs.take(np.arange(20))
    np.testing.assert_array_equal(second.transform(rows).numeric, first.transform(rows).numeric)


def test_another_worker_takes_the_fit_from_the_folder(monkeypatch, tmp_path):
    fits = counted(monkeypatch)
    expected = prepared(task_of(), 0, FoldCache(tmp_path), scaler=QuantileScaler, encoder=TargetEncoding)
    shared = prepared(task_of(), 0, FoldCache(tmp_path), scaler=QuantileScaler, encoder=TargetEncoding)
    assert len(fits) == 1
    for name in ("x_num", "x_cat", "y", "x_num_valid", "x_cat_valid"):
        np.testing.assert_array_equal(getattr(shared, name), getattr(expected, name))
        assert getattr(shared, name).dtype == getattr(expected, name).dtype
    assert shared.cardinalities == expected.cardinalities


def test_other_rows_targets_folds_or_arguments_are_a_fit_of_their_own(monkeypatch):
    fits, cache, task = counted(monkeypatch), FoldCache(), task_of()
    y = task.y.copy()
    y[0] = 1 - y[0]
    others = [task_of(seed=1), replace(task, y=y), replace(task, folds=np.roll(task.folds, 1))]
    for each in (task, *others):
        chain(scaler=QuantileScaler).prepare(each, 0, cache)
    chain(scaler=QuantileScaler).prepare(task, 1, cache)
    for min_frac in (0.01, 0.02):
        scaler = {"scaler": Chosen(QuantileScaler, {})}
        Preprocessing({**scaler, "levels": Chosen(MergeRare, {"min_frac": min_frac})}).prepare(task, 0, cache)
    assert len(fits) == 7


def test_the_noise_of_a_fold_is_its_own():
    task = task_of()
    task = replace(task, folds=np.where(task.folds == 2, -1, task.folds).astype(np.int16))
    same = replace(task, folds=np.where(task.folds >= 0, 1 - task.folds, -1).astype(np.int16))  # 0 and 1 change places
    first, second = chain(scaler=QuantileScaler), chain(scaler=QuantileScaler)
    first.prepare(task, 0, FoldCache())
    second.prepare(same, 1, FoldCache())
    assert (first.state()["scaler.quantiles_"] != second.state()["scaler.quantiles_"]).any()

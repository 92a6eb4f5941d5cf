"""What holds for every member of every family, with each value of its hyperparameters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from raytabdl.component import Choice
from raytabdl.inputs import Inputs, Target, TaskType
from raytabdl.preprocessing import (
    DEFAULTS,
    FAMILIES,
    Arithmetic,
    CategoryPairs,
    Chosen,
    NoScaler,
    Nystroem,
    OneHot,
    PolynomialFeatures,
    Preprocessing,
    RandomKitchenSinks,
    RandomTreesEmbedding,
    TargetEncoding,
)
from raytabdl.preprocessing.step import MAX_COLUMNS

TARGETS = {
    "binary": Target(TaskType.BINARY, 2),
    "multiclass": Target(TaskType.MULTICLASS, 4),
    "regression": Target(TaskType.REGRESSION, 0),
}


def variants(cls):
    """The arguments of a member's defaults, and with each option or end of a range in the place of one default."""
    yield {}
    for key, dimension in cls.space.items():
        values = dimension.options if isinstance(dimension, Choice) else (dimension.low, dimension.high)
        parent = {} if dimension.when is None else {dimension.when.name: dimension.when.values[0]}
        for value in values:
            if value != dimension.default:
                yield {**parent, key: value}


MEMBERS = [(label, cls) for label, members in FAMILIES.items() for cls in members]
VARIANTS = [(label, cls, arguments) for label, cls in MEMBERS for arguments in variants(cls)]
each_member = pytest.mark.parametrize(("label", "cls"), MEMBERS, ids=[f"{label}-{cls.name}" for label, cls in MEMBERS])
each_variant = pytest.mark.parametrize(
    ("label", "cls", "arguments"), VARIANTS, ids=[f"{label}-{cls.name}-{a}" for label, cls, a in VARIANTS]
)


def rows(n=60, seed=0, d=5):
    """Numbers, some of them missing, and categories of 3 and 12 levels."""
    rng = np.random.default_rng(seed)
    numeric = (rng.normal(size=(n, d)) * np.logspace(-3, 3, d)).astype(np.float32)
    numeric[rng.random(numeric.shape) < 0.1] = np.nan
    return Inputs(numeric, rng.integers(1, [4, 13], (n, 2)).astype(np.int32), (4, 13))


def targets_of(X, kind, seed=0):
    noise = np.random.default_rng(seed).normal(size=len(X))
    signal = np.nan_to_num(X.numeric[:, 0]) * 1e3 + X.categorical[:, 0] + noise
    k = TARGETS[kind].n_classes
    return np.argsort(np.argsort(signal)) * k // len(X) if k else signal


def chain(label, cls, arguments=None, **others):
    return Preprocessing({label: Chosen(cls, arguments or {}), **others})


def fitted(label, cls, arguments=None, kind="binary", X=None, **others):
    X = rows() if X is None else X
    preprocessing = chain(label, cls, arguments, **others)
    train, y = preprocessing.fit_resample(X, targets_of(X, kind), TARGETS[kind], seed=0)
    return preprocessing, train, y


def assert_sound(X, y=None):
    assert X.numeric.dtype == np.float32
    assert np.isfinite(X.numeric).all()
    assert X.categorical.shape == (len(X), len(X.cardinalities))
    assert (X.categorical >= 0).all() and (X.categorical < np.array(X.cardinalities, int)).all()
    assert y is None or len(y) == len(X)


@each_variant
def test_a_restored_chain_maps_rows_as_the_fitted_one(label, cls, arguments):
    preprocessing, _, _ = fitted(label, cls, arguments)
    other = chain(label, cls, arguments)
    other.restore(safetensors.numpy.load(safetensors.numpy.save(preprocessing.state())))
    new = rows(seed=1)
    expected, again = preprocessing.transform(new), other.transform(new)
    np.testing.assert_array_equal(again.numeric, expected.numeric)
    np.testing.assert_array_equal(again.categorical, expected.categorical)
    assert again.cardinalities == expected.cardinalities
    assert_sound(expected)


@each_member
@pytest.mark.parametrize("kind", TARGETS)
def test_a_row_alone_becomes_what_it_becomes_among_others(label, cls, kind):
    preprocessing, train, y = fitted(label, cls, kind=kind)
    assert_sound(train, y)
    new = rows(seed=1)
    every = preprocessing.transform(new)
    assert every.numeric.shape[1] == train.numeric.shape[1] and every.cardinalities == train.cardinalities
    alone = [preprocessing.transform(new.take(np.array([i]))) for i in range(5)]
    np.testing.assert_allclose(np.concatenate([row.numeric for row in alone]), every.numeric[:5], atol=1e-5, rtol=1e-5)
    np.testing.assert_array_equal(np.concatenate([row.categorical for row in alone]), every.categorical[:5])
    assert len(preprocessing.transform(new.take(np.array([], np.int64))).numeric) == 0


@each_member
def test_the_fit_follows_from_the_rows_and_the_seed_and_leaves_them_as_they_are(label, cls):
    X = rows()
    before = replace(X, numeric=X.numeric.copy(), categorical=X.categorical.copy())
    first, second = fitted(label, cls, X=X), fitted(label, cls, X=X)
    np.testing.assert_array_equal(first[1].numeric, second[1].numeric)
    for name, array in first[0].state().items():
        np.testing.assert_array_equal(second[0].state()[name], array)
    np.testing.assert_array_equal(X.numeric, before.numeric)
    np.testing.assert_array_equal(X.categorical, before.categorical)


@each_member
def test_the_defaults_of_the_space_are_those_of_the_constructor(label, cls):
    defaults = {}
    for base in reversed(cls.__mro__):
        defaults |= getattr(base.__init__, "__kwdefaults__", None) or {}
    assert {key: defaults[key] for key in cls.space} == {key: d.default for key, d in cls.space.items()}


@each_member
@pytest.mark.parametrize("kind", TARGETS)
def test_bad_columns_are_no_obstacle(label, cls, kind):
    """In the training part all missing, constant, of a level in every row, of levels that only new rows have."""
    X = rows()
    numeric = np.column_stack([X.numeric[:, :2], np.full(60, np.nan), np.full(60, 7.0), np.full(60, 1e30)])
    categorical = np.column_stack([X.categorical, np.arange(60) + 1, np.ones(60)]).astype(np.int32)
    bad = Inputs(numeric.astype(np.float32), categorical, (4, 13, 100_001, 3))
    preprocessing, train, y = fitted(label, cls, kind=kind, X=bad)
    assert_sound(train, y)
    new = replace(bad, numeric=np.full_like(bad.numeric, -1e30))
    new.categorical[:, 2:] = [100_000, 2]
    assert_sound(preprocessing.transform(new))


@each_member
@pytest.mark.parametrize("shape", [(60, 0, 2), (60, 1, 0), (60, 0, 0), (1, 5, 2), (2, 5, 2), (5, 30, 0)])
def test_tables_of_any_shape_pass_through(label, cls, shape):
    n, d_num, d_cat = shape
    X = rows(n, d=max(d_num, 1))
    X = Inputs(X.numeric[:, :d_num], X.categorical[:, :d_cat], X.cardinalities[:d_cat])
    preprocessing = chain(label, cls)
    train, y = preprocessing.fit_resample(X, np.arange(n) % 2, TARGETS["binary"], seed=0)
    assert_sound(train, y)
    if d_num:
        assert train.numeric.shape[1] > 0
    assert_sound(preprocessing.transform(X))


@pytest.mark.parametrize(
    ("label", "cls", "arguments"),
    [
        ("encoder", OneHot, {}),
        ("encoder", TargetEncoding, {}),
        ("features", Nystroem, {"share": 4.0}),
        ("features", RandomKitchenSinks, {"share": 4.0}),
        ("features", RandomTreesEmbedding, {"n_estimators": 100}),
        ("features", RandomTreesEmbedding, {"max_depth": 10}),
        ("features", PolynomialFeatures, {}),
        ("features", PolynomialFeatures, {"degree": 3, "interaction_only": True}),
        ("features", Arithmetic, {"n_features": 100}),
        ("features", CategoryPairs, {"n_pairs": 30}),
    ],
)
def test_a_table_of_many_columns_is_not_blown_up(label, cls, arguments):
    rng = np.random.default_rng(0)
    d = MAX_COLUMNS + 100
    X = Inputs(rng.normal(size=(30, d)).astype(np.float32), rng.integers(1, 21, (30, 30)).astype(np.int32), (21,) * 30)
    train, y = chain(label, cls, arguments).fit_resample(X, np.arange(30) % 4, TARGETS["multiclass"], seed=0)
    assert_sound(train, y)
    assert train.numeric.shape[1] <= d + MAX_COLUMNS


values = st.sampled_from([np.nan, 0.0, 1.0, -1.0, 0.1, 1e30, -1e30, 1e-38, 1e-45, 7.5])
tables = hnp.arrays(np.float32, st.tuples(st.integers(1, 12), st.integers(0, 4)), elements=values)


@pytest.mark.filterwarnings("error")
@settings(max_examples=150)
@given(st.sampled_from(VARIANTS), tables, st.sampled_from(sorted(TARGETS)), st.booleans(), st.data())
def test_whatever_the_numbers_are_what_comes_out_is_finite(variant, numeric, kind, is_raw, data):
    label, cls, arguments = variant
    n = len(numeric)
    categorical = data.draw(hnp.arrays(np.int32, (n, 2), elements=st.integers(0, 4)))
    X = Inputs(numeric, categorical, (5, 5))
    others = {"scaler": Chosen(NoScaler, {})} if is_raw and label != "scaler" else {}
    k = TARGETS[kind].n_classes
    y = data.draw(hnp.arrays(np.int64, n, elements=st.integers(0, max(1, k - 1))))
    preprocessing = chain(label, cls, arguments, **others)
    assert_sound(*preprocessing.fit_resample(X, y if k else y * 1e12, TARGETS[kind], seed=0))
    assert_sound(preprocessing.transform(X))
    assert_sound(preprocessing.transform(replace(X, numeric=-X.numeric[::-1] * np.float32(0.5))))


def test_every_family_has_the_member_that_a_configuration_without_a_name_gets_as_its_first():
    assert {label: members[0] for label, members in FAMILIES.items()} == dict(DEFAULTS)


@pytest.mark.parametrize("label", FAMILIES)
def test_the_names_of_a_family_differ(label):
    assert len({cls.name for cls in FAMILIES[label]}) == len(FAMILIES[label])

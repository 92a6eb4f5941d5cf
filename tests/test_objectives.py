from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raytabdl.metrics import CLASSIFICATION, REGRESSION
from raytabdl.objectives import objective

METRICS = {**CLASSIFICATION, **REGRESSION}
BOUNDED = ("log_loss", "mse", "rmse")


def problem(seed, name, n_members=20, n=60):
    """A target, its members' predictions, some of them certain and wrong, and weights of the rows."""
    rng = np.random.default_rng(seed)
    weights = rng.exponential(size=n)
    if name in REGRESSION:
        y = rng.normal(size=n)
        return y, [y + rng.normal(size=n) * rng.exponential() for _ in range(n_members)], weights
    y = rng.integers(0, 2, n)
    p = 1 / (1 + np.exp(-rng.normal(size=(n_members, n)) * rng.exponential(3, (n_members, 1)) - (2 * y - 1)))
    p[rng.random(p.shape) < 0.02] = 0.0
    return y, [np.column_stack([1 - own, own]) for own in p.astype(np.float32)], weights


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from(BOUNDED), st.booleans())
def test_what_is_not_measured_has_no_lower_loss(seed, name, is_weighted):
    y, predictions, weights = problem(seed, name)
    weights = weights if is_weighted else None
    asked = objective(METRICS[name], predictions, y, weights)
    bag, total = [], np.zeros_like(asked.members[0])
    for n in range(2, 12):
        bag.append(n % 5)
        total = total + asked.members[bag[-1]]
        losses = asked.joined(total, n)
        expected = [
            METRICS[name].loss(y, np.mean([predictions[i] for i in (*bag, last)], axis=0), weights)
            for last in range(len(predictions))
        ]
        is_measured = np.isfinite(losses)
        assert losses[is_measured] == pytest.approx(np.array(expected)[is_measured], rel=1e-5, abs=1e-6)
        assert np.argmin(losses) == np.argmin(expected)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from([*BOUNDED, "mae"]))
def test_what_may_not_come_next_hides_nothing_that_may(seed, name):
    """The lowest loss among some of the members is not that among all."""
    y, predictions, _ = problem(seed, name)
    asked = objective(METRICS[name], predictions, y, None)
    total = asked.members[:3].sum(axis=0)
    of_all = np.array([METRICS[name].loss(y, np.mean([*predictions[:3], own], axis=0), None) for own in predictions])
    among = np.sort(np.argsort(of_all)[10:])
    losses = asked.joined(total, 4, among)
    assert np.argmin(losses) == among[np.argmin(of_all[among])]
    assert np.isinf(np.delete(losses, among)).all()


def test_most_members_need_not_be_measured_once_the_mean_is_of_many():
    y, predictions, _ = problem(0, "rmse", n_members=100)
    asked = objective(REGRESSION["rmse"], predictions, y, None)
    n_measured = np.isfinite(asked.joined(asked.members[:20].sum(axis=0), 21)).sum()
    assert n_measured <= 10


def test_the_loss_of_each_alone_is_that_of_the_metric():
    for name in ("log_loss", "rmse", "roc_auc", "mae"):
        y, predictions, weights = problem(1, name)
        expected = [METRICS[name].loss(y, own, weights) for own in predictions]
        assert objective(METRICS[name], predictions, y, weights).alone() == pytest.approx(expected, rel=1e-5)

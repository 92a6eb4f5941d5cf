"""Each check finds a member that breaks one of its contracts."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from raytabdl.classic.linear import Linear
from raytabdl.component import Integer, Real, Space
from raytabdl.exceptions import SettingError
from raytabdl.inputs import TaskType
from raytabdl.metrics import CLASSIFICATION, REGRESSION, Metric, accuracy, mae
from raytabdl.networks import ShapedMLP
from raytabdl.preprocessing import Keep, Ordinal, StandardScaler, TruncatedSVD
from raytabdl.testing import (
    ContractError,
    check_classic,
    check_metric,
    check_network,
    check_optimizer,
    check_scaler,
    check_schedule,
    check_step,
)
from raytabdl.training import SGD, Cosine


class Net(ShapedMLP):
    """Small and quick, and it keeps every contract."""

    name: ClassVar[str] = "net"
    space: ClassVar[Space] = {"n_layers": Integer(1, 3, 2)}

    def __init__(self, d_num, cardinalities, d_out, *, n_layers=2):
        super().__init__(d_num, cardinalities, d_out, n_layers=n_layers, max_units=16, use_dropout=False)


class FailsForSome(Net):
    def __init__(self, d_num, cardinalities, d_out, *, n_layers=2):
        if n_layers == 1:
            raise ZeroDivisionError("no layer")
        super().__init__(d_num, cardinalities, d_out, n_layers=n_layers)


class NeedsNumbers(Net):
    def forward(self, x_num, x_cat):
        return super().forward(x_num, x_cat) + x_num[:, :1].reshape(len(x_num), 1)


class OneOutput(Net):
    def forward(self, x_num, x_cat):
        return super().forward(x_num, x_cat)[:, :1]


class Random(Net):
    def forward(self, x_num, x_cat):
        return torch.nn.functional.dropout(super().forward(x_num, x_cat), 0.5)


class SeesOthers(Net):
    def forward(self, x_num, x_cat):
        output = super().forward(x_num, x_cat)
        return output - output.mean(dim=0, keepdim=True)


class Overflows(Net):
    def forward(self, x_num, x_cat):
        return super().forward(x_num.square().square().exp(), x_cat)


class DoesNotLearn(Net):
    def forward(self, x_num, x_cat):
        return super().forward(x_num, x_cat) * 0 + self.output.bias * 0


class Forgets(Net):
    def initialise(self, x_num, x_cat):
        self.shift = float(x_num.nan_to_num().sum()) + 1

    def forward(self, x_num, x_cat):
        return super().forward(x_num, x_cat) * getattr(self, "shift", 0.5)


class OwnDice(Net):
    dice = np.random.default_rng(0)

    def forward(self, x_num, x_cat):
        noise = float(self.dice.normal()) if self.training else 0.0
        return super().forward(x_num, x_cat) + noise * self.output.weight.sum()


@pytest.mark.parametrize(
    ("cls", "words"),
    [
        (FailsForSome, r"must build with {'n_layers': 1}.*ZeroDivisionError\('no layer'\)"),
        (NeedsNumbers, "must take .* d_num=0"),
        (OneOutput, r"must give \(batch, d_out\) .* d_out=3, got \(16, 1\)"),
        (Random, "give the same in evaluation each time .*got a difference of"),
        (SeesOthers, "treat each row by itself in evaluation"),
        (Overflows, "be finite for large numbers"),
        (DoesNotLearn, "must learn: its loss in training must fall"),
        (Forgets, "saved and loaded, all that it learned being in its state_dict"),
        (OwnDice, "be the same from the same seed"),
    ],
)
def test_a_network_that_breaks_a_contract_is_found(cls, words):
    with pytest.raises(ContractError, match=f"(?s){cls.__name__} .*{words}"):
        check_network(cls)


def test_what_keeps_its_contracts_passes():
    check_network(Net)
    check_classic(Model)


class Model(Linear):
    """A model that keeps every contract."""

    name: ClassVar[str] = "model"


class FailsForSomeRates(Model):
    def __init__(self, target, *, seed, n_threads, l2=1e-4):
        if l2 > 1e-2:
            raise ZeroDivisionError("too large")
        super().__init__(target, seed=seed, n_threads=n_threads, l2=l2)


class NotProbabilities(Model):
    def predict(self, X, n_iterations):
        return 2 * super().predict(X, n_iterations)


class OnlyPositive(Model):
    def predict(self, X, n_iterations):
        predictions = super().predict(X, n_iterations)
        return predictions[:, 1:] if predictions.ndim == 2 else predictions


class LastOnly(Model):
    """Its predictions are those of all that was trained, whatever is asked for."""

    def advance(self, X, y, n_iterations):
        super().advance(X, y, n_iterations)
        self.n_iterations = n_iterations

    def predict(self, X, n_iterations):
        return super().predict(X, getattr(self, "n_iterations", n_iterations))


class CountsCalls(Model):
    def advance(self, X, y, n_iterations):
        super().advance(X, y, n_iterations)
        self.path_ = self.path_ * np.float32(1.01)


class Unseeded(Model):
    dice = np.random.default_rng(0)

    def advance(self, X, y, n_iterations):
        super().advance(X, y + (0 if self.target.n_classes else self.dice.normal(size=len(y))), n_iterations)


class BatchMean(Model):
    def predict(self, X, n_iterations):
        predictions = super().predict(X, n_iterations)
        return (predictions + predictions.mean(axis=0)) / 2


class Missing(Model):
    def predict(self, X, n_iterations):
        lost = (X.categorical == 0).all(axis=1)
        predictions = super().predict(X, n_iterations)
        predictions[lost] = np.nan
        return predictions


class SavesHalf(Model):
    def load(self, folder):
        super().load(folder)
        self.path_ = self.path_ / 2


class Pickles(Model):
    def save(self, folder):
        super().save(folder)
        (folder / "model.pkl").write_bytes(pickle.dumps({"path": 1}))


class Even(Model):
    """A class that the training part lacks is as likely as the others."""

    def advance(self, X, y, n_iterations):
        super().advance(X, y, n_iterations)
        if self.target.n_classes == 3 and not (y == 1).any():
            self.path_ = self.path_ * 0


@pytest.mark.parametrize(
    ("cls", "words"),
    [
        (FailsForSomeRates, "be trained with {'l2': .*ZeroDivisionError"),
        (NotProbabilities, "probabilities that add up to 1"),
        (OnlyPositive, r"predictions of shape \(60, 2\)"),
        (LastOnly, "predict with its first iterations as it did before later ones"),
        (CountsCalls, "be after steps what it is after one go"),
        (Unseeded, "must be .* what it is after one go|the same from the same seed"),
        (BatchMean, "predict a row alone as among others"),
        (Missing, "finite predictions for rows of missing numbers"),
        (SavesHalf, "predict the same once saved and loaded"),
        (Pickles, r"write no pickle when saved, got \['model.pkl'\]"),
        (Even, "give a class without a row less than others"),
    ],
)
def test_a_classic_model_that_breaks_a_contract_is_found(cls, words):
    with pytest.raises(ContractError, match=f"(?s){cls.__name__} .*{words}"):
        check_classic(cls)


class Fills(StandardScaler):
    def transform(self, X):
        return np.nan_to_num(super().transform(X))


class Unbounded(StandardScaler):
    def transform(self, X):
        return (X - self.centre_) * self.factor_ * np.float32(1e20)


class Wide(StandardScaler):
    def transform(self, X):
        return super().transform(X).astype(np.float64)


class InPlace(StandardScaler):
    def fit(self, X, rng):
        X *= 2
        return super().fit(X, rng)


class Batch(StandardScaler):
    def transform(self, X):
        scaled = super().transform(X)
        return (scaled - np.nanmean(scaled[:, :1])).astype(np.float32)


class Noise(StandardScaler):
    dice = np.random.default_rng(0)

    def fit(self, X, rng):
        super().fit(X, rng)
        self.centre_ = self.centre_ + np.float32(self.dice.normal())
        return self


class Objects(StandardScaler):
    def state(self):
        return {**super().state(), "note": "text"}


class HalfState(StandardScaler):
    def restore(self, state):
        super().restore(state)
        self.factor_ = self.factor_ / 2


class NoColumns(StandardScaler):
    def fit(self, X, rng):
        X[:, 0]
        return super().fit(X, rng)


@pytest.mark.parametrize(
    ("cls", "words"),
    [
        (Fills, "leave missing values missing"),
        (Unbounded, "finite values for values that are much larger"),
        (Wide, "give float32 of the shape of its input, got float64"),
        (InPlace, "leave its input as it was"),
        (Batch, "transform a row alone as among others"),
        (Noise, "be the same from the same seed"),
        (Objects, "numeric arrays as its state, got {'note': <class 'str'>}"),
        (HalfState, "transform the same once restored from its state"),
        (NoColumns, "be fitted and transform, got IndexError"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_scaler_that_breaks_a_contract_is_found(cls, words):
    with pytest.raises(ContractError, match=f"(?s){cls.__name__} must .*{words}"):
        check_scaler(cls)


class Above(Cosine):
    def factor(self, progress):
        return 2 * super().factor(progress)


class Zero(Cosine):
    def factor(self, progress):
        return 0.0


class Remembers(Cosine):
    calls = 0

    def factor(self, progress):
        self.calls += 1
        return 1 / self.calls


class Steep(Cosine):
    name: ClassVar[str] = "steep"
    space: ClassVar[Space] = {"power": Real(-1.0, 1.0, 1.0)}

    def __init__(self, *, power=1.0):
        self.power = power

    def factor(self, progress):
        return (1 - progress) ** self.power


@pytest.mark.parametrize(
    ("cls", "words"),
    [
        (Above, r"factors from 0 to 1, got .*\(0.0, 2.0\)"),
        (Zero, "a factor above 0 somewhere"),
        (Remembers, "same factor whenever it is asked"),
        (Steep, "give a factor with {'power': -.*ZeroDivisionError"),
    ],
)
def test_a_schedule_that_breaks_a_contract_is_found(cls, words):
    with pytest.raises(ContractError, match=f"(?s){cls.__name__} must .*{words}"):
        check_schedule(cls)


class Uphill(SGD):
    def step(self, weights, gradient, moments, *, n_steps, lr, weight_decay):
        super().step(weights, -gradient, moments, n_steps=n_steps, lr=lr, weight_decay=weight_decay)


class OwnRate(SGD):
    def step(self, weights, gradient, moments, *, n_steps, lr, weight_decay):
        super().step(weights, gradient, moments, n_steps=n_steps, lr=self.lr, weight_decay=weight_decay)


class NoDecay(SGD):
    def step(self, weights, gradient, moments, *, n_steps, lr, weight_decay):
        super().step(weights, gradient, moments, n_steps=n_steps, lr=lr, weight_decay=0.0)


class Stops(SGD):
    def step(self, weights, gradient, moments, *, n_steps, lr, weight_decay):
        if n_steps < 10:
            super().step(weights, gradient, moments, n_steps=n_steps, lr=lr, weight_decay=weight_decay)


class HiddenState(SGD):
    """Scales each step by the largest of all gradients so far: of one segment, where it is given one."""

    def step(self, weights, gradient, moments, *, n_steps, lr, weight_decay):
        gradient = gradient / (1 + gradient.abs().max())
        super().step(weights, gradient, moments, n_steps=n_steps, lr=lr, weight_decay=weight_decay)


class NewVector(SGD):
    def step(self, weights, gradient, moments, *, n_steps, lr, weight_decay):
        weights = weights - lr * gradient


@pytest.mark.parametrize(
    ("cls", "words"),
    [
        (Uphill, "go downhill in its first step"),
        (OwnRate, "stay where it is at a learning rate of 0"),
        (NoDecay, "each weight smaller by weight decay"),
        (Stops, "go down a bowl in 200 steps"),
        (HiddenState, "treat two segments as one"),
        (NewVector, "go downhill in its first step .*a slope of 0"),
    ],
)
def test_an_optimizer_that_breaks_a_contract_is_found(cls, words):
    with pytest.raises(ContractError, match=f"(?s){cls.__name__} must .*{words}"):
        check_optimizer(cls)


def shuffled(y, predictions):
    return float((predictions.argmax(axis=1)[: len(y) // 2] == y[: len(y) // 2]).mean())


def greedy(y, predictions):
    value = mae(y, predictions)
    predictions -= 0.01
    return value


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (Metric("m", accuracy, False), "loss of 0 where the truth is predicted"),
        (Metric("m", accuracy, True, best=100.0), "loss of 0 where the truth is predicted"),
        (Metric("m", lambda y, p: 1.0, True), "smaller losses for better predictions"),
        (Metric("m", shuffled, True), "not depend on the order of the rows"),
        (Metric("m", lambda y, p: p[99, 9], True), "measure predictions of a multiclass task, got IndexError"),
        (Metric("m", lambda y, p: np.log(0.0), True), "one finite number"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_metric_that_breaks_a_contract_is_found(metric, words):
    with pytest.raises(ContractError, match=f"(?s)m must .*{words}"):
        check_metric(metric, TaskType.MULTICLASS)


def test_a_metric_that_changes_the_predictions_is_found():
    with pytest.raises(ContractError, match="leave targets and predictions as they were"):
        check_metric(Metric("m", greedy, False), TaskType.REGRESSION)


def test_a_metric_of_another_task_is_found():
    with pytest.raises(ContractError, match="measure predictions of a regression task"):
        check_metric(CLASSIFICATION["accuracy"], TaskType.REGRESSION)
    with pytest.raises(ContractError, match="binary task"):
        check_metric(REGRESSION["rmse"], TaskType.BINARY)


def test_a_space_that_does_not_fit_the_constructor_is_named():
    typo = type("Typo", (Net,), {"space": {"n_layer": Integer(1, 3, 2)}})
    with pytest.raises(SettingError, match=r"Typo .*lacks 'n_layer'"):
        check_network(typo)


class OwnTarget(Keep):
    """Sees the rows beside a row."""

    def transform(self, X):
        return replace(X, numeric=X.numeric - X.numeric.mean(axis=0, keepdims=True))


class Loses(TruncatedSVD):
    def state(self):
        return {name: np.zeros_like(array) for name, array in super().state().items()}


class WithoutRows(Keep):
    def transform(self, X):
        return X.take(np.arange(len(X) // 2))


class WritesOver(Keep):
    def transform(self, X):
        X.numeric[:] += 1
        return X


class Codeless(Ordinal):
    def transform(self, X):
        return replace(X, categorical=X.categorical + 1)


class Missing(Keep):
    def transform(self, X):
        return replace(X, numeric=np.where(X.numeric > 0.5, np.nan, X.numeric).astype(np.float32))


@pytest.mark.parametrize(
    ("cls", "words"),
    [
        (OwnTarget, "map a row alone as among others"),
        (Loses, "once restored from its state"),
        (WithoutRows, "keep the number of rows"),
        (WritesOver, "leave its input as it was"),
        (Codeless, "below their cardinalities"),
        (Missing, "finite float32"),
    ],
)
def test_a_step_that_breaks_a_contract_is_found(cls, words):
    with pytest.raises(ContractError, match=words):
        check_step(cls)

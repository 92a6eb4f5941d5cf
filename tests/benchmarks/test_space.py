from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.space.outcomes import DIVERGED, TRAINED, Outcome, append, read_outcomes, report
from benchmarks.space.trial import Rows, WrongPredictionsError, run_trial
from raytabdl.classic.dummy import Dummy
from raytabdl.inputs import Target, TaskType
from raytabdl.space import ROOT, Choices
from raytabdl.task import make_task

N_NEW = 7


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"number": rng.normal(size=60), "level": rng.choice(list("abc"), 60)})
    task = make_task(X, rng.integers(3, size=60), Target(TaskType.MULTICLASS, 3), 3, rng)
    return Rows(task, task.inputs.take(np.arange(N_NEW)))


def tried(cls, rows):
    run_trial({ROOT: cls.name}, Choices(networks=(), classic=(cls,)), rows, seed=0)


class LostOnNewRows(Dummy):
    """What it has not been validated on it predicts as NaN."""

    def predict(self, X, n_iterations):
        return np.where(len(X) == N_NEW, np.nan, super().predict(X, n_iterations))


class Forgetful(Dummy):
    """Its file lacks what it has learned; in ``save_progress`` it is there."""

    def save(self, folder):
        learned, self.prior_ = self.prior_, [0.5, 0.25, 0.25]
        super().save(folder)
        self.prior_ = learned

    def save_progress(self, folder):
        super().save(folder)


class Stuck(Dummy):
    """Never has finite predictions."""

    def predict(self, X, n_iterations):
        return np.full((len(X), 3), np.nan)


def test_a_model_that_keeps_to_its_contract_passes(rows):
    tried(Dummy, rows)


@pytest.mark.parametrize(
    "cls, message",
    [(LostOnNewRows, "new rows must be finite, got 21"), (Forgetful, "once saved and loaded must be the same")],
)
def test_wrong_predictions_are_found(rows, cls, message):
    with pytest.raises(WrongPredictionsError, match=message):
        tried(cls, rows)


def test_a_model_without_a_finite_prediction_counts_as_diverged(rows):
    with pytest.raises(FloatingPointError, match="budget 1 gave finite predictions"):
        tried(Stuck, rows)


def test_failures_that_differ_in_numbers_only_are_counted_together(tmp_path):
    path = tmp_path / "space.jsonl"
    for i in range(3):
        append(path, Outcome("adult", i, "mlp", "crashed", 1.0, "a.py:f", "ValueError", f"got n={i} and {i}.5e-3"))
    append(path, Outcome("sick", 0, "svm", DIVERGED, 1.0, "b.py:g", "FloatingPointError", "nan"))
    assert "| crashed | a.py:f | ValueError: got n=# and # | 3 | adult 0, mlp |" in report(
        list(read_outcomes(path).values())
    )


def test_the_newest_outcome_of_a_configuration_counts(tmp_path):
    path = tmp_path / "space.jsonl"
    append(path, Outcome("adult", 0, "mlp", "crashed", 1.0, "a.py:f", "ValueError", "bad"))
    append(path, Outcome("adult", 0, "mlp", TRAINED, 2.0))
    (outcome,) = read_outcomes(path).values()
    assert not outcome.is_failure
    assert report([outcome]).splitlines()[0] == "| table | trained |"

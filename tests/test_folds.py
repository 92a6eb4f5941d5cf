from __future__ import annotations

import numpy as np
import pytest

from raytabdl.inputs import Target, TaskType
from raytabdl.task import make_task
from raytabdl.validation import MAX_VALIDATION_ROWS

BINARY, MULTICLASS = Target(TaskType.BINARY, 2), Target(TaskType.MULTICLASS, 3)
REGRESSION = Target(TaskType.REGRESSION, 0)
RNG = np.random.default_rng(0)


def test_a_fold_of_a_large_table_is_bounded():
    n = 7 * MAX_VALIDATION_ROWS
    rng = np.random.default_rng(0)
    task = make_task(rng.normal(size=(n, 1)), rng.normal(size=n), REGRESSION, 5, rng)
    assert len(task.split(0)[1]) <= MAX_VALIDATION_ROWS


@pytest.mark.parametrize(
    ("counts", "n_folds"),
    [
        ((70_000, 70_000), 7),
        ((284_315, 492), 9),  # of 15: 54 rows in each
        ((199_960, 40), 5),
        ((199_000, 600, 400), 8),
        ((199_970, 20, 10), 10),  # too rare to have 50 in a fifth
    ],
)
@pytest.mark.filterwarnings("ignore:models are compared by 40,000 rows, of which 8")
def test_a_fold_of_a_large_table_has_50_rows_of_a_rare_class_where_it_can(counts, n_folds):
    y = np.repeat(np.arange(len(counts)), counts)
    target = BINARY if len(counts) == 2 else MULTICLASS
    task = make_task(np.arange(len(y))[:, None] % 97.0, y, target, 5, np.random.default_rng(0))
    assert task.n_folds == n_folds
    in_fold = np.bincount(task.truth(0).y.astype(int))
    assert all(n >= 50 for n, count in zip(in_fold, counts, strict=True) if count >= 250)


def test_rare_classes_give_way_to_memory():
    """A fifth of these rows is 72,000, whose probabilities of 1,000 classes take 576 MB."""
    y = np.append(np.repeat(np.arange(999), 260), np.full(100_000, 999))
    task = make_task(np.arange(len(y))[:, None] % 97.0, y, Target(TaskType.MULTICLASS, 1_000), 5, RNG)
    assert max(task.n_valid()) <= MAX_VALIDATION_ROWS

"""scikit-learn's own checks: all that apply pass, and none is expected to fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from raytabdl import TabularClassifier, TabularRegressor

# Ray is not started for so short a time, and the quick models end before it is up: nothing depends on the clock.
ESTIMATORS = [TabularClassifier(time_limit=11), TabularRegressor(time_limit=11)]
SLOW = {
    "check_classifier_data_not_an_array",
    "check_classifiers_classes",
    "check_classifiers_train",
    "check_dict_unchanged",
    "check_dont_overwrite_parameters",
    "check_dtype_object",
    "check_estimators_dtypes",
    "check_estimator_sparse_array",
    "check_estimator_sparse_matrix",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_fit2d_predict1d",
    "check_pipeline_consistency",
    "check_regressor_data_not_an_array",
    "check_regressors_int",
    "check_regressors_train",
    "check_sample_weights_list",
    "check_sample_weights_not_an_array",
    "check_sample_weights_pandas_series",
}
"""Those that fit several times; half a second or more for each fit."""

INAPPLICABLE = {
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
}
"""They ask for the same digits from weighted rows as from repeated ones, which no model with folds or draws of its own
gives: repeated rows lie in the training and in the validation part. scikit-learn leaves them out for its own forests
and boosters. ``test_weights`` states what holds in their place.
"""


def checks() -> Iterator[Any]:
    for fresh in ESTIMATORS:
        for estimator, check in estimator_checks_generator(fresh):
            name = check.func.__name__
            if name in INAPPLICABLE:
                continue
            marks = [pytest.mark.slow] if name in SLOW else []
            yield pytest.param(estimator, check, marks=marks, id=f"{type(estimator).__name__}-{name}")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_it_keeps_the_contract(
    estimator: TabularClassifier | TabularRegressor,
    check: Callable[[Any], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    check(estimator)


def test_no_tag_turns_a_check_off_that_applies() -> None:
    """Missing values, strings, categories and sparse tables are learned from; other tags are the defaults."""
    for estimator in ESTIMATORS:
        tags = estimator.__sklearn_tags__()
        assert (tags.input_tags.allow_nan, tags.input_tags.string, tags.input_tags.categorical) == (True, True, True)
        assert tags.input_tags.sparse
        assert not (tags.no_validation or tags.non_deterministic)
        kind = tags.classifier_tags or tags.regressor_tags
        assert kind is not None
        assert not kind.poor_score

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from raytabdl.search.learning import TRIAL_SECONDS, Evidence, learn, losses_of, mean_seconds, stability, trajectory

NAN = math.nan


def table(losses: list[float], seconds: list[float] | None = None, baseline: float = 1.0) -> Evidence:
    """A data set without predictions."""
    costs = np.array(seconds or [1.0] * len(losses))
    return Evidence("table", baseline, np.array(losses), costs, None, is_classification=False)


def with_errors(errors: np.ndarray) -> Evidence:
    """A regression with predictions, given by their errors in deviations of the target."""
    terms = errors.astype(np.float32)
    losses = losses_of(terms, is_classification=False)
    return Evidence("errors", 1.0, losses, np.ones(len(terms)), terms, is_classification=False)


def order(evidences: list[Evidence], families: str, *, size: int = 9, per_family: int = 9) -> list[int]:
    return [one.candidate for one in learn(evidences, list(families), size=size, per_family=per_family)]


def test_the_gain_per_second_decides_the_order() -> None:
    assert order([table([0.5, 0.4], [0.0, 9.0])], "ab") == [0, 1]
    assert order([table([0.5, 0.4], [0.0, 0.1])], "ab", size=1) == [1]


def test_a_trial_costs_more_than_its_training() -> None:
    # 0.3 in no time beside 0.6 in a second: without the cost of a trial the first would be infinitely good.
    first = learn([table([0.7, 0.4], [0.0, 0.9 * TRIAL_SECONDS])], ["a", "b"], size=1, per_family=1)
    assert [one.candidate for one in first] == [1]
    assert first[0].gain == pytest.approx(1.0)


def test_members_that_err_differently_go_before_better_ones_that_err_alike() -> None:
    rng = np.random.default_rng(0)
    shared, own = rng.normal(size=400), rng.normal(size=400)
    candidates = np.array([0.50 * shared, 0.51 * shared, 0.60 * own])
    assert order([with_errors(candidates)], "aab", size=2) == [0, 2]
    assert order([table([0.50, 0.51, 0.60])], "aab", size=2) == [0, 1]  # without predictions nobody can tell


def test_once_nothing_gains_any_more_a_round_begins_among_the_others() -> None:
    chosen = learn([table([0.4, 0.5, 0.6, 1.1])], list("aaaa"), size=9, per_family=9)
    assert [(one.candidate, one.round) for one in chosen] == [(0, 1), (1, 2), (2, 3)]
    assert [one.gain for one in chosen] == pytest.approx([1.0, 5 / 6, 4 / 6])  # none but the last is above the baseline


def test_the_ensemble_of_two_is_as_good_as_the_best_of_the_weights() -> None:
    errors = np.array([[0.4, -0.4, 0.4, -0.4], [-0.4, 0.4, -0.4, 0.4]])
    points = trajectory(with_errors(errors), [0, 1])
    assert [regret for _, regret in points] == pytest.approx([0.0, 1 - 1 / 0.6], abs=1e-6)  # the mean has no error
    assert [seconds for seconds, _ in points] == [1 + TRIAL_SECONDS, 2 * (1 + TRIAL_SECONDS)]


def test_no_family_has_more_members_than_it_may() -> None:
    evidences = [table([0.4, 0.9, 0.9]), table([0.9, 0.5, 0.9]), table([0.9, 0.9, 0.6])]
    assert order(evidences, "aab") == [0, 1, 2]
    assert order(evidences, "aab", per_family=1) == [0, 2]
    assert order(evidences, "aab", size=2) == [0, 1]


def test_what_failed_is_worth_nothing_and_what_was_never_timed_is_dear() -> None:
    evidences = [table([0.5, math.inf, 0.9], [1, NAN, 4]), table([0.5, math.inf, 0.4], [2, NAN, NAN])]
    assert 1 not in order(evidences, "abc")
    seconds = mean_seconds(evidences)
    assert seconds[1] == seconds.max()
    assert order([table([math.inf, 0.9])], "ab") == [1]


@pytest.mark.parametrize("losses", [[1.5, 1.2], [1.5, 0.995]])
def test_a_data_set_without_a_candidate_clearly_above_the_baseline_says_nothing(losses: list[float]) -> None:
    silent = table(losses)
    assert order([silent, table([0.9, 0.5])], "ab") == order([table([0.9, 0.5])], "ab")
    with pytest.raises(ValueError, match="better than the baseline, got none"):
        order([silent], "ab")


def test_one_that_is_best_everywhere_is_in_every_draw_and_one_of_a_single_table_is_not() -> None:
    evidences = [table([0.2, 0.9, 0.5]) for _ in range(7)] + [table([0.9, 0.2, 0.5])]
    shares = stability(evidences, list("abc"), size=2, per_family=1, n_draws=40, rng=np.random.default_rng(0))
    assert shares[0] == 1.0
    assert 0.3 < shares[1] < 0.95
    assert shares[2] < 0.5


@given(
    terms=arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(2, 6)), elements=st.floats(0.0625, 1, width=32)),
    is_classification=st.booleans(),
)
def test_no_member_makes_the_ensemble_worse(terms: np.ndarray, is_classification: bool) -> None:
    losses = losses_of(terms, is_classification=is_classification)
    evidence = Evidence("any", 3.0, losses, np.ones(len(terms)), terms, is_classification)
    regrets = [regret for _, regret in trajectory(evidence, range(len(terms)))]
    assert (np.diff(regrets) <= 1e-9).all()
    assert regrets[-1] <= 1e-6  # at least as good as the best single candidate: it may get all the weight


@pytest.mark.parametrize("weight", [0.1, 0.2, 0.35, 0.5, 0.7])
def test_a_candidate_may_get_each_of_the_weights(weight: float) -> None:
    pattern, ratio = 0.05 * np.array([1.0, -1.0, 1.0, -1.0]), (1 - weight) / weight
    points = trajectory(with_errors(np.array([pattern, -ratio * pattern])), [0, 1])  # no error by that weight alone
    assert points[1][1] == pytest.approx(1 - 1 / (1 - 0.05 * min(1.0, ratio)), abs=1e-6)


def test_a_third_member_is_mixed_with_the_mean_of_the_two_before() -> None:
    errors = np.array([[0.5, 0.1], [-0.5, 0.1], [0.0, -0.1]])  # the first two leave (0, 0.1)
    regrets = [regret for _, regret in trajectory(with_errors(errors), [0, 1, 2])]
    assert regrets[1:] == pytest.approx([0.0, 1 - 1 / (1 - 0.1 / 2**0.5)], abs=1e-6)


def test_seconds_are_means_in_units_of_each_data_set() -> None:
    evidences = [table([0.5, 0.5, 0.5], [1, NAN, 4]), table([0.5, 0.5, 0.5], [2, NAN, NAN])]
    # Units are 2.5 and 2 s, 2.25 on average: (0.4 + 1) / 2 of it, what is dearest, and 1.6 of it.
    assert mean_seconds(evidences) == pytest.approx([1.575, 3.6, 3.6])


@pytest.mark.parametrize("n_draws", [1, 40])
def test_a_silent_data_set_is_never_drawn(n_draws: int) -> None:
    evidences = [table([1.5, 1.2]), table([0.9, 0.5])]
    rng = np.random.default_rng(0)
    assert stability(evidences, list("ab"), size=1, per_family=1, n_draws=n_draws, rng=rng).tolist() == [0.0, 1.0]

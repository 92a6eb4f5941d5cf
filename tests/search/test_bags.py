import pytest

from raytabdl.search.bags import MARGIN, START_SECONDS, Bag, leaves_a_share, next_fold, seconds_to_complete


def bag(trial_id, worth, *folds, seconds=1.0, least_seconds=None):
    return Bag(trial_id, worth, seconds, seconds if least_seconds is None else least_seconds, frozenset({0, *folds}))


def next_of(bags, n_folds, remaining_s, n_workers=2, *, is_early=False, n_enough=2):
    return next_fold(bags, n_folds, remaining_s, n_workers, is_early=is_early, n_enough=n_enough)


def test_what_is_worth_most_a_second_is_completed_first():
    bags = [bag("light", 0.2), bag("heavy", 0.8, 1, 2)]
    assert next_of(bags, 5, 100) == ("heavy", 3)
    assert next_of([bags[0], bag("heavy", 0.8, 1, 2, 3, 4)], 5, 100) == ("light", 1)


def test_the_order_of_what_is_worth_nothing_is_kept_whatever_it_costs():
    bags = [bag("second", -2.0, seconds=0.1), bag("first", -1.0, seconds=9.0), bag("member", 0.01, seconds=9.0)]
    assert next_of(bags, 2, 100) == ("member", 1)
    assert next_of(bags[:2], 2, 100) == ("first", 1)


def test_what_cannot_end_in_time_is_not_begun():
    bags = [bag("slow", 0.8, seconds=10.0), bag("fast", 0.01, seconds=1.0)]
    assert next_of(bags, 5, 24) == ("slow", 1)
    assert next_of(bags, 5, 10) == ("fast", 1)
    assert next_of(bags, 5, 1) is None


def test_a_bag_that_cannot_be_completed_comes_after_those_that_can_and_not_at_all_where_it_is_worth_nothing():
    bags = [bag("slow", 0.8, seconds=10.0), bag("fast", 0.01, seconds=1.0)]
    assert next_of(bags, 5, 20) == ("fast", 1)
    assert next_of([bags[0], bag("fast", 0.01, 1, 2, 3, 4)], 5, 20) == ("slow", 1)
    assert next_of([bag("slow", -1.0, seconds=10.0)], 5, 20) is None
    assert next_of([bags[0], bag("other", -1.0)], 5, 20) == ("other", 1)


def test_no_bag_is_begun_in_part_where_there_are_whole_ones_to_select_among():
    slow, whole = bag("slow", 0.8, seconds=10.0), [bag(name, 0.1, 1, 2, 3, 4) for name in "abc"]
    assert next_of([slow, *whole[:1]], 5, 20) == ("slow", 1)
    assert next_of([slow, *whole[:2]], 5, 20) is None
    assert next_of([slow, *whole[:2]], 5, 20, n_enough=3) == ("slow", 1)
    assert next_of([bag("slow", 0.8, 1, 2, 3, seconds=10.0), *whole], 5, 20) == ("slow", 4)


def test_what_was_begun_is_completed_whatever_has_come_since():
    bags = [bag("new", 0.9), bag("begun", -3.0, 1), bag("also begun", 0.2, 1)]
    assert next_of(bags, 5, 100) == ("also begun", 2)
    assert next_of(bags[:2], 5, 100) == ("begun", 2)


def test_what_is_nearly_complete_is_completed_before_another_is_begun():
    assert next_of([bag("new", 0.5), bag("begun", 0.2, 1, 2, 3)], 5, 100) == ("begun", 4)


def test_nothing_is_left_once_all_folds_were_begun():
    assert next_of([bag("a", 1.0, 1, 2)], 3, 100) is None
    assert next_of([], 3, 100) is None


def test_what_can_be_shortened_is_begun_as_long_as_its_shortest_form_ends_in_time():
    bags = [bag("network", 1.0, seconds=10.0, least_seconds=6.0)]
    assert next_of(bags, 5, 7) == ("network", 1)
    assert next_of(bags, 5, 6) is None


def test_while_it_is_early_a_bag_that_cannot_be_completed_is_not_begun():
    bags = [bag("a", 1.0, seconds=10.0, least_seconds=6.0)]
    assert next_of(bags, 5, 20) == ("a", 1)
    assert next_of(bags, 5, 20, is_early=True) is None  # 4 folds by 2 workers take 20 s and the margin
    assert next_of(bags, 5, 24, is_early=True) == ("a", 1)
    assert next_of([bag("a", 1.0, 1, 2, 3, seconds=10.0)], 5, 12, is_early=True) == ("a", 4)


def test_the_time_to_complete_counts_the_missing_folds():
    bags = [bag("a", 0.5, 1, seconds=4.0), bag("b", 0.1, seconds=1.0), bag("c", -1.0, 1, 2, 3, seconds=6.0)]
    assert seconds_to_complete(bags, 5, 2) == pytest.approx((3 * 4.0 + 4 * 1.0 + 6.0) / 2)
    assert seconds_to_complete(bags, 5, 64) == pytest.approx(6.0)
    assert seconds_to_complete(bags[:1], 5, 2) == pytest.approx(2 * 4.0)
    assert seconds_to_complete([], 5, 2) == 0


def test_what_is_worth_less_but_much_faster_comes_first():
    assert next_of([bag("slow", 0.8, seconds=10.0), bag("fast", 0.4, seconds=1.0)], 5, 100) == ("fast", 1)


def test_the_heaviest_is_not_crowded_out_by_what_is_worth_more_a_second():
    bags = [bag("cheap", 0.2), bag("heavy", 0.7, seconds=5.0)]  # 2 s and 10 s by two workers
    assert next_of(bags, 5, 14) == ("cheap", 1)
    assert next_of(bags, 5, 13) == ("heavy", 1)
    assert next_of(bags, 5, 11) == ("cheap", 1)
    light = [bag("cheap", 0.2), bag("slow", 0.1, seconds=5.0)]
    assert next_of(light, 5, 13) == ("cheap", 1)


def test_three_folds_take_two_workers_as_long_as_four():
    half = [bag("a", 1.0, 1, seconds=10.0)]
    assert next_of(half, 5, 22, is_early=True) is None  # 20 s and the margin
    assert next_of(half, 5, 24, is_early=True) == ("a", 2)


@pytest.mark.parametrize("is_early", [True, False])
def test_what_ends_just_in_time_is_begun(is_early):
    assert next_of([bag("a", 1.0, seconds=20.0)], 2, 20.0 * MARGIN, is_early=is_early) == ("a", 1)


def test_the_search_has_half_of_the_time_but_for_a_start():
    assert leaves_a_share(START_SECONDS, 0.0, 1)
    assert not leaves_a_share(START_SECONDS + 1, 0.0, 1)
    hour = 3600.0
    assert leaves_a_share(hour / 2, hour, 1)
    assert not leaves_a_share(hour / 2 + START_SECONDS + 1, hour, 1)
    assert leaves_a_share(4 * hour / 2, hour, 4)

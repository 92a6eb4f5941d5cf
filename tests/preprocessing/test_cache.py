from __future__ import annotations

import os

import numpy as np
import pytest

from raytabdl.preprocessing import FoldCache

ARRAYS = {"x": np.arange(250.0), "codes": np.array([[1, 2]]), "empty": np.empty((3, 0), np.float32)}
ONE_FILE = 2_300
"""Bytes of a file with these arrays, about."""


class Counted:
    """Gives the arrays, and counts how often it was asked."""

    def __init__(self):
        self.n = 0

    def __call__(self):
        self.n += 1
        return ARRAYS


def assert_equal(arrays):
    assert set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype


def test_a_key_is_computed_once_for_all_workers_of_a_folder(tmp_path):
    compute = Counted()
    workers = [FoldCache(tmp_path / "cache") for _ in range(3)]
    for worker in workers:
        assert_equal(worker.arrays("a", compute))
        assert_equal(worker.arrays("a", compute))
    assert compute.n == 1
    workers[0].arrays("b", compute)
    assert compute.n == 2


def test_the_arrays_are_parts_of_the_file_and_writing_to_them_does_not_reach_it(tmp_path):
    arrays = FoldCache(tmp_path).arrays("a", Counted())
    base = arrays["x"]
    while isinstance(base.base, np.ndarray):
        base = base.base
    assert isinstance(base, np.memmap)
    arrays["x"][:] = 0
    assert_equal(FoldCache(tmp_path).arrays("a", Counted()))


def test_a_failure_leaves_nothing_behind(tmp_path):
    def fail():
        raise FloatingPointError("of a step")

    with pytest.raises(FloatingPointError, match="of a step"):
        FoldCache(tmp_path / "cache").arrays("a", fail)
    assert not (tmp_path / "cache").exists()
    assert_equal(FoldCache(tmp_path / "cache").arrays("a", Counted()))


def test_what_was_used_longest_ago_makes_room_and_is_computed_again(tmp_path):
    for i, key in enumerate("abc"):
        FoldCache(tmp_path, 3 * ONE_FILE).arrays(key, Counted())
        os.utime(tmp_path / f"{key}.safetensors", (i, i))
    mapped = FoldCache(tmp_path, 3 * ONE_FILE).arrays("a", Counted())  # used anew
    FoldCache(tmp_path, 3 * ONE_FILE).arrays("d", Counted())
    assert {path.stem for path in tmp_path.iterdir()} == {"a", "c", "d"}
    again = Counted()
    assert_equal(FoldCache(tmp_path, 3 * ONE_FILE).arrays("b", again))
    assert again.n == 1
    for path in tmp_path.iterdir():
        path.unlink()
    assert_equal(mapped)  # the file lives on until it is let go


def test_what_is_larger_than_the_folder_may_be_stays_with_the_worker(tmp_path):
    FoldCache(tmp_path).arrays("small", Counted())
    compute, cache = Counted(), FoldCache(tmp_path, 100)
    for _ in range(2):
        assert_equal(cache.arrays("a", compute))
    assert compute.n == 1
    assert [path.stem for path in tmp_path.iterdir()] == ["small"]


def test_without_a_folder_the_last_two_are_kept():
    cache, compute = FoldCache(), Counted()
    for key in "abab":
        cache.arrays(key, compute)
    assert compute.n == 2
    for key in "cb":
        cache.arrays(key, compute)
    assert compute.n == 3
    cache.arrays("a", compute)
    assert compute.n == 4


def test_files_are_closed_to_other_users(tmp_path):
    FoldCache(tmp_path / "cache").arrays("a", Counted())
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "cache" / "a.safetensors").stat().st_mode & 0o777 == 0o600

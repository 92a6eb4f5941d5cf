from __future__ import annotations

import pytest

from raytabdl.history import Change, Record, Result, Seconds, Status
from raytabdl.report.endings import endings


@pytest.mark.parametrize(
    ("status", "reason", "has_result", "ending"),
    [
        (Status.COMPLETED, "", True, "success"),
        (Status.STOPPED, "", True, "success"),
        (Status.STOPPED, "the run was over", True, "success"),
        (Status.STOPPED, "the run was over", False, "timeout"),
        (Status.STOPPED, "too slow: 300 s to budget 27", True, "timeout"),
        (Status.FAILED, "Traceback\n...\nTimeoutError: 60 s", False, "timeout"),
        (Status.FAILED, "Traceback\n...\nMemoryError: cannot allocate 80 GiB", True, "memout"),
        (Status.FAILED, "Traceback\n...\ntorch.OutOfMemoryError: CUDA out of memory", False, "memout"),
        (Status.FAILED, "the worker was lost 3 times: killed due to the node running low on memory", False, "memout"),
        (Status.FAILED, "Traceback\nMemoryError\nDuring handling ...\nValueError: NaN", False, "crash"),
        (Status.FAILED, "the worker was lost 3 times: the actor died", True, "crash"),
        (Status.FAILED, "", False, "crash"),
    ],
)
def test_a_trial_ends_in_one_of_four_ways(status: Status, reason: str, has_result: bool, ending: str) -> None:
    records: list[Record] = [Change("0000", status, 2.0, reason)]
    if has_result:
        records.insert(0, Result("0000", 1, 0.5, 0.5, {}, Seconds(), 1.0))
    counts = endings(records, ["0000"])
    assert counts.pop(ending) == 1
    assert set(counts.values()) == {0}


def test_what_goes_on_has_not_ended_and_the_last_change_counts() -> None:
    records: list[Record] = [Result("0000", 1, 0.5, 0.5, {}, Seconds(), 1.0), Change("0000", Status.PAUSED, 1.0)]
    assert sum(endings(records, ["0000", "0001"]).values()) == 0
    records.append(Change("0000", Status.COMPLETED, 2.0))
    assert endings(records, ["0000", "0001"])["success"] == 1
    assert sum(endings(records, []).values()) == 0

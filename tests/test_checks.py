from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from raytabdl import checks
from raytabdl.checks import available_memory
from raytabdl.exceptions import DataError
from raytabdl.inputs import Target, TaskType
from raytabdl.task import make_task


@pytest.mark.parametrize(
    ("meminfo", "limits", "available"),
    [
        ("MemTotal: 900 kB\nMemAvailable:   600 kB\n", {}, 600 << 10),
        ("MemAvailable: 600 kB\n", {"memory.max": "1000\n"}, 1000),
        ("MemAvailable: 600 kB\n", {"memory.max": "max\n"}, 600 << 10),
        ("MemAvailable: 600 kB\n", {"memory/memory.limit_in_bytes": "2000\n"}, 2000),
        (None, {}, None),
    ],
)
def test_the_memory_that_is_left_is_that_of_the_machine_or_of_the_container(
    meminfo: str | None, limits: dict[str, str], available: int | None, tmp_path: Path
) -> None:
    if meminfo is not None:
        (tmp_path / "meminfo").write_text(meminfo)
    for name, content in limits.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert available_memory(tmp_path / "meminfo", tmp_path) == available


def test_a_table_that_the_memory_cannot_hold_is_refused_with_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = np.random.default_rng(0).normal(size=(1_000, 50)), np.arange(1_000) % 2
    target = Target(TaskType.BINARY, 2)
    monkeypatch.setattr(checks, "available_memory", lambda: 599_999)
    with pytest.raises(DataError, match=r"1,000 rows of 50 columns take at least 0\.0006 GB .* 0\.0006 GB of memory"):
        make_task(X, y, target, 5, np.random.default_rng(0))
    for enough in (600_000, None):
        monkeypatch.setattr(checks, "available_memory", lambda enough=enough: enough)
        assert len(make_task(X, y, target, 5, np.random.default_rng(0)).y) == 1_000

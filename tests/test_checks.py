from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from raytabdl import checks
from raytabdl.checks import available_memory, table_and_target
from raytabdl.exceptions import DataError
from raytabdl.inputs import Target, TaskType
from raytabdl.task import make_task


@pytest.mark.parametrize(
    ("meminfo", "limits", "available"),
    [
        ("MemTotal: 900 kB\nMemAvailable:   600 kB\n", {}, 600 << 10),
        ("MemAvailable: 600 kB\n", {"memory.max": "1000\n"}, 1000),
        ("MemAvailable: 600 kB\n", {"memory.max": "max\n", "memory.current": "900\n"}, 600 << 10),
        ("MemAvailable: 600 kB\n", {"memory.max": "1000\n", "memory.current": "900\n"}, 100),
        (
            "MemAvailable: 600 kB\n",
            {
                "memory.max": "1000",
                "memory.current": "900",
                "memory.stat": "anon 5\nactive_file 200\ninactive_file 300",
            },
            600,
        ),
        ("MemAvailable: 600 kB\n", {"memory.max": "1000\n", "memory.current": "2000\n"}, 0),
        ("MemAvailable: 600 kB\n", {"memory/memory.limit_in_bytes": "2000\n"}, 2000),
        (
            "MemAvailable: 600 kB\n",
            {"memory/memory.limit_in_bytes": "2000", "memory/memory.usage_in_bytes": "1400"},
            600,
        ),
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


def test_columns_of_the_table_are_named_in_the_place_of_their_values(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1, 2], "y": [0, 1], "w": [1.0, 3.0], "g": ["a", "b"]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    for table in (frame, tmp_path / "t.csv", pa.Table.from_pandas(frame)):
        X, y, of_rows = table_and_target(table, "y", {"sample_weight": "w", "groups": "g"})
        assert list(X) == ["x"]
        assert (list(y), list(of_rows["sample_weight"]), list(of_rows["groups"])) == ([0, 1], [1, 3], ["a", "b"])
    with pytest.raises(DataError, match=r"groups is the name of a column that the table does not have, 'h'"):
        table_and_target(frame, "y", {"groups": "h"})


def test_rows_of_another_order_are_warned_of_whatever_they_belong_to() -> None:
    frame = pd.DataFrame({"x": [1, 2]})
    with pytest.warns(UserWarning, match="indexes of X and sample_weight differ"):
        table_and_target(frame, [0, 1], {"sample_weight": pd.Series([1.0, 2.0], index=[1, 0])})

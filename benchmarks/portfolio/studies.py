"""The studies: which tables, how many rows and candidates, in the full form and in that of a pilot."""

from __future__ import annotations

from dataclasses import dataclass

PILOT_TABLES = ("credit-g", "segment", "phoneme", "abalone")
"""Two classes, seven, two with more rows, and a regression; the largest has 5,404 rows."""

LCBENCH_TABLES = (
    "adult",
    "bank-marketing",
    "blood-transfusion-service-center",
    "credit-g",
    "phoneme",
    "jasmine",
    "kc1",
    "electricity",
    "MagicTelescope",
    "sick",
    "car",
    "segment",
    "cnae-9",
    "covertype",
    "letter",
    "nursery",
    "satimage",
    "fars",
    "splice",
    "kr-vs-k",
)
"""Twenty classifications: those of LCBench that are there, and of the rest the ones best known."""


@dataclass(frozen=True)
class Study:
    """A command of raytabdl with its arguments, but for the tables and where it keeps what it finds.

    Without ``tables`` it is all in the folder.
    """

    name: str
    command: tuple[str, ...]
    tables: tuple[str, ...] = ()


FULL = (
    Study("portfolio", ("portfolio", "evaluate", "--rows", "4000", "--design", "24")),
    Study("lcbench-small", ("lcbench", "run", "--rows", "4000", "--configs", "200"), LCBENCH_TABLES),
    Study(
        "lcbench-full",
        ("lcbench", "run", "--rows", "4000", "--configs", "60", "--preset", "full", "--most-seconds", "30"),
        LCBENCH_TABLES,
    ),
)
PILOT = (
    Study("portfolio", ("portfolio", "evaluate", "--rows", "2000", "--design", "1"), PILOT_TABLES),
    Study("lcbench-small", ("lcbench", "run", "--rows", "2000", "--configs", "6"), PILOT_TABLES[:3]),
    Study(
        "lcbench-full",
        ("lcbench", "run", "--rows", "2000", "--configs", "6", "--preset", "full", "--most-seconds", "30"),
        PILOT_TABLES[:3],
    ),
)

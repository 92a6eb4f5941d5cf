"""What commands print."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_FORMATS = {"weight": ".2f", "seconds": ".1f"}
"""Of columns of a table; other numbers have five digits."""


def show_table(title: str, table: pd.DataFrame) -> None:
    """A table on standard output: with lines on a terminal, plain in a pipe."""
    from pandas.api.types import is_numeric_dtype
    from rich import box
    from rich.console import Console
    from rich.table import Table

    is_terminal = sys.stdout.isatty()
    console = Console(width=None if is_terminal else 400, markup=False, highlight=False)
    shown = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD if is_terminal else None)
    for name in table:
        shown.add_column(str(name), justify="right" if is_numeric_dtype(table[name]) else "left", no_wrap=True)
    for row in table.to_dict("records"):
        shown.add_row(*(_cell(str(name), value) for name, value in row.items()))
    console.print(shown)
    console.print()


def _cell(name: str, value: Any) -> str:
    if isinstance(value, float):
        return format(value, _FORMATS.get(name, "#.5g"))
    return "n/a" if str(value) in ("<NA>", "None") else str(value)  # what a column of integers lacks

"""Table files: CSV and parquet, told by the ending."""

from __future__ import annotations

import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from raytabdl.exceptions import DataError

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = (".csv", ".csv.gz", ".parquet", ".pq")


def read_table(path: Path) -> pd.DataFrame:
    """The table in a file. Raises DataError where the file is not what its ending says, or names two columns alike."""
    import pandas as pd
    import pyarrow as pa

    try:
        return pd.read_parquet(path) if _is_parquet(path) else _read_csv(path)
    except (OSError, ValueError, EOFError, zlib.error, pa.ArrowException, pd.errors.ParserWarning) as error:
        kind = "parquet" if _is_parquet(path) else "CSV"
        raise DataError(f"{path} cannot be read as {kind}: {error}") from error


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    # Read with its header, pandas would rename the second of two columns with one name.
    names = pd.read_csv(path, header=None, nrows=1, dtype=str).iloc[0].dropna()
    if names.duplicated().any():
        raise ValueError(f"duplicate column names: {sorted(names[names.duplicated()].unique())}")
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
        return pd.read_csv(path, index_col=False, low_memory=False)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Writes a table without its index."""
    try:
        if _is_parquet(path):
            table.to_parquet(path, index=False)
        else:
            table.to_csv(path, index=False)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error}") from error


def _is_parquet(path: Path) -> bool:
    return path.name.lower().endswith((".parquet", ".pq"))

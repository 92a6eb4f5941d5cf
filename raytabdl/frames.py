"""Tables of any make as frames of pandas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from raytabdl.exceptions import DataError
from raytabdl.tables import read_table

MAX_DENSE_BYTES = 2 << 30
"""What a sparse table may take once its zeros are written out."""


def to_frame(table: Any) -> pd.DataFrame:
    """A pandas frame of any table: pandas, polars, arrow, numpy, scipy sparse, a list of rows, the path of a file."""
    if isinstance(table, pd.DataFrame):
        return table
    if isinstance(table, (str, PathLike)):
        return read_table(Path(table))
    if hasattr(table, "toarray"):
        return _frame_of_sparse(table)
    if isinstance(table, (np.ndarray, list, tuple)):
        return _frame_of_array(table)
    import narwhals as nw

    if hasattr(table, "__array__") and not hasattr(table, "columns"):
        return _frame_of_array(table)
    try:
        frame: pd.DataFrame = nw.from_native(table, eager_only=True).to_pandas()
        return frame
    except TypeError:
        pass
    if hasattr(table, "to_pandas"):  # a batch of arrow, a data set of Ray
        return to_frame(table.to_pandas())
    way_out = "; call its collect()" if hasattr(table, "collect") else ""
    raise DataError(
        "X must be a table (pandas, polars, arrow, numpy, scipy sparse, a list of rows, a path), "
        f"got {type(table).__name__}{way_out}"
    )


def _frame_of_sparse(table: Any) -> pd.DataFrame:
    """Raises DataError where the zeros would take too much memory."""
    if len(table.shape) == 2:
        n_rows, n_columns = table.shape
        needed = n_rows * n_columns * 8
        if needed > MAX_DENSE_BYTES:
            raise DataError(
                f"a sparse X of {n_rows:,} x {n_columns:,} with a density of {table.nnz / (n_rows * n_columns):.2g} "
                f"takes {needed / 1e9:.1f} GB once it is dense, more than {MAX_DENSE_BYTES / 1e9:.1f} GB: reduce its "
                "columns first, with TruncatedSVD or sklearn.feature_selection"
            )
    return _frame_of_array(table.toarray())


def _frame_of_array(table: Any) -> pd.DataFrame:
    if isinstance(table, (list, tuple)) and table and isinstance(table[0], Mapping):
        return pd.DataFrame(list(table))
    try:
        array = np.asanyarray(table)  # a masked array keeps its mask
    except ValueError as error:
        raise DataError(f"X must have rows of one length: {error}") from error
    if array.dtype.names:
        return pd.DataFrame(array)
    if array.dtype.kind in "US" and not isinstance(table, np.ndarray):
        array = np.asarray(table, dtype=object)  # numpy has made strings of the numbers and of what is missing
    if array.ndim != 2:
        raise DataError(
            f"Expected 2D array, got {array.ndim}D array with shape {array.shape}. Reshape your data either using "
            "array.reshape(-1, 1) if your data has a single feature or array.reshape(1, -1) if it contains a "
            "single sample."
        )
    if np.iscomplexobj(array):
        raise DataError("Complex data not supported: pass the real and the imaginary parts as two columns")
    return pd.DataFrame(array)


def with_categories(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The frame with some columns as categories, by their names as strings. Raises DataError where there is no such."""
    labels = dict(zip(column_names(frame), frame.columns, strict=True)) if columns else {}
    if unknown := [name for name in columns if name not in labels]:
        raise DataError(f"categorical names columns that the table does not have, {unknown}; it has {list(labels)}")
    return frame.astype({labels[name]: "category" for name in columns}) if columns else frame


def has_names(frame: pd.DataFrame) -> bool:
    """Whether the columns have names of their own, not just positions."""
    # Columns in another order may be a range too, down to 0.
    return not (isinstance(frame.columns, pd.RangeIndex) and frame.columns.start == 0 and frame.columns.step == 1)


def column_names(frame: pd.DataFrame) -> list[str]:
    """The names as strings; levels of a MultiIndex are joined by two underscores."""
    names = ["__".join(map(str, label)) if isinstance(label, tuple) else str(label) for label in frame.columns]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"duplicate column names (as strings): {twice}; rename or drop all but one of each")
    return names

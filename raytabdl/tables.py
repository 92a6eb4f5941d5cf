"""Table files: CSV, parquet, arrow (feather) and ARFF, told by the ending."""

from __future__ import annotations

import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from raytabdl.exceptions import DataError

if TYPE_CHECKING:
    import pandas as pd

WRITABLE = (".csv", ".csv.gz", ".parquet", ".pq", ".arrow", ".feather")
ENDINGS = (*WRITABLE, ".arff")
_FORMATS = {".csv": "CSV", ".csv.gz": "CSV", ".parquet": "parquet", ".pq": "parquet", ".arrow": "arrow",
            ".feather": "arrow", ".arff": "ARFF"}  # fmt: skip


def read_table(path: Path) -> pd.DataFrame:
    """The table in a file. Raises DataError where the file is not what its ending says, or names two columns alike."""
    import pandas as pd
    import pyarrow as pa

    kind = _format(path)
    try:
        if kind == "CSV":
            return _read_csv(path)
        if kind == "ARFF":
            return _read_arff(path)
        return pd.read_parquet(path) if kind == "parquet" else pd.read_feather(path)
    except (OSError, ValueError, EOFError, zlib.error, pa.ArrowException, pd.errors.ParserWarning) as error:
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


def _read_arff(path: Path) -> pd.DataFrame:
    """Nominal attributes are categories with the values that the file declares, also those that no row has."""
    import pandas as pd
    from sklearn.externals import _arff  # the reader of fetch_openml; scipy's knows no strings

    with path.open(encoding="utf-8") as file:
        try:
            content = _arff.load(file, return_type=_arff.DENSE)
        except _arff.ArffException as error:
            raise ValueError(error) from error
    attributes = content["attributes"]
    frame = pd.DataFrame(content["data"], columns=[name for name, _ in attributes])
    for name, kind in attributes:
        frame[name] = pd.Categorical(frame[name], kind) if isinstance(kind, list) else frame[name]
    return frame.infer_objects()


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Writes a table without its index."""
    kind = _format(path)
    try:
        if kind == "CSV":
            table.to_csv(path, index=False)
        elif kind == "parquet":
            table.to_parquet(path, index=False)
        else:
            table.reset_index(drop=True).to_feather(path)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error}") from error


def _format(path: Path) -> str:
    name = path.name.lower()
    for ending, kind in _FORMATS.items():
        if name.endswith(ending):
            return kind
    raise DataError(f"{str(path)!r} is no file of a table: it must end in one of {', '.join(ENDINGS)}")

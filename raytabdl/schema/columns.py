"""The columns that are learned from, and how the rows of a table are encoded by them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from raytabdl.exceptions import DataError
from raytabdl.frames import column_names, has_names, to_frame
from raytabdl.inputs import Inputs
from raytabdl.schema.levels import MAX_LEVELS, MISSING, factorize
from raytabdl.values import date_part, days, floats, of_texts
from raytabdl.words import word_counts

N = TypeVar("N", np.float32, np.int32)

LARGEST = 1e30  # float32 ends at 3.4e38; sums and squares of scaled values must stay below it


class Kind(Enum):
    """What a column holds."""

    NUMBER = "number"
    DATETIME = "datetime"
    ORDINAL = "ordinal"
    TEXT = "text"
    CATEGORY = "category"


@dataclass(frozen=True)
class Column:
    """One column of the training table.

    ``origin`` is subtracted from numbers before they become float32, so that large offsets (years,
    timestamps, ids) lose no precision; ``levels`` are the known categories, whose codes start at 1. The levels
    of an ordered category are in its order, and the position in it is its number. ``part`` is what of a date is taken,
    "" for all of it, or the word of a text that is counted, "" for all words; ``form`` is how numbers or dates are
    written in strings, and ``words`` are the few that stood among such numbers, as missing values.
    """

    name: str
    kind: Kind
    origin: float = 0.0
    levels: tuple[str, ...] = ()
    part: str = ""
    form: str = ""
    words: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The name, with the part of a date or the word of a text."""
        return f"{self.name} ({self.part})" if self.part else self.name

    @property
    def is_open(self) -> bool:
        """Whether values that are no level are nothing new: the rare ones, or all that were not missing."""
        return len(self.levels) >= MAX_LEVELS or self.levels == (MISSING,)

    @cached_property
    def code_of(self) -> Mapping[str, int]:
        """The code of each level."""
        return {level: code for code, level in enumerate(self.levels, start=1)}

    def read(self, values: pd.Series) -> NDArray[np.float64]:
        """The numbers of a column of numbers, or of dates as days since 1970 in UTC; NaN where a value is missing."""
        if self.form:
            return of_texts(values, self.form, self.name, self.words)
        return days(values, self.name) if self.kind is Kind.DATETIME else floats(values, self.name)


@dataclass(frozen=True)
class Schema:
    """The columns that are learned from, in the order of the training table.

    ``named`` is False for a table without column names, whose columns are matched by position. ``dropped``
    maps each column that is not used to the reason.
    """

    names: tuple[str, ...]
    named: bool
    columns: tuple[Column, ...]
    dropped: Mapping[str, str]

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """The number of codes of each categorical column, the unseen level among them."""
        return tuple(1 + len(column.levels) for column in self.columns if column.kind is Kind.CATEGORY)

    def encode(self, table: Any) -> Inputs:
        """The rows of a table as numbers and codes.

        Columns are matched by name; unknown columns are ignored and unseen categories share code 0, both with a
        warning. Raises DataError where a column is missing or a number cannot be read.
        """
        frame = to_frame(table)
        aligned = self._aligned(frame)
        numeric: list[NDArray[np.float32]] = []
        categorical: list[NDArray[np.int32]] = []
        words, read = self._words(aligned), {}
        n_unseen: dict[str, int] = {}  # by column
        for column in self.columns:
            values = aligned[column.name]
            if column.kind is Kind.CATEGORY or column.kind is Kind.ORDINAL:
                codes = _codes(values, column)
                if not column.is_open and (unseen := _n_present(values, codes == 0)):
                    n_unseen[column.name] = unseen
            if column.kind is Kind.CATEGORY:
                categorical.append(codes)
            elif column.kind is Kind.ORDINAL:
                numeric.append(np.where(codes == 0, np.nan, codes).astype(np.float32))
            elif column.kind is Kind.TEXT:
                numeric.append(words[column.name][column.part])
            else:
                if column.name not in read:  # a date has several columns
                    read[column.name] = column.read(values)
                numeric.append(_numbers(read[column.name], column))
        if n_unseen:
            warnings.warn(f"categories that training did not see, in rows by column: {n_unseen}", stacklevel=2)
        return Inputs(
            _beside(numeric, len(frame), np.float32),
            _beside(categorical, len(frame), np.int32),
            self.cardinalities,
        )

    def _words(self, aligned: Mapping[str, pd.Series]) -> dict[str, dict[str, NDArray[np.float32]]]:
        """The numbers of each text by the word, "" for all of them."""
        words: dict[str, list[str]] = {}
        for column in self.columns:
            if column.kind is Kind.TEXT:
                words.setdefault(column.name, []).extend([column.part] if column.part else [])
        counted = {name: word_counts(aligned[name], own).T for name, own in words.items()}
        return {name: dict(zip(["", *words[name]], numbers, strict=True)) for name, numbers in counted.items()}

    def decode(self, inputs: Inputs) -> pd.DataFrame:
        """A table whose rows are encoded as these, but for texts, and numbers and dates in strings: these are missing.

        So is what was left out of the training table.
        """
        columns: dict[str, Any] = dict.fromkeys(self.names, np.full(len(inputs), None, dtype=object))
        numeric, categorical = iter(inputs.numeric.T), iter(inputs.categorical.T)
        for column in self.columns:
            values: NDArray[Any] = next(categorical if column.kind is Kind.CATEGORY else numeric)
            if column.part or column.form or column.kind is Kind.TEXT:
                continue
            if column.kind is Kind.NUMBER:
                columns[column.name] = values.astype(np.float64) + column.origin
            elif column.kind is Kind.DATETIME:
                columns[column.name] = pd.to_datetime(
                    values.astype(np.float64) + column.origin, unit="D", errors="coerce"
                )
            else:
                levels = [None if level == MISSING else level for level in column.levels]
                codes = np.nan_to_num(values).astype(np.int64)
                columns[column.name] = np.array([None, *levels], dtype=object)[codes]
        return pd.DataFrame(columns, index=range(len(inputs)))

    def plain(self, table: Any) -> dict[str, NDArray[Any]]:
        """The columns that are learned from as what other languages have: float64, NaN where missing, or strings.

        Dates are days since 1970 in UTC. A missing category is "".
        """
        aligned = self._aligned(to_frame(table))
        plain: dict[str, NDArray[Any]] = {}
        for column in self.columns:
            if column.kind in (Kind.CATEGORY, Kind.ORDINAL):
                codes, levels = factorize(aligned[column.name], column.name, column.code_of)
                plain[column.name] = np.array([*levels, ""], dtype=object)[codes]  # code -1 is missing
            else:
                plain[column.name] = column.read(aligned[column.name])
        return plain

    def _aligned(self, frame: pd.DataFrame) -> dict[str, pd.Series]:
        """The columns of a table by their names in the training table."""
        known, needed = set(self.names), {column.name for column in self.columns}
        names = column_names(frame) if has_names(frame) else None
        if names is None or not (self.named or needed <= set(names) <= known):
            if frame.shape[1] != len(self.names):
                raise DataError(
                    f"X has {frame.shape[1]} features, but raytabdl is expecting {len(self.names)} features as input"
                )
            names = list(self.names)
        given = set(names)
        missing = [name for name in self.names if name not in given and name not in self.dropped]
        if missing:
            raise DataError(
                f"columns missing from the table: {missing}; the model was fitted with {list(self.names)}, "
                f"this table has {names}"
            )
        extra = [name for name in names if name not in known]
        if extra:
            warnings.warn(f"columns that the model does not know are ignored: {extra}", stacklevel=3)
        # In order: to rename the columns of a frame takes as long as to encode a row, and to look them up even longer.
        return {name: values for name, (_, values) in zip(names, frame.items(), strict=True)}

    def to_json(self) -> dict[str, Any]:
        return {
            "names": list(self.names),
            "named": self.named,
            "dropped": dict(self.dropped),
            "columns": [
                {
                    "name": c.name,
                    "kind": c.kind.value,
                    "origin": c.origin,
                    "levels": list(c.levels),
                    **({"part": c.part} if c.part else {}),
                    **({"form": c.form} if c.form else {}),
                    **({"words": list(c.words)} if c.words else {}),
                }
                for c in self.columns
            ],
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Schema:
        columns = (
            Column(
                c["name"],
                Kind(c["kind"]),
                c["origin"],
                tuple(c["levels"]),
                c.get("part", ""),
                c.get("form", ""),
                tuple(c.get("words", ())),
            )
            for c in record["columns"]
        )
        return cls(tuple(record["names"]), record["named"], tuple(columns), dict(record["dropped"]))


def _numbers(read: NDArray[np.float64], column: Column) -> NDArray[np.float32]:
    if column.part:
        read = date_part(read, column.part)
    read = np.where(np.isinf(read), np.nan, np.minimum(np.maximum(read, -LARGEST), LARGEST))
    return np.asarray(read - column.origin, np.float32)


def _codes(values: pd.Series, column: Column) -> NDArray[np.int32]:
    code_of = column.code_of
    codes, levels = factorize(values, column.name, code_of)
    table = np.array([*(code_of.get(level, 0) for level in levels), code_of.get(MISSING, 0)], dtype=np.int32)
    return table[codes]


def _n_present(values: pd.Series, rows: NDArray[np.bool_]) -> int:
    """How many of some rows have a value."""
    return int((rows & values.notna().to_numpy()).sum()) if rows.any() else 0


def _beside(columns: Sequence[NDArray[N]], n_rows: int, dtype: type[N]) -> NDArray[N]:
    """The columns as a matrix, (n_rows, number of columns)."""
    table = np.empty((n_rows, len(columns)), dtype)
    for place, column in enumerate(columns):
        table[:, place] = column
    return table

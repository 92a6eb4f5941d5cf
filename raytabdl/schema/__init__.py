"""The columns of a table: what kind each is, and how its values become numbers and codes."""

from __future__ import annotations

from raytabdl.schema.columns import LARGEST, Column, Kind, Schema
from raytabdl.schema.inference import ID, infer_schema, row_numbers, without_twins
from raytabdl.schema.levels import MAX_LEVELS, MISSING

__all__ = [
    "ID",
    "LARGEST",
    "MAX_LEVELS",
    "MISSING",
    "Column",
    "Kind",
    "Schema",
    "infer_schema",
    "row_numbers",
    "without_twins",
]

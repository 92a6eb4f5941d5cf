"""The contracts of a scaler."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from raytabdl.preprocessing.scaling import Scaler
from raytabdl.testing.contract import must, must_agree, without_errors


def check_scaler(cls: type[Scaler]) -> None:
    """Raises ContractError where a scaler breaks a contract.

    Missing values stay missing and all others become finite; a row is transformed as among others; the fit follows
    from rows and seed, and leaves the rows as they were; and its state is arrays, which are all that it is.
    """
    X = _table()
    before = X.copy()
    with without_errors(cls, "be fitted and transform"), np.errstate(over="ignore"):
        scaler = cls().fit(X, np.random.default_rng(0))
        scaled = scaler.transform(X)
        later = scaler.transform(np.full((2, X.shape[1]), 1e30, np.float32))
        again = cls().fit(X, np.random.default_rng(0)).transform(X)
        alone = np.concatenate([scaler.transform(X[i : i + 1]) for i in range(20)])
        empty = [cls().fit(table, np.random.default_rng(0)).transform(table).shape for table in (X[:, :0], X[:1])]
        state = scaler.state()
    must(
        cls, "give float32 of the shape of its input", (scaled.dtype, scaled.shape) == (X.dtype, X.shape), scaled.dtype
    )
    is_missing = np.isnan(X)
    must(cls, "leave missing values missing", bool(np.isnan(scaled[is_missing]).all()), scaled[is_missing])
    for values, what in ((scaled[~is_missing], "of training"), (later, "that are much larger than in training")):
        must(cls, f"give finite values for values {what}", bool(np.isfinite(values).all()), values)
    must(cls, "leave its input as it was", np.array_equal(X, before, equal_nan=True), "a changed input")
    must(cls, "take tables without columns and of one row", empty == [(len(X), 0), (1, X.shape[1])], empty)
    _must_agree(cls, "be the same from the same seed", again, scaled)
    _must_agree(cls, "transform a row alone as among others", alone, scaled[:20])
    odd = {name: type(value) for name, value in state.items() if not _is_numeric(value)}
    must(cls, "have numeric arrays as its state", not odd, odd)
    restored = cls()
    with without_errors(cls, "be restored from its state"):
        restored.restore(state)
        _must_agree(cls, "transform the same once restored from its state", restored.transform(X), scaled)


def _table() -> NDArray[np.float32]:
    """Columns of several scales, a constant one, one without a value, and missing values."""
    rng = np.random.default_rng(0)
    columns = [rng.normal(3, 2, 200), rng.exponential(size=200) * 1e-9, rng.normal(size=200) * 1e9]
    X = np.stack([*columns, np.full(200, 7.0), np.full(200, np.nan)], axis=1).astype(np.float32)
    X[::7, 0] = np.nan
    return X


def _must_agree(cls: type[Scaler], contract: str, first: NDArray[np.float32], second: NDArray[np.float32]) -> None:
    must(cls, contract, np.array_equal(np.isnan(first), np.isnan(second)), "other missing values")
    must_agree(cls, contract, np.nan_to_num(first), np.nan_to_num(second), 1e-6)


def _is_numeric(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "biuf"

"""The contracts of a step of preprocessing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from raytabdl.component import Config
from raytabdl.inputs import Inputs, Target
from raytabdl.preprocessing.step import Step
from raytabdl.testing.contract import TARGETS, must, must_agree, rows, truth, unknown_rows, without_errors


def check_step(cls: type[Step], config: Config | None = None) -> None:
    """Raises ContractError where a step, with the arguments in ``config``, breaks a contract.

    It maps a row alone as among others, finite numbers to finite ones and codes to codes below their cardinalities; the
    fit follows from rows, targets and seed, and leaves the rows as they were; and its state is arrays, from which it
    can be restored. Numbers are not missing: where a step comes before imputation it may meet missing ones as well.
    """
    for target in TARGETS:
        for d_num, cardinalities in ((4, (4, 30)), (2, ()), (0, (3,))):
            X = _filled(rows(n=80, d_num=d_num, cardinalities=cardinalities))
            _check(cls, dict(config or {}), X, target)


def _check(cls: type[Step], config: dict[str, Any], X: Inputs, target: Target) -> None:
    said = f"in a {target.task_type.value} task with {dict(config)} and {X.numeric.shape[1]} numbers"
    y = _targets(X, target)
    before = X.take(np.arange(len(X)))
    new = X.take(np.arange(30))
    build: Callable[..., Step] = cls
    with without_errors(cls, f"be fitted and map rows {said}"):
        step, same = build(**config), build(**config)
        trained = step.fit_transform(X, y, target, np.random.default_rng(0))
        again = same.fit_transform(X, y, target, np.random.default_rng(0))
        mapped = step.transform(new)
        alone = [step.transform(new.take(np.array([i]))) for i in range(5)]
        unseen = step.transform(_filled(unknown_rows(new)))
        restored = build(**config)
        restored.restore(step.state())
        from_state = restored.transform(new)
    for result, n, what in ((trained, len(X), "its rows"), (mapped, 30, "new rows"), (unseen, 30, "unknown rows")):
        must(cls, f"keep the number of rows {said}", len(result) == n, len(result))
        finite = bool(np.isfinite(result.numeric).all()) and result.numeric.dtype == np.float32
        must(cls, f"give finite float32 for {what} {said}", finite, result.numeric)
        codes = result.categorical
        legal = bool((codes >= 0).all() and (codes < np.array(result.cardinalities, int)).all())
        must(cls, f"give codes below their cardinalities for {what} {said}", legal, codes)
        must(
            cls,
            f"give as many columns for {what} as for all others {said}",
            result.numeric.shape[1] == trained.numeric.shape[1] and result.cardinalities == trained.cardinalities,
            (result.numeric.shape[1], result.cardinalities),
        )
    unchanged = np.array_equal(X.numeric, before.numeric) and np.array_equal(X.categorical, before.categorical)
    must(cls, f"leave its input as it was {said}", unchanged, "a changed input")
    odd = {name: type(value) for name, value in step.state().items() if not isinstance(value, np.ndarray)}
    must(cls, f"have arrays as its state {said}", not odd, odd)
    for first, second, contract in (
        (again, trained, "be the same from the same seed"),
        (from_state, mapped, "map the same once restored from its state"),
        (_joined(alone), mapped.take(np.arange(5)), "map a row alone as among others"),
    ):
        must_agree(cls, f"{contract} {said}", first.numeric, second.numeric, 1e-5)
        must_agree(cls, f"{contract} {said}", first.categorical.astype(float), second.categorical.astype(float), 0.0)


def _filled(X: Inputs) -> Inputs:
    return Inputs(np.nan_to_num(X.numeric), X.categorical, X.cardinalities)


def _targets(X: Inputs, target: Target) -> Any:
    if X.numeric.shape[1] and X.cardinalities:
        return truth(X, target)
    signal = np.random.default_rng(0).permutation(len(X))
    return signal * target.n_classes // len(X) if target.n_classes else signal.astype(float)


def _joined(parts: list[Inputs]) -> Inputs:
    numeric, categorical = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("numeric", "categorical")
    )
    return Inputs(numeric, categorical, parts[0].cardinalities)

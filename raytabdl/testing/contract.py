"""What the checks share: how a broken contract is said, configurations, and small tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raytabdl.component import Config
from raytabdl.exceptions import RaytabdlError
from raytabdl.inputs import Array, Inputs, Target, TaskType
from raytabdl.search.vectors import to_config
from raytabdl.space import Choices, arguments, configuration_space

TARGETS = (Target(TaskType.BINARY, 2), Target(TaskType.MULTICLASS, 3), Target(TaskType.REGRESSION, 0))


class ContractError(RaytabdlError, AssertionError):
    """A member that breaks a contract of its family."""


def must(member: object, contract: str, holds: bool, seen: object) -> None:
    """Raises ContractError unless the contract holds."""
    if not holds:
        raise ContractError(f"{_name(member)} must {contract}, got {seen}")


@contextmanager
def without_errors(member: object, contract: str) -> Iterator[None]:
    """A block in which any error, but a broken contract, breaks this one."""
    try:
        yield
    except ContractError:
        raise
    except Exception as error:  # a member of a user's own may raise anything
        raise ContractError(f"{_name(member)} must {contract}, got {error!r}") from error


def must_agree(member: object, contract: str, first: Array, second: Array, tolerance: float) -> None:
    """Raises ContractError unless the arrays are alike, up to a share of the largest value."""
    if first.shape != second.shape:
        raise ContractError(f"{_name(member)} must {contract}, got shapes {first.shape} and {second.shape}")
    difference = float(np.abs(first - second).max(initial=0.0))
    scale = float(np.abs(first).max(initial=1.0))
    must(member, contract, difference <= tolerance * scale, f"a difference of {difference:.3g}")


def must_be_predictions(member: object, predictions: Array, n: int, target: Target, rows: str) -> None:
    """Raises ContractError unless these are n predictions of the target, as ``Target`` describes them."""
    shape = (n, target.n_classes) if target.task_type.is_classification else (n,)
    must(member, f"give predictions of shape {shape} for {rows}", predictions.shape == shape, predictions.shape)
    must(member, f"give finite predictions for {rows}", bool(np.isfinite(predictions).all()), predictions)
    if target.task_type.is_classification:
        is_valid = (predictions >= 0).all() and np.allclose(predictions.sum(axis=1), 1, atol=1e-5)
        must(member, f"give probabilities that add up to 1 for {rows}", bool(is_valid), predictions)


def configurations(choices: Choices, prefix: str, n: int = 8) -> list[Config]:
    """The arguments below a prefix: the defaults, and random ones."""
    space = configuration_space(choices, seed=0)
    drawn = [space.get_default_configuration(), *space.sample_configuration(n)]
    return [arguments(to_config(each.get_array(), space), prefix) for each in drawn]


def rows(n: int = 60, seed: int = 0, d_num: int = 3, cardinalities: tuple[int, ...] = (4, 7)) -> Inputs:
    """Random rows, a tenth of their numbers missing."""
    rng = np.random.default_rng(seed)
    numeric = rng.normal(size=(n, d_num)).astype(np.float32)
    numeric[rng.random(numeric.shape) < 0.1] = np.nan
    codes = [rng.integers(1, cardinality, size=n) for cardinality in cardinalities]
    return Inputs(numeric, np.reshape(codes, (-1, n)).T.astype(np.int32), cardinalities)


def unknown_rows(like: Inputs) -> Inputs:
    """Rows without a number, and with categories that training did not see."""
    return Inputs(np.full_like(like.numeric, np.nan), np.zeros_like(like.categorical), like.cardinalities)


def truth(X: Inputs, target: Target) -> NDArray[Any]:
    """A target that depends on a number and a category; every class occurs."""
    signal = np.nan_to_num(X.numeric[:, 0]) + (X.categorical[:, 0] == 2)
    if not target.task_type.is_classification:
        return np.asarray(signal, np.float64)
    return np.asarray(np.digitize(signal, np.quantile(signal, np.linspace(0, 1, target.n_classes + 1)[1:-1])))


def _name(member: object) -> str:
    return member.__name__ if isinstance(member, type) else str(getattr(member, "name", member))

"""How the width of a network's layers and its dropout rates change with depth: the seven shapes of Auto-PyTorch."""

from __future__ import annotations

from collections.abc import Callable


def widths(shape: str, d_in: int, d_out: int, max_units: int, n_layers: int) -> list[int]:
    """The width of each of ``n_layers`` layers, the output layer last.

    No hidden layer is wider than ``max_units``; Auto-PyTorch lets a table with more inputs than that raise the bound.

    >>> widths("funnel", 20, 3, 100, 4)
    [100, 68, 36, 3]
    >>> widths("diamond", 20, 3, 100, 6)
    [46, 72, 100, 68, 36, 3]
    """
    if min(d_in, d_out, max_units) < 1:
        raise ValueError(f"widths must be at least 1, got {d_in=}, {d_out=}, {max_units=}")
    return [*_hidden(shape, min(d_in, max_units), min(d_out, max_units), max_units, n_layers), d_out]


def dropout_rates(shape: str, max_dropout: float, n_layers: int) -> list[float]:
    """The dropout rate after each of ``n_layers`` layers; zero after the last, the output layer.

    >>> dropout_rates("funnel", 0.5, 3)
    [0.5, 0.25, 0.0]
    """
    if not 0 <= max_dropout < 1:
        raise ValueError(f"max_dropout must be in [0, 1), got {max_dropout=}")
    return [max_dropout * (width / 1000) for width in [*_hidden(shape, 0, 0, 1000, n_layers), 0]]


def _hidden(shape: str, start: int, end: int, top: int, n_layers: int) -> list[int]:
    if n_layers < 1:
        raise ValueError(f"n_layers must be at least 1, got {n_layers=}")
    if shape not in _HIDDEN:
        raise ValueError(f"shape must be one of {', '.join(SHAPES)}, got {shape=}")
    return _HIDDEN[shape](start, end, top, n_layers - 1)


def _rise(start: int, top: int, n: int) -> list[int]:
    """The ``n`` widths after ``start``, in equal steps up to ``top``."""
    return [start + (top - start) // n * i for i in range(1, n)] + [top] * (n > 0)


def _fall(top: int, end: int, n: int) -> list[int]:
    """The ``n`` widths before ``end``, in equal steps down from ``top``."""
    return [top - (top - end) // n * i for i in range(n)]


def _brick(start: int, end: int, top: int, n: int) -> list[int]:
    return [top] * n


def _triangle(start: int, end: int, top: int, n: int) -> list[int]:
    return _rise(start, top, n)


def _funnel(start: int, end: int, top: int, n: int) -> list[int]:
    return _fall(top, end, n)


def _long_funnel(start: int, end: int, top: int, n: int) -> list[int]:
    n_flat = (n + 1) // 2
    return [top] * n_flat + _fall(top, end, n - n_flat)


def _diamond(start: int, end: int, top: int, n: int) -> list[int]:
    rise = _rise(start, top, (n + 1) // 2)[:-1]  # the fall begins at the tip
    return rise + _fall(top, end, n - len(rise))


def _hexagon(start: int, end: int, top: int, n: int) -> list[int]:
    third = (n + 1) // 3
    return _rise(start, top, third) + [top] * (n - 2 * third) + _fall(top, end, third)


def _stairs(start: int, end: int, top: int, n: int) -> list[int]:
    funnel = _fall(top, end, n)
    return [funnel[(i + n % 2) // 2 * 2] for i in range(n)]  # pairs; of an odd number the first stands alone


_HIDDEN: dict[str, Callable[[int, int, int, int], list[int]]] = {
    "brick": _brick,
    "triangle": _triangle,
    "funnel": _funnel,
    "long_funnel": _long_funnel,
    "diamond": _diamond,
    "hexagon": _hexagon,
    "stairs": _stairs,
}

SHAPES = tuple(_HIDDEN)

"""Where commands take learning curves from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from raytabdl.curves import Benchmark

F = TypeVar("F", bound=Callable[..., Any])


def source_options(command: F) -> F:
    """The argument SOURCE with what a surrogate needs beside it."""
    command = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the draws.")(
        command
    )
    command = click.option(
        "--configs",
        "n_configs",
        type=click.IntRange(min=1),
        default=300,
        show_default=True,
        help="How many are drawn, where SOURCE is a surrogate.",
    )(command)
    return click.argument("source", type=click.Path(exists=True, path_type=Path))(command)


def open_benchmark(source: Path, n_configs: int, seed: int) -> Benchmark:
    """LCBench in a file, curves in the folder that they are made in, or random configurations of the surrogate."""
    from raytabdl.curves import CurveFolder, LCBench, Surrogate
    from raytabdl.curves.folder import LINES
    from raytabdl.curves.surrogate import random_configs

    if (source / LINES).exists():
        return CurveFolder(source)
    return Surrogate(source, random_configs(n_configs, seed)) if source.is_dir() else LCBench(source)

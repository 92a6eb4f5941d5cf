"""`raytabdl lcbench`: learning curves of LCBench fetched, made and asked."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from raytabdl.commands.benchmark_source import open_benchmark, source_options
from raytabdl.commands.console import show_table
from raytabdl.commands.lcbench_run import make_curves


@click.group("lcbench")
def lcbench() -> None:
    """Learning curves of many configurations on many data sets.

    SOURCE is a file of LCBench (.json, .zip), one of ours (.json, .parquet), the folder in which raytabdl lcbench run
    makes curves, or that of YAHPO Gym's surrogate.
    """


lcbench.add_command(make_curves)


@lcbench.command()
@click.argument("edition", type=click.Choice(("full", "light")), default="light")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Where to.  [default: .]")
@click.option("--url", help="Another address of the file.  [default: figshare's]")
def download(edition: str, out: Path, url: str | None) -> None:
    """Fetch LCBench; what had arrived of it is kept, and only the rest is fetched.

    The light edition is without statistics of gradients. Files of gigabytes are read as they are, without unzipping.
    """
    from raytabdl.curves.download import ORIGINALS
    from raytabdl.curves.download import download as fetch

    original = ORIGINALS[edition]
    path = out / original.name
    if path.exists():
        raise click.UsageError(f"{path} is there already; delete it to fetch it again")
    out.mkdir(parents=True, exist_ok=True)
    fetch(url or original.url, path, _show_progress if sys.stderr.isatty() else lambda done, total: None)
    click.echo(f"{path} ({path.stat().st_size:,} bytes)")


@lcbench.command()
@source_options
def info(source: Path, n_configs: int, seed: int) -> None:
    """Show what SOURCE holds: data sets, configurations, epochs and tags."""
    import pandas as pd

    benchmark = open_benchmark(source, n_configs, seed)
    tasks = benchmark.openml_task_ids
    rows = [
        {
            "data set": name,
            "OpenML task": tasks.get(name, ""),
            "configurations": benchmark.n_configs(name),
            "values per curve": max(map(len, benchmark.curve(name, benchmark.config_ids(name)[0]).log.values())),
        }
        for name in benchmark.dataset_names
    ]
    show_table(f"{source}: {len(rows)} data sets", pd.DataFrame(rows))
    click.echo(f"Tags: {', '.join(benchmark.tags())}")


@lcbench.command()
@source_options
@click.argument("dataset")
@click.argument("tag")
@click.argument("config", required=False)
def query(source: Path, n_configs: int, seed: int, dataset: str, tag: str, config: str | None) -> None:
    """Show the values of TAG on DATASET, of CONFIG or of the best one, as JSON."""
    from raytabdl.persistence import finite

    benchmark = open_benchmark(source, n_configs, seed)
    chosen = benchmark.query_best(dataset, tag)[0] if config is None else config
    curve = benchmark.curve(dataset, chosen)
    values = finite(curve.values(tag).tolist())
    click.echo(json.dumps({"id": chosen, "config": dict(curve.config), tag: values}))


def _show_progress(done: int, total: int | None) -> None:
    whole = f" of {total / 1e6:,.0f}" if total else ""
    click.echo(f"\r{done / 1e6:,.0f}{whole} MB", nl=done == total, err=True)

"""`raytabdl serve`: a model behind HTTP."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import click

from raytabdl.commands.arguments import RUN


@click.command()
@click.argument("model", type=RUN)
@click.option("--port", type=click.IntRange(1, 65_535), default=8000, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="What to listen on; 0.0.0.0 is every interface.")
def serve(model: Path, port: int, host: str) -> None:
    """Serve MODEL, a saved model or a finished run, until Ctrl-C.

    POST {"rows": [{"column": value, ...}, ...]} is answered with predictions, GET with the columns that a row names.
    """
    from raytabdl.estimators import load
    from raytabdl.serving import served

    load(model)  # refuses what is no model before Ray is started
    is_over = threading.Event()
    with served(model, host=host, port=port) as url:
        for number in (signal.SIGINT, signal.SIGTERM):  # here: Ray's own handlers, from its start, end the process
            signal.signal(number, lambda *_: is_over.set())
        click.echo(f"serving {model} on {url}")
        is_over.wait()

"""A saved model behind HTTP, by Ray Serve: the extra ``serve``."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from raytabdl.exceptions import ClusterError, SettingError
from raytabdl.runtime.cluster import connect, prepare_environment
from raytabdl.space import Choices

LOOPBACK = "127.0.0.1"

__all__ = ["LOOPBACK", "served"]


@contextmanager
def served(path: Path, *, host: str = LOOPBACK, port: int = 8000, choices: Choices | None = None) -> Iterator[str]:
    """The URL under which the saved model in a folder answers, until the block ends.

    Uses the Ray that runs, or starts one. ``host`` is what is listened on: whoever reaches it may ask the model, since
    Ray Serve asks for no token. Raises SettingError where the extra is not installed, ClusterError where nothing can be
    deployed or the port is taken.
    """
    prepare_environment()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Ray's own use of pydantic
            from ray import serve

            from raytabdl.serving.deployment import application
    except ImportError as error:
        raise SettingError("serving needs Ray Serve: pip install 'raytabdl[serve]'") from error
    import ray

    cluster = connect()
    try:
        try:
            serve.start(http_options={"host": host, "port": port})
            serve.run(application(path, choices), name="raytabdl", route_prefix="/")
        except (RuntimeError, ray.exceptions.RayError) as error:
            raise ClusterError(f"the model cannot be served on {host}:{port}: {error}") from error
        yield f"http://{host}:{port}/"
    finally:
        serve.shutdown()
        if cluster.is_own:
            ray.shutdown()

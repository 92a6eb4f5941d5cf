"""A saved model behind HTTP, by Ray Serve: the extra ``serve``."""

from __future__ import annotations

import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from raytabdl.exceptions import ClusterError, SettingError
from raytabdl.runtime.cluster import connected, prepare_environment
from raytabdl.space import Choices

LOOPBACK = "127.0.0.1"

__all__ = ["LOOPBACK", "served"]


@contextmanager
def served(
    path: str | Path, *, host: str = LOOPBACK, port: int = 8000, choices: Choices | None = None
) -> Iterator[str]:
    """The URL under which the saved model in a folder answers, until the block ends.

    Uses the Ray that runs, or starts one. ``host`` is what is listened on: whoever reaches it may ask the model, since
    Ray Serve asks for no token. Raises SettingError where the extra is not installed or the port is taken, ClusterError
    where nothing can be deployed, or the cluster has a Ray Serve already, which would have to end with the block.
    """
    _check_free(host, port)
    prepare_environment()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Ray's own use of pydantic
            from ray import serve

            from raytabdl.serving.deployment import application
    except ImportError as error:
        raise SettingError("serving needs Ray Serve: pip install 'raytabdl[serve]'") from error
    import ray

    with connected():
        _check_no_other()
        try:
            try:
                serve.start(http_options={"host": host, "port": port})
                serve.run(application(Path(path), choices), name="raytabdl", route_prefix="/")
            except (RuntimeError, ray.exceptions.RayError) as error:
                raise ClusterError(f"the model cannot be served on {host}:{port}: {error}") from error
            yield f"http://{f'[{host}]' if ':' in host else host}:{port}/"
        finally:
            serve.shutdown()


def _check_free(host: str, port: int) -> None:
    """Raises SettingError where something listens on the port: Ray's proxy would share it, and answer in turn."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # else a connection that has ended would count
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingError(
                f"{host}:{port} cannot be listened on ({error.strerror}); choose another port"
            ) from error


def _check_no_other() -> None:
    """Raises ClusterError where Ray Serve runs in the cluster: it has its own host and port, and apps of others."""
    import ray

    try:
        ray.get_actor("SERVE_CONTROLLER_ACTOR", namespace="serve")
    except ValueError:
        return
    raise ClusterError(
        "Ray Serve runs in this cluster already; deploy the model beside its other apps: "
        "ray.serve.run(raytabdl.serving.deployment.application(path), name=..., route_prefix=...)"
    )

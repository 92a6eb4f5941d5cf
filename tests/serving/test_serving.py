"""A saved model behind HTTP on loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from raytabdl import cli
from raytabdl.exceptions import ClusterError
from raytabdl.serving import served

pytestmark = pytest.mark.ray

GOLDEN = Path(__file__).parents[1] / "golden" / "format-1" / "classifier"


@pytest.fixture(scope="module")
def url(ray_cluster: None) -> Iterator[str]:
    with served(GOLDEN / "model", port=free_port()) as url:
        yield url


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def ask(url: str, content: Any, kind: str = "application/json", method: str = "POST") -> tuple[int, Any]:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    request = urllib.request.Request(url, data, {"Content-Type": kind}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    frame = pd.read_csv(GOLDEN / "rows.csv").astype(object)
    return frame.where(frame.notna(), None).to_dict("records")


def test_rows_are_answered_with_the_models_predictions(url: str, rows: list[dict[str, Any]]) -> None:
    status, content = ask(url, {"rows": rows})
    expected = np.array(json.loads((GOLDEN / "expected.json").read_text())["predictions"])
    assert status == 200
    np.testing.assert_allclose([list(row.values()) for row in content["probabilities"]], expected, rtol=1e-5)
    assert content["predictions"] == np.array(["few", "many", "some"])[expected.argmax(axis=1)].tolist()


def test_requests_at_once_are_each_answered_with_their_own(url: str, rows: list[dict[str, Any]]) -> None:
    """One of them is bad, which is no matter of the others in its batch."""
    _, together = ask(url, {"rows": rows})
    requests = [*({"rows": [row]} for row in rows), {"rows": [{}]}]
    with ThreadPoolExecutor(len(requests)) as pool:
        *answers, refused = pool.map(lambda content: ask(url, content), requests)
    assert refused[0] == 422
    for (status, own), expected in zip(answers, together["probabilities"], strict=True):
        assert status == 200
        np.testing.assert_allclose(list(own["probabilities"][0].values()), list(expected.values()), rtol=1e-4)


def test_bad_columns_are_422_and_named(url: str, rows: list[dict[str, Any]]) -> None:
    status, content = ask(url, {"rows": [{**rows[0], "size": "large"}]})
    assert (status, content["columns"]) == (422, ["size"])
    assert "'size' must hold numbers, got 'large'" in content["error"]


def test_what_is_no_json_is_refused(url: str) -> None:
    assert ask(url, b"{")[0] == 400
    assert ask(url, b"{}", kind="text/plain")[0] == 415
    assert ask(url, b"{}", method="PUT")[0] == 405


def test_a_request_that_is_too_long_is_refused(url: str) -> None:
    assert ask(url, b" " * (16 * 1024 * 1024 + 1))[0] == 413


def test_the_columns_and_the_health_are_there_to_be_asked(url: str) -> None:
    with urllib.request.urlopen(url, timeout=60) as response:
        assert len(json.load(response)["columns"]) == 6
    with urllib.request.urlopen(f"{url}-/healthz", timeout=60) as response:
        assert response.status == 200


def test_only_loopback_is_listened_on(url: str) -> None:
    port = int(url.rstrip("/").rpartition(":")[2])
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = {address for _, address, _, state, *_ in lines if state == "0A" and address.endswith(f":{port:04X}")}
    assert listening == {f"0100007F:{port:04X}"}


def test_a_folder_without_a_model_is_refused_before_ray_is_asked(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.commands, ["serve", str(tmp_path)])
    assert result.exit_code == 2
    assert "no saved model" in result.stderr


def test_a_port_that_is_taken_is_refused_before_ray_is_asked() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(cli.commands, ["serve", str(GOLDEN / "model"), "--port", str(port)])
    assert result.exit_code == 2
    assert f"127.0.0.1:{port} cannot be listened on" in result.stderr


def test_a_cluster_that_serves_already_is_left_alone(url: str) -> None:
    with pytest.raises(ClusterError, match="runs in this cluster already"), served(GOLDEN / "model", port=free_port()):
        pass
    assert ask(url, b"{")[0] == 400


@pytest.mark.slow
def test_the_command_serves_until_it_is_told_to_end(rows: list[dict[str, Any]]) -> None:
    port = free_port()
    command = [sys.executable, "-m", "raytabdl", "serve", str(GOLDEN / "model"), "--port", str(port)]
    environment = {**os.environ, "RAY_ADDRESS": "local"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line == f"serving {GOLDEN / 'model'} on http://127.0.0.1:{port}/\n"
            assert ask(f"http://127.0.0.1:{port}/", {"rows": rows[:1]})[0] == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()

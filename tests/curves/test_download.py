from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from raytabdl.curves.download import ORIGINALS, download
from raytabdl.exceptions import CurvesError


class Server(ThreadingHTTPServer):
    """Serves one file, whole or from a byte on; ``breaks_at`` ends an answer early, as a lost connection does."""

    content = b""
    knows_ranges = True
    breaks_at: int | None = None
    ranges: list[str | None]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted, content = self.headers.get("Range"), self.server.content
        self.server.ranges.append(wanted)
        if self.path != "/data.zip":
            self.send_error(404)
            return
        start = int(wanted[len("bytes=") : -1]) if wanted and self.server.knows_ranges else 0
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : self.server.breaks_at])

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    """A zip file of some 100 kB, on the loopback interface."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("data.json", np.random.default_rng(0).bytes(100_000))
    with Server(("127.0.0.1", 0), Handler) as server:
        server.content, server.ranges = packed.getvalue(), []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_port}/data.zip"


def test_a_file_arrives_as_it_is(server: Server, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    download(url(server), tmp_path / "data.zip", lambda done, total: told.append((done, total)))
    assert (tmp_path / "data.zip").read_bytes() == server.content
    assert told[-1] == (len(server.content), len(server.content))
    assert list(tmp_path.iterdir()) == [tmp_path / "data.zip"]


def test_a_lost_connection_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    server.breaks_at = 60_000
    with pytest.raises(CurvesError, match="goes on where it stopped"):
        download(url(server), tmp_path / "data.zip")
    assert not (tmp_path / "data.zip").exists()
    assert (tmp_path / "data.zip.part").stat().st_size == 60_000
    server.breaks_at = None
    download(url(server), tmp_path / "data.zip")
    assert (tmp_path / "data.zip").read_bytes() == server.content
    assert server.ranges == [None, "bytes=60000-"]


def test_a_server_without_ranges_sends_the_whole_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.zip.part").write_bytes(b"other beginning")
    server.knows_ranges = False
    download(url(server), tmp_path / "data.zip")
    assert (tmp_path / "data.zip").read_bytes() == server.content


def test_what_had_arrived_whole_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.zip.part").write_bytes(server.content)
    download(url(server), tmp_path / "data.zip")
    assert (tmp_path / "data.zip").read_bytes() == server.content


@pytest.mark.parametrize("beginning", [b"x" * 5000, b"x" * 200_000])
def test_the_beginning_of_another_file_is_found_out(beginning: bytes, server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.zip.part").write_bytes(beginning)
    with pytest.raises(CurvesError, match=r"delete .*data\.zip\.part and fetch it again"):
        download(url(server), tmp_path / "data.zip")
    assert not (tmp_path / "data.zip").exists()


def test_what_is_no_zip_file_is_refused(server: Server, tmp_path: Path) -> None:
    server.content = b"<html>Please log in</html>"
    with pytest.raises(CurvesError, match="gave no zip file"):
        download(url(server), tmp_path / "data.zip")


def test_an_address_that_is_not_there_is_named(server: Server, tmp_path: Path) -> None:
    with pytest.raises(CurvesError, match=r"/data\.zip/other answers 404"):
        download(url(server) + "/other", tmp_path / "data.zip")
    server.shutdown()
    server.server_close()
    with pytest.raises(CurvesError, match="cannot be fetched"):
        download(url(server), tmp_path / "data.zip")
    assert list(tmp_path.iterdir()) == []


def test_the_originals_are_those_of_figshare() -> None:
    assert ORIGINALS["light"].url.endswith("/21188598")
    assert ORIGINALS["full"].url.endswith("/21188607")

"""The original files of LCBench, fetched from figshare."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from raytabdl.exceptions import CurvesError

SITE = "https://ndownloader.figshare.com/files"
TIMEOUT_S = 60
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Original:
    """A file of figshare's project 74151 by the number that figshare gives it."""

    name: str
    figshare_id: int

    @property
    def url(self) -> str:
        return f"{SITE}/{self.figshare_id}"


ORIGINALS = {"full": Original("data_2k.zip", 21188607), "light": Original("data_2k_lw.zip", 21188598)}
"""2,000 configurations on 35 data sets, with and without statistics of gradients."""


def download(url: str, path: Path, progress: Callable[[int, int | None], None] = lambda done, total: None) -> None:
    """Fetches a file, or the rest of it where ``path`` with the ending .part holds its beginning.

    ``progress`` is told the bytes that are there and the size of the whole. Raises CurvesError where the size is not
    the one that the server names, or a zip file is damaged.
    """
    if not url.startswith(("https://", "http://")):
        raise CurvesError(f"{url} must begin with https:// or http://, which files are fetched by")
    partial = path.with_name(path.name + ".part")
    begun = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={begun}-"} if begun else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # nosec B310  # the scheme was checked
            total = _receive(response, partial, begun, progress)
    except urllib.error.HTTPError as error:
        total = _size_named(error.headers.get("Content-Range"))
        # The server has nothing beyond what is there already.
        if error.code != 416 or total != begun:
            again = f"; delete {partial} and fetch it again" if error.code == 416 else ""
            raise CurvesError(f"{url} answers {error.code} {error.reason}{again}") from error
    except (OSError, HTTPException) as error:
        raise CurvesError(f"{url} cannot be fetched ({error}); the same command goes on where it stopped") from error
    _check(url, partial, total)
    os.replace(partial, path)


def _receive(
    response: HTTPResponse, partial: Path, begun: int, progress: Callable[[int, int | None], None]
) -> int | None:
    """Appends what comes, or starts again where the server sends the whole file; returns the whole's size."""
    resumed = response.status == 206
    length = response.headers.get("Content-Length")
    whole = int(length) if length else None
    total = _size_named(response.headers.get("Content-Range")) if resumed else whole
    done = begun if resumed else 0
    with partial.open("ab" if resumed else "wb") as file:
        while chunk := response.read(_CHUNK):
            file.write(chunk)
            done += len(chunk)
            progress(done, total)
    return total


def _size_named(content_range: str | None) -> int | None:
    """The size of the whole in ``bytes 5-9/10``, where it is named."""
    size = (content_range or "").rpartition("/")[2]
    return int(size) if size.isdigit() else None


def _check(url: str, partial: Path, total: int | None) -> None:
    size = partial.stat().st_size
    if total is not None and size != total:
        mend = "the same command goes on where it stopped" if size < total else f"delete {partial} and fetch it again"
        raise CurvesError(f"{url} must give {total} bytes, got {size}; {mend}")
    if partial.name.endswith(".zip.part"):
        try:
            with zipfile.ZipFile(partial) as archive:
                damaged = archive.testzip()
        except zipfile.BadZipFile as error:
            raise CurvesError(f"{url} gave no zip file ({error}); delete {partial} and fetch it again") from error
        if damaged is not None:
            raise CurvesError(f"{url} gave a damaged {damaged}; delete {partial} and fetch it again")

"""One process at a time writes a folder."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from raytabdl.exceptions import RunFolderError

_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""What is said of a file system that has none."""


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Keeps other processes from the folder of an existing file, which is locked while the block lasts.

    Raises RunFolderError where one is at it, or nothing may be written. The lock ends with the process that holds it,
    however that ends.
    """
    if sys.platform == "win32":
        yield  # there are no locks of this kind
        return
    import fcntl

    try:
        opened = file.open("rb+")
    except OSError as error:
        raise RunFolderError(f"{file.parent} cannot be written: {error}") from error
    with opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunFolderError(
                f"{file.parent} is being written by another process; wait for it, or end it first"
            ) from error
        except OSError as error:
            if error.errno not in _WITHOUT_LOCKS:
                raise
        yield

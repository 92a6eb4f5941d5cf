"""What folds became by the steps of a configuration, computed once for all trials that share them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from raytabdl.persistence import make_folder, map_arrays, write_arrays

MAX_BYTES = 4 * 2**30
"""The size of a folder, about; what was used longest ago goes first."""

_N_IN_MEMORY = 2
"""The last few stay at hand: a trial asks for its own more than once."""

Arrays = dict[str, NDArray[Any]]


class FoldCache:
    """Named arrays by a key that says all they depend on.

    They lie in a folder, a file for each key, which is written whole or not at all and mapped into the memory of each
    process that reads it, so that the workers of a machine share one copy. Without a folder the last few are kept.
    """

    def __init__(self, folder: Path | None = None, max_bytes: int = MAX_BYTES) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self._latest: dict[str, Arrays] = {}  # the last used at the end

    def arrays(self, key: str, compute: Callable[[], Arrays]) -> Arrays:
        """The arrays of a key, computed where nobody has yet. They are shared: leave them unchanged."""
        arrays = self._latest.pop(key, None)
        if arrays is None:
            arrays = compute() if self.folder is None else self._shared(self.folder / f"{key}.safetensors", compute)
        self._latest = {**dict(list(self._latest.items())[1 - _N_IN_MEMORY :]), key: arrays}
        return arrays

    def _shared(self, path: Path, compute: Callable[[], Arrays]) -> Arrays:
        """The arrays of a file, which is written where it is missing and there is room for it."""
        try:
            os.utime(path)  # it is in use
            return map_arrays(path)
        except FileNotFoundError:
            arrays = compute()
        if not self._make_room(path.parent, sum(array.nbytes for array in arrays.values())):
            return arrays
        write_arrays(make_folder(path.parent) / path.name, arrays)
        try:
            return map_arrays(path)
        except FileNotFoundError:  # another worker was in need of room
            return arrays

    def _make_room(self, folder: Path, n_bytes: int) -> bool:
        """Deletes what was used longest ago, and gives whether there is room; what is mapped lives on until let go."""
        used: list[tuple[float, int, Path]] = []
        for path in folder.glob("*.safetensors"):
            try:
                stat = path.stat()
            except FileNotFoundError:  # another worker was at it
                continue
            used.append((stat.st_mtime, stat.st_size, path))
        left = self.max_bytes - n_bytes - sum(size for _, size, _ in used)
        for _, size, path in sorted(used):
            if left >= 0 or n_bytes > self.max_bytes:
                break
            path.unlink(missing_ok=True)
            left += size
        return left >= 0

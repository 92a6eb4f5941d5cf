"""A system that goes wrong in the way that its option names; what the comparison does then is tested with it."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pandas as pd

from protocol import Cell, Fitted, main


def fit(cell: Cell, X: pd.DataFrame, y: pd.Series) -> Fitted:
    fault = cell.options["fault"]
    classes = sorted(set(y)) if cell.is_classification else None
    shape = (len(classes),) if classes else ()
    if fault == "hang":
        # With a child in a session of its own, as servers are, that must not be left behind.
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"], start_new_session=True)
        time.sleep(3600)
    if fault == "crash":
        raise MemoryError("out of something")
    values = {
        "nan": lambda rows: np.full((len(rows), *shape), np.nan),
        "shape": lambda rows: np.zeros((len(rows) - 1, *shape)),
        "unscaled": lambda rows: np.full((len(rows), *shape), 2.0),
    }
    return Fitted(values[fault], classes, 1)


if __name__ == "__main__":
    main(fit)

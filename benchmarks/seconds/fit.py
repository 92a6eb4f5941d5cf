"""One fit of ``run.py``: the bundled adult table, in a process of its own. Prints one JSON line."""

from __future__ import annotations

import json
import sys
import time

BEGAN_AT = float(sys.argv[1])
SECONDS = float(sys.argv[2])
RUN_FOLDER = sys.argv[3]

from raytabdl import TabularClassifier  # noqa: E402
from raytabdl.datasets import load  # noqa: E402

X, y = load("adult")
TabularClassifier  # noqa: B018  # the import is reported apart
imported = time.time()
TabularClassifier(SECONDS, run_folder=RUN_FOLDER, progress=False).fit(X, y)
ended = time.time()
print(json.dumps({"import_s": imported - BEGAN_AT, "fit_s": ended - imported}))

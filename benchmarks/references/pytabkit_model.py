"""Fits an estimator of pytabkit inside its own virtual environment: ``python pytabkit_model.py FOLDER``.

The folder holds ``order.json`` and the parts as parquet. What comes out are predictions of the validation and the test
part, (n, n_classes) or (n,), and the seconds of the fit.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytabkit
import torch


def main() -> None:
    folder = Path(sys.argv[1])
    order = json.loads((folder / "order.json").read_text())
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    train, valid, test = (_read(folder / f"{part}.parquet") for part in ("train", "valid", "test"))
    kind, metric = ("Regressor", "rmse") if order["is_regression"] else ("Classifier", "cross_entropy")
    model = getattr(pytabkit, f"{order['estimator']}_{kind}")(
        n_threads=1, device="cpu", random_state=order["seed"], val_metric_name=metric, **order["arguments"]
    )
    y_train, y_valid = train.pop("target").to_numpy(), valid.pop("target").to_numpy()
    test.pop("target")
    names = [name for name in train.columns if not pd.api.types.is_numeric_dtype(train[name])]
    began = time.perf_counter()
    model.fit(train, y_train, X_val=valid, y_val=y_valid, cat_col_names=names)
    seconds = time.perf_counter() - began
    for part, rows in (("valid", valid), ("test", test)):
        predictions = model.predict(rows) if order["is_regression"] else model.predict_proba(rows)
        np.save(folder / f"{part}.npy", np.asarray(predictions, np.float64), allow_pickle=False)
    (folder / "answer.json").write_text(json.dumps({"seconds": seconds}))


def _read(path: Path) -> pd.DataFrame:
    return pq.read_table(str(path)).to_pandas()


if __name__ == "__main__":
    main()

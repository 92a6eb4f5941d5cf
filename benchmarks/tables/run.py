"""``raytabdl fit`` and ``raytabdl predict`` on real tables, beside HistGradientBoosting with default settings.

``python benchmarks/tables/run.py adult sick`` takes a minute a table; without names it runs five. The tables are
read from the folder named by RAYTABDL_DATA. Writes ``benchmarks/results/tables.json`` and ``tables.md``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score, root_mean_squared_error
from sklearn.model_selection import train_test_split

RESULTS = Path(__file__).parent.parent / "results"
FIVE = ("adult", "credit-g", "covertype", "diamonds", "sick")


@click.command()
@click.argument("names", nargs=-1)
@click.option("--seconds", default=60.0, help="Time limit of a fit.")
@click.option("--seed", default=0, help="Of the split into three quarters and a quarter, and of the fit.")
def main(names: tuple[str, ...], seconds: float, seed: int) -> None:
    folder = Path(os.environ["RAYTABDL_DATA"])
    tables = {table["name"]: table for table in json.loads((folder / "manifest.json").read_text())}
    rows = []
    for name in names or FIVE:
        rows.append(_row(folder / f"{name}.parquet", tables[name], seconds, seed))
        print(rows[-1], flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "tables.json").write_text(json.dumps(rows, indent=1))
    (RESULTS / "tables.md").write_text(_table(rows, seconds))
    print(_table(rows, seconds))


def _row(path: Path, table: dict[str, Any], seconds: float, seed: int) -> dict[str, Any]:
    frame = pd.read_parquet(path)
    target, is_regression = table["target"], table["task"] == "regression"
    train, test = train_test_split(
        frame, test_size=0.25, random_state=seed, stratify=None if is_regression else frame[target]
    )
    row: dict[str, Any] = {"table": table["name"], "task": table["task"], "n_train": len(train)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train.to_parquet(folder / "train.parquet")
        test.drop(columns=target).to_parquet(folder / "test.parquet")
        began = time.perf_counter()
        task = "regression" if is_regression else table["task"]
        fit = _raytabdl(
            *("fit", folder / "train.parquet", "--target", target, "--task", task, "--seed", seed),
            *("--time-limit", seconds, "--out", folder / "run"),
        )
        row["overshoot_s"] = time.perf_counter() - began - seconds
        row["warnings"] = sum("warn" in line.lower() for line in fit.stderr.splitlines())
        options = [] if is_regression else ["--proba"]
        _raytabdl("predict", folder / "run", folder / "test.parquet", "--out", folder / "out.parquet", *options)
        predictions = pd.read_parquet(folder / "out.parquet")
    ours = predictions["prediction"].to_numpy() if is_regression else predictions
    row["ours"] = _scores(test[target], ours)
    row["hgb"] = _scores(test[target], _hist_gradient_boosting(train, test, target, is_regression))
    return row


def _raytabdl(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "raytabdl", *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stderr}")
    return done


def _hist_gradient_boosting(train: pd.DataFrame, test: pd.DataFrame, target: str, is_regression: bool) -> Any:
    """Its predictions; categories as it wants them, those of more than its 255 levels as codes.

    A column without any value goes, since it refuses one.
    """
    both = pd.concat([train, test]).drop(columns=[target, *train.columns[train.isna().all()]])
    for column in both.columns:
        if not pd.api.types.is_numeric_dtype(both[column]):
            as_category = both[column].astype("category")
            both[column] = as_category if as_category.nunique() < 255 else as_category.cat.codes
    cls = HistGradientBoostingRegressor if is_regression else HistGradientBoostingClassifier
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = cls(categorical_features="from_dtype", random_state=0).fit(both.iloc[: len(train)], train[target])
    rows = both.iloc[len(train) :]
    if is_regression:
        return model.predict(rows)
    return pd.DataFrame(model.predict_proba(rows), columns=[str(c) for c in model.classes_])


def _scores(y: pd.Series, predictions: Any) -> dict[str, float]:
    if not isinstance(predictions, pd.DataFrame):
        return {"rmse": float(root_mean_squared_error(y, predictions))}
    labels = sorted(predictions.columns)
    probabilities = predictions[labels].to_numpy(np.float64)
    truth = y.astype(str)
    scores = {
        "log_loss": float(log_loss(truth, probabilities, labels=labels)),
        "accuracy": float(accuracy_score(truth, np.array(labels)[probabilities.argmax(axis=1)])),
    }
    if len(labels) == 2:
        scores["roc_auc"] = float(roc_auc_score(truth == labels[1], probabilities[:, 1]))
    return scores


def _table(rows: list[dict[str, Any]], seconds: float) -> str:
    lines = [
        f"{seconds:.0f} seconds each, {os.cpu_count()} CPUs, a quarter of the rows held out.",
        "",
        "| table | training rows | metric | raytabdl | HistGradientBoosting | overshoot, s | warnings |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        for metric, ours in row["ours"].items():
            lines.append(
                f"| {row['table']} | {row['n_train']} | {metric} | {ours:.5g} | {row['hgb'][metric]:.5g} | "
                f"{row['overshoot_s']:.2f} | {row['warnings']} |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

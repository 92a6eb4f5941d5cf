"""Fits a classification on a Ray cluster; a run that is in the folder already goes on.

    ray submit examples/cluster/aws.yaml examples/cluster/fit.py /shared/runs/first --table /shared/train.parquet
    ray job submit --working-dir examples/cluster -- python fit.py /shared/runs/first --table /shared/train.parquet

The run folder lies on storage that all nodes mount under the same path: trials write their models there.
"""

import argparse
from pathlib import Path

import pandas as pd

from raytabdl import TabularClassifier, datasets

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("run_folder", type=Path, help="a folder on shared storage")
parser.add_argument("--table", help="a parquet file that the head node can read; the bundled table adult without it")
parser.add_argument("--target", default="class", help="the column to predict")
parser.add_argument("--seconds", type=float, default=600)
parser.add_argument("--workers", type=int, help="trials at once; more than there are CPUs lets an autoscaler act")
parser.add_argument("--gpus-per-trial", type=float, help="0.25 lets four trials share a GPU")
arguments = parser.parse_args()

# Nothing is said of the cluster: `ray submit` runs this on the head node, whose Ray is found, and `ray job submit`
# sets RAY_ADDRESS.
if (arguments.run_folder / "run.json").exists():
    clf = TabularClassifier.resume(arguments.run_folder, progress=True)
else:
    if arguments.table:
        X = pd.read_parquet(arguments.table)
        y = X.pop(arguments.target)
    else:
        X, y = datasets.load("adult")
    clf = TabularClassifier(
        arguments.seconds,
        n_workers=arguments.workers,
        gpus_per_trial=arguments.gpus_per_trial,
        run_folder=arguments.run_folder,
        progress=True,
    )
    clf.fit(X, y)
print(clf.leaderboard().head(20).to_string())

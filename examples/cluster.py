"""Fits a classification on a running Ray cluster, where raytabdl is installed on every node.

    ray submit cluster.yaml examples/cluster.py /shared/train.parquet class /shared/runs/first
    ray job submit --working-dir . -- python examples/cluster.py /shared/train.parquet class /shared/runs/first

The run folder lies on storage that all nodes mount under the same path: trials write their models there.
"""

import argparse
import os

import pandas as pd

from raytabdl import TabularClassifier

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("table", help="a parquet file that this node can read")
parser.add_argument("target", help="the column to predict")
parser.add_argument("run_folder", help="a new folder on shared storage")
parser.add_argument("--seconds", type=float, default=600)
parser.add_argument("--gpus-per-trial", type=float, default=0.0, help="0.25 lets four trials share a GPU")
arguments = parser.parse_args()

# `ray submit` runs this on the head node and sets no address; `ray job submit` sets it.
os.environ.setdefault("RAY_ADDRESS", "auto")

table = pd.read_parquet(arguments.table)
y = table.pop(arguments.target)
clf = TabularClassifier(
    arguments.seconds, gpus_per_trial=arguments.gpus_per_trial, run_folder=arguments.run_folder, progress=True
)
clf.fit(table, y)
print(clf.leaderboard().head(20).to_string())

"""Functional ANOVA of 2,000 configurations x 20 hyperparameters beside Optuna's, on the same data and one core.

``python -m benchmarks.importance.run`` takes some minutes and writes ``benchmarks/results/importance.md``. Ours has the
190 pairs as well, Optuna's has none; seconds are CPU time.
"""

from __future__ import annotations

import platform
import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import optuna
from ConfigSpace import ConfigurationSpace, Float

from raytabdl.analysis.fanova import fanova
from raytabdl.analysis.study import Study
from raytabdl.component import Config

N_CONFIGS, N_HYPERPARAMETERS, N_REPEATS = 2000, 20, 3
RESULTS = Path(__file__).parent.parent / "results"
NAMES = [f"x{i:02}" for i in range(N_HYPERPARAMETERS)]


def main() -> None:
    space = ConfigurationSpace(seed=0)
    space.add(*(Float(name, (0.0, 1.0)) for name in NAMES))
    configs = [dict(config) for config in space.sample_configuration(N_CONFIGS)]
    losses = _losses(configs)
    study, known = Study.of(space, configs, losses), _optuna_study(configs, losses)
    ours = [_timed(lambda seed=seed: fanova(study, seed=seed).single) for seed in range(N_REPEATS)]
    theirs = [
        _timed(lambda seed=seed: optuna.importance.FanovaImportanceEvaluator(n_trees=64, seed=seed).evaluate(known))
        for seed in range(N_REPEATS)
    ]
    text = _report(ours, theirs)
    (RESULTS / "importance.md").write_text(text)
    print(text)


def _losses(configs: list[Config]) -> list[float]:
    """A sum with growing weights, a product of two, and noise."""
    X = np.array([[config[name] for name in NAMES] for config in configs], dtype=np.float64)
    noise = np.random.default_rng(0).normal(scale=0.3, size=len(X))
    losses: list[float] = (X @ np.arange(N_HYPERPARAMETERS) / 10 + 3 * X[:, 0] * X[:, 1] + noise).tolist()
    return losses


def _optuna_study(configs: list[Config], losses: list[float]) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study()
    ranges = {name: optuna.distributions.FloatDistribution(0.0, 1.0) for name in NAMES}
    for config, loss in zip(configs, losses, strict=True):
        study.add_trial(optuna.trial.create_trial(params=dict(config), distributions=ranges, value=loss))
    return study


def _timed(run: Callable[[], Mapping[str, float]]) -> tuple[float, Mapping[str, float]]:
    began = time.process_time()
    shares = run()
    seconds = time.process_time() - began
    print(f"{seconds:.1f} s", flush=True)
    return seconds, shares


def _report(ours: list[tuple[float, Mapping[str, float]]], theirs: list[tuple[float, Mapping[str, float]]]) -> str:
    first, second = (statistics.median(seconds for seconds, _ in runs) for runs in (ours, theirs))
    tables = [np.array([[shares[name] for name in NAMES] for _, shares in runs]) for runs in (ours, theirs)]
    spread = float(np.ptp(tables[1], axis=0).max())
    difference = float(np.abs(tables[0].mean(axis=0) - tables[1].mean(axis=0)).max())
    return (
        f"fANOVA of {N_CONFIGS:,} configurations x {N_HYPERPARAMETERS} hyperparameters, 64 trees, one core, "
        f"{platform.machine()}; medians of {N_REPEATS} seeds.\n\n"
        "| | seconds of CPU |\n| --- | ---: |\n"
        f"| raytabdl, single hyperparameters and {N_HYPERPARAMETERS * (N_HYPERPARAMETERS - 1) // 2} pairs "
        f"| {first:.1f} |\n"
        f"| Optuna {optuna.__version__}, single hyperparameters | {second:.1f} |\n\n"
        f"Ratio {second / first:.1f}. The largest difference of a mean share is {difference:.4f}; Optuna's own shares "
        f"differ by up to {spread:.4f} between seeds.\n"
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()

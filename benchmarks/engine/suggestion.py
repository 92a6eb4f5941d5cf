"""The time of one suggestion: ours beside hpbandster's generator, with the same 1,000 results of 40 hyperparameters.

``python -m benchmarks.engine.suggestion`` writes ``benchmarks/results/engine_suggestion.md`` within a minute.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from ConfigSpace import Categorical, ConfigurationSpace, Float, Integer
from hpbandster.optimizers.config_generators.bohb import BOHB as Generator

from raytabdl.search.samplers import BOHB, Observation, RandomSearch

RESULTS = Path(__file__).parent.parent / "results"
N_OBSERVATIONS = 1_000
TARGET_MS, TARGET_RATIO = 10, 50


def main() -> None:
    warnings.simplefilter("ignore")  # hpbandster calls what ConfigSpace deprecates
    space = make_space()
    rng = np.random.default_rng(0)
    draws = RandomSearch(space, 0)
    ours = BOHB(space, 0, random_fraction=0.0)
    theirs = Generator(space, random_fraction=0.0)
    for i in range(N_OBSERVATIONS):
        config, loss = draws.suggest(), rng.random()
        ours.observe(Observation(config, 1, loss, 1.0))
        job = SimpleNamespace(kwargs={"budget": 1.0, "config": config}, result={"loss": loss}, exception=None)
        theirs.new_result(job, update_model=i == N_OBSERVATIONS - 1)
    # A result comes before each of ours, so that its models are made anew; hpbandster's are ready.
    news = [Observation(draws.suggest(), 1, rng.random(), 1.0) for _ in range(50)]

    def suggest() -> None:
        ours.suggest()

    our_ms = []
    for observation in news:
        ours.observe(observation)
        our_ms.append(milliseconds(suggest))
    their_ms = [milliseconds(lambda: theirs.get_config(None)) for _ in range(5)]
    text = table(our_ms, their_ms)
    (RESULTS / "engine_suggestion.md").write_text(text)
    print(text)


def make_space() -> ConfigurationSpace:
    """One family with 40 hyperparameters: 20 real numbers, half of them on a log scale, 10 integers, 10 categories."""
    space = ConfigurationSpace(seed=0)
    space.add(Categorical("model", ["net"]))
    space.add(*(Float(f"real_{i}", (1e-4, 1.0), log=bool(i % 2)) for i in range(20)))
    space.add(*(Integer(f"integer_{i}", (1, 64)) for i in range(10)))
    space.add(*(Categorical(f"category_{i}", ["a", "b", "c"]) for i in range(10)))
    return space


def milliseconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return 1e3 * (time.perf_counter() - began)


def table(ours: list[float], theirs: list[float]) -> str:
    rows = [("raytabdl, models made anew", ours), ("hpbandster 0.7.4, models ready", theirs)]
    ratio = statistics.median(theirs) / statistics.median(ours)
    lines = [
        f"One suggestion from the model, 40 hyperparameters, {N_OBSERVATIONS:,} results; one core, same run. "
        f"Ratio of the medians {ratio:.0f} (to reach: {TARGET_RATIO}); median to reach: {TARGET_MS} ms.",
        "",
        "| generator | median ms | least | most | suggestions |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {name} | {statistics.median(times):.1f} | {min(times):.1f} | {max(times):.1f} | {len(times)} |"
        for name, times in rows
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

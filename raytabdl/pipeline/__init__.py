"""A configuration becomes a fitted predictor: preprocessing, a network or a classic model, and its best state."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raytabdl.component import Config, Horizon
from raytabdl.inputs import Target
from raytabdl.persistence import read_json
from raytabdl.pipeline.base import Pipeline, Point
from raytabdl.pipeline.classic import ClassicPipeline
from raytabdl.pipeline.network import NetworkPipeline
from raytabdl.pipeline.record import EpochRecord, recorded
from raytabdl.preprocessing import FoldCache
from raytabdl.space import ROOT, Choices

__all__ = [
    "ClassicPipeline",
    "EpochRecord",
    "NetworkPipeline",
    "Pipeline",
    "Point",
    "load_model",
    "make_pipeline",
    "recorded",
]


def make_pipeline(
    config: Config,
    choices: Choices,
    target: Target,
    horizon: Horizon,
    seed: int,
    cache: FoldCache | None = None,
) -> Pipeline:
    """The untrained pipeline of a configuration; ``cache`` holds what others made of the same folds."""
    if config[ROOT] in {member.name for member in choices.classic}:
        return ClassicPipeline(config, choices, target, horizon, seed)
    return NetworkPipeline(config, choices, target, horizon, seed, cache)


def load_model(folder: Path, choices: Choices) -> Pipeline:
    """The pipeline that ``save`` wrote; its classes are looked up in the choices, none is imported by name."""
    record: Mapping[str, Any] = read_json(folder / "pipeline.json")
    target = Target.from_json(record)
    pipeline = make_pipeline(record["config"], choices, target, Horizon(**record["horizon"]), record["seed"])
    pipeline._load_model(folder)
    pipeline.budget = record["budget"]
    pipeline.temperature = record["temperature"]
    return pipeline

"""The package's own members keep the contracts of their families."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import raytabdl
from raytabdl import preprocessing
from raytabdl.classic import ALL_CLASSIC
from raytabdl.classic.dummy import Dummy
from raytabdl.component import Classic, Component, Network
from raytabdl.inputs import TaskType
from raytabdl.metrics import CLASSIFICATION, REGRESSION
from raytabdl.networks import ALL_NETWORKS
from raytabdl.preprocessing import ALL_SCALERS, Scaler
from raytabdl.testing import (
    check_classic,
    check_metric,
    check_network,
    check_optimizer,
    check_scaler,
    check_schedule,
    check_step,
)
from raytabdl.training import (
    ALL_OPTIMIZERS,
    ALL_SCHEDULES,
    AUGMENTATIONS,
    AVERAGINGS,
    OBJECTIVES,
    STOPPINGS,
    Optimizer,
    Schedule,
)

STEPS = [
    *((cls, {}) for label in ("levels", "encoder", "features") for cls in preprocessing.FAMILIES[label]),
    (preprocessing.OneHot, {"max_levels": 3}),
]
FAMILIES = {
    Network: ALL_NETWORKS,
    Classic: (*ALL_CLASSIC, Dummy),
    Scaler: ALL_SCALERS,
    Optimizer: ALL_OPTIMIZERS,
    Schedule: ALL_SCHEDULES,
}
OTHERS = (  # whose facts are tested for each member of their tuples, in tests/preprocessing and tests/training
    *(cls for members in preprocessing.FAMILIES.values() for cls in members),
    *AUGMENTATIONS,
    *AVERAGINGS,
    *OBJECTIVES,
    *STOPPINGS,
)
METRICS = [
    *((metric, kind) for metric in CLASSIFICATION.values() for kind in (TaskType.BINARY, TaskType.MULTICLASS)),
    *((metric, TaskType.REGRESSION) for metric in REGRESSION.values()),
]


def named(member):
    return getattr(member, "name", None)


@pytest.mark.parametrize("cls", FAMILIES[Network], ids=named)
def test_a_network_keeps_its_contracts(cls):
    check_network(cls)


@pytest.mark.parametrize("cls", FAMILIES[Classic], ids=named)
def test_a_classic_model_keeps_its_contracts(cls):
    check_classic(cls)


@pytest.mark.parametrize("cls", FAMILIES[Scaler], ids=named)
def test_a_scaler_keeps_its_contracts(cls):
    check_scaler(cls)


@pytest.mark.parametrize(("cls", "config"), STEPS, ids=named)
def test_a_step_keeps_its_contracts(cls, config):
    check_step(cls, config)


@pytest.mark.parametrize("cls", FAMILIES[Optimizer], ids=named)
def test_an_optimizer_keeps_its_contracts(cls):
    check_optimizer(cls)


@pytest.mark.parametrize("cls", FAMILIES[Schedule], ids=named)
def test_a_schedule_keeps_its_contracts(cls):
    check_schedule(cls)


@pytest.mark.parametrize(("metric", "kind"), METRICS, ids=lambda each: getattr(each, "name", None))
def test_a_metric_keeps_its_contracts(metric, kind):
    check_metric(metric, kind)


def below(cls: type) -> set[type]:
    return {cls}.union(*(below(child) for child in cls.__subclasses__()))


def test_no_member_of_a_family_is_without_a_test_of_its_contracts():
    for family in ("networks", "classic", "preprocessing", "training"):
        for module in pkgutil.walk_packages([f"{raytabdl.__path__[0]}/{family}"], f"raytabdl.{family}."):
            importlib.import_module(module.name)
    members = {cls for cls in below(Component) if cls.__module__.startswith("raytabdl.") and "name" in vars(cls)}
    tested = {cls for family in FAMILIES.values() for cls in family}.union(OTHERS)
    assert members == tested

"""The contracts of a classic model."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from raytabdl.component import Classic, Config
from raytabdl.inputs import Inputs, Target
from raytabdl.space import Choices
from raytabdl.testing.contract import (
    TARGETS,
    configurations,
    must,
    must_agree,
    must_be_predictions,
    rows,
    truth,
    unknown_rows,
    without_errors,
)


def check_classic(cls: type[Classic]) -> None:
    """Raises ContractError where a classic model breaks a contract.

    It trains under every configuration of its space; training in steps is training in one go; the first iterations
    predict as before the later ones; a row is predicted as among others; missing numbers, unseen categories and a class
    without a row are predicted; and it is saved without pickle, and predicts the same when loaded.
    """
    choices = Choices(networks=(), classic=(cls,), full=True)
    configs = configurations(choices, f"classic.{cls.name}")
    for i, config in enumerate(configs):
        target = TARGETS[i % len(TARGETS)]
        said = f"with {dict(config)} in a {target.task_type.value} task"
        with without_errors(cls, f"be trained {said}"):
            must_be_predictions(cls, _trained(cls, config, target, rows(), 2).predict(rows(), 2), 60, target, said)
    for target in TARGETS:
        with without_errors(cls, f"be trained, saved and loaded in a {target.task_type.value} task"):
            _check_course(cls, configs[0], target)
            _check_rows(cls, configs[0], target)
            _check_saved(cls, configs[0], target)
    with without_errors(cls, "be trained on rows that lack a class"):
        _check_missing_class(cls, configs[0])


def _trained(cls: type[Classic], config: Config, target: Target, X: Inputs, *steps: int) -> Classic:
    model = cls(target, seed=0, n_threads=1, **config)
    for n_iterations in steps:
        model.advance(X, truth(X, target), n_iterations)
    return model


def _check_course(cls: type[Classic], config: Config, target: Target) -> None:
    X, X_new = rows(), rows(seed=1)
    at_once, in_steps = (_trained(cls, config, target, X, *steps) for steps in ((8,), (3,)))
    before = in_steps.predict(X_new, 3)
    for n_iterations in (5, 8):
        in_steps.advance(X, truth(X, target), n_iterations)
    last = at_once.predict(X_new, 8)
    must_agree(cls, "be after steps what it is after one go", in_steps.predict(X_new, 8), last, 1e-9)
    must_agree(
        cls, "predict with its first iterations as it did before later ones", in_steps.predict(X_new, 3), before, 1e-9
    )
    again = _trained(cls, config, target, X, 8).predict(X_new, 8)
    must_agree(cls, "be the same from the same seed", again, last, 0.0)


def _check_rows(cls: type[Classic], config: Config, target: Target) -> None:
    X = rows()
    model = _trained(cls, config, target, X, 6)
    for given, what in ((X, "the training rows"), (unknown_rows(X), "rows of missing numbers and unseen categories")):
        must_be_predictions(cls, model.predict(given, 6), len(given), target, what)
    alone = np.concatenate([model.predict(X.take(np.array([i])), 6) for i in range(9)])
    must_agree(cls, "predict a row alone as among others", alone, model.predict(X, 6)[:9], 1e-6)
    two = X.take(np.array([0, 1]))
    model = cls(target, seed=0, n_threads=1, **config)
    model.advance(two, np.array([0, max(1, target.n_classes - 1)]), 3)
    must_be_predictions(cls, model.predict(two, 3), 2, target, "two rows, of which it was trained on no more")


def _check_saved(cls: type[Classic], config: Config, target: Target) -> None:
    X, X_new = rows(), rows(seed=1)
    model = _trained(cls, config, target, X, 6)
    for save, what in ((model.save, "saved"), (model.save_progress, "saved with its progress")):
        with tempfile.TemporaryDirectory() as name:
            save(Path(name))
            pickles = [file.name for file in Path(name).rglob("*") if file.is_file() and _is_pickle(file)]
            must(cls, f"write no pickle when {what}", not pickles, pickles)
            loaded = cls(target, seed=0, n_threads=1, **config)
            loaded.load(Path(name))
            for n_iterations in (4, 6):
                expected = model.predict(X_new, n_iterations)
                must_agree(
                    cls, f"predict the same once {what} and loaded", loaded.predict(X_new, n_iterations), expected, 1e-6
                )
            if save == model.save_progress:
                loaded.advance(X, truth(X, target), 9)
                must_be_predictions(cls, loaded.predict(X_new, 9), len(X_new), target, "rows after training went on")


def _check_missing_class(cls: type[Classic], config: Config) -> None:
    X, target = rows(), TARGETS[1]
    model = cls(target, seed=0, n_threads=1, **config)
    model.advance(X, 2 * truth(X, TARGETS[0]), 5)  # class 1 of 0, 1 and 2 has no row
    predictions = model.predict(X, 5)
    must_be_predictions(cls, predictions, len(X), target, "a class without a row")
    rare = float(predictions[:, 1].mean())
    must(cls, "give a class without a row less than others", rare < 0.3, f"a mean probability of {rare:.3g}")


def _is_pickle(file: Path) -> bool:
    """A pickle begins with 0x80, its protocol and an opcode; in a small safetensors file the third byte is 0."""
    begin = file.read_bytes()[:3]
    return len(begin) == 3 and begin[0] == 0x80 and 2 <= begin[1] <= 5 and begin[2] != 0

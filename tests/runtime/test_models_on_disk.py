"""What a long run keeps on its disk, without Ray: members are written as trials write them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from raytabdl import run_folder
from raytabdl.ensemble import Ensemble
from raytabdl.history import Change, History, Status, Trial
from raytabdl.inputs import Array, TaskType
from raytabdl.metrics import metric
from raytabdl.names import fold_of
from raytabdl.persistence import make_folder, write_array
from raytabdl.run_folder import RunFolder
from raytabdl.runtime import models_on_disk
from raytabdl.runtime.models_on_disk import ModelsOnDisk

ACCURACY = metric("accuracy", TaskType.BINARY)
N_ROWS, MOST = 40, 60
Y = np.arange(N_ROWS) % 2


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    write_array(folder.path / "validation" / "0000.npy", Y)
    return folder


def publish(folder: RunFolder, member: str, seed: int) -> Array:
    """A model of a few bytes, and predictions that are right more or less often."""
    rng = np.random.default_rng(seed)
    right = np.where(rng.random(N_ROWS) < rng.uniform(0.5, 0.95), 0.8, 0.3)
    predictions = np.stack([np.where(Y == 0, right, 1 - right), np.where(Y == 1, right, 1 - right)], axis=1)
    model = make_folder(folder.model(member))
    (model / "pipeline.json").write_text(json.dumps({"config": {"model": "mlp"}}))
    write_array(folder.predictions / f"{member}.npy", predictions)
    return predictions


def write(folder: RunFolder, member: str, n_wrong: int) -> Array:
    """Predictions of a member that are wrong on so many rows, in the place of others."""
    classes = np.where(np.arange(N_ROWS) < n_wrong, 1 - Y, Y)
    predictions = np.stack([0.2 + 0.6 * (classes == 0), 0.2 + 0.6 * (classes == 1)], axis=1)
    write_array(folder.predictions / f"{member}.npy", predictions)
    return predictions


def run(folder: RunFolder, on_disk: ModelsOnDisk, n_members: int = 200) -> list[Ensemble]:
    """Publishes members, and selects and deletes after every 20th, as the actor of a run does."""
    builder, ensembles = folder.builder(ACCURACY, 10), []
    for i in range(n_members):
        member = f"{i // 2:04d}@{3 ** (i % 2)}"
        builder.add(member, publish(folder, member, i))
        if i % 20 == 19 and (ensemble := builder.ensemble()) is not None:
            folder.append_trajectory(float(i), ensemble)
            on_disk.tell(ensemble)
            ensembles.append(ensemble)
            for deleted in on_disk.bound(builder, lambda: False):
                del builder.losses[deleted]
    return ensembles


def test_the_bound_holds_and_what_was_told_is_kept_whole(folder: RunFolder, tmp_path: Path) -> None:
    ensembles = run(folder, ModelsOnDisk(folder, MOST))
    told = {member for _, ensemble in folder.read_trajectory() for member in ensemble.weights}
    members = folder.members()
    assert told <= set(members)
    assert len(told) < len(members) <= max(MOST, 40 + 40 + len(told))  # the best by accuracy, by log loss, and these
    assert {path.name for path in folder.models.iterdir()} == set(members)
    # Nothing of it has changed an ensemble, neither then nor for who reads the folder now.
    unbounded = RunFolder(tmp_path / "unbounded")
    unbounded.create()
    write_array(unbounded.path / "validation" / "0000.npy", Y)
    assert run(unbounded, ModelsOnDisk(unbounded)) == ensembles
    assert len(unbounded.members()) == 200
    assert folder.builder(ACCURACY, 10).ensemble() == unbounded.builder(ACCURACY, 10).ensemble()
    log_loss = metric("log_loss", TaskType.BINARY)
    assert folder.builder(log_loss, 10).ensemble() == unbounded.builder(log_loss, 10).ensemble()


def test_a_short_run_is_left_as_it_is(folder: RunFolder) -> None:
    run(folder, ModelsOnDisk(folder), 100)
    assert len(folder.members()) == 100


def test_a_disk_with_little_room_bounds_a_run_by_its_bytes(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    full = SimpleNamespace(disk_usage=lambda path: SimpleNamespace(free=0))
    monkeypatch.setattr(models_on_disk, "shutil", full)
    run(folder, ModelsOnDisk(folder))
    assert len(folder.members()) < 130


def test_a_small_run_is_left_as_it_is_while_there_is_room(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    free = 2 * models_on_disk.LEAST_BYTES
    monkeypatch.setattr(models_on_disk, "shutil", SimpleNamespace(disk_usage=lambda path: SimpleNamespace(free=free)))
    monkeypatch.setattr(models_on_disk, "SHARE_OF_DISK", 0.0)
    run(folder, ModelsOnDisk(folder))
    assert len(folder.members()) == 200


def test_a_member_whose_model_is_gone_is_none(folder: RunFolder) -> None:
    builder = folder.builder(ACCURACY, 10)
    for i in range(3):
        builder.add(f"000{i}@1", publish(folder, f"000{i}@1", i))
    shutil.rmtree(folder.model("0001@1"))
    on_disk = ModelsOnDisk(folder, 2)
    assert on_disk.bound(builder, lambda: False) == ["0001@1"]
    del builder.losses["0001@1"]
    assert on_disk.bound(builder, lambda: False) == []


def test_of_a_regression_trials_are_ranked_by_the_error_that_models_make_small(folder: RunFolder) -> None:
    """One is the best by absolute errors, the other by squared ones."""
    values = np.array([0.0, 0.0, 0.0, 0.0, 10.0])
    write_array(folder.path / "validation" / "0000.npy", values)
    builder = replace(folder.builder(metric("mae", TaskType.REGRESSION), 10), n_best=1)
    for member, predictions in {"0000@1": np.zeros(5), "0001@1": np.full(5, 2.5)}.items():
        publish(folder, member, 0)
        write_array(folder.predictions / f"{member}.npy", predictions)
        builder.add(member, predictions)
    assert ModelsOnDisk(folder, 1).bound(builder, lambda: False) == ["0001@1"]


def test_what_was_told_before_a_run_was_killed_is_kept_when_it_goes_on(folder: RunFolder) -> None:
    for i in range(100):
        publish(folder, f"{i:04d}@1", i)
    builder = folder.builder(ACCURACY, 10)
    worst, second = sorted(builder.losses, key=lambda member: -builder.losses[member])[:2]
    folder.append_trajectory(1.0, Ensemble({worst: 1.0}, 0.5))
    folder.write_ensemble(Ensemble({second: 1.0}, 0.5), ACCURACY, is_complete=False)
    deleted = ModelsOnDisk(folder, 0).bound(builder, lambda: False)
    assert deleted
    assert {worst, second} <= set(folder.members())


def test_a_bag_in_the_making_keeps_its_first_model_though_its_trial_falls_behind(folder: RunFolder) -> None:
    for fold in (1, 2):
        write_array(folder.path / "validation" / f"{fold:04d}.npy", Y)
    builder = replace(folder.builder(ACCURACY, 10), n_best=1)
    for i, n_wrong in enumerate((1, 20, 20, 20)):  # none but the first is among the best
        publish(folder, f"000{i}@9", 0)
        builder.add(f"000{i}@9", write(folder, f"000{i}@9", n_wrong))
    history = History(folder.trials)
    for name in ("0001", "0002", "0003", "0001.1", "0002.1", "0002.2"):
        history.append(Trial(name, {"model": "mlp"}, "random", 0, 0, fold_of(name)))
    history.append(Change("0002.1", Status.FAILED, 1.0, "it is broken"))
    on_disk = ModelsOnDisk(folder, 0)

    def bound() -> list[str]:
        deleted = on_disk.bound(builder, lambda: False)
        for member in deleted:
            del builder.losses[member]
        return sorted(deleted)

    assert bound() == ["0002@9", "0003@9"]
    publish(folder, "0001.1@9", 0)
    builder.add("0001.1@9", write(folder, "0001.1@9", 20))
    assert bound() == []
    builder.worst_loss = 0.1  # once it is whole it is kept if it may be selected
    publish(folder, "0001.2@9", 0)
    builder.add("0001.2@9", write(folder, "0001.2@9", 20))
    assert bound() == ["0001.1@9", "0001.2@9", "0001@9"]


def test_members_of_an_infinite_loss_count_and_are_deleted_first(folder: RunFolder) -> None:
    for i in range(4):
        publish(folder, f"000{i}@1", i)
    write_array(folder.predictions / "0001@1.npy", np.full((N_ROWS, 2), np.nan))
    builder = folder.builder(ACCURACY, 10)  # as where a run goes on
    assert builder.refused == {"0001@1"}
    on_disk = ModelsOnDisk(folder, 3)
    for member in (deleted := on_disk.bound(builder, lambda: False)):
        builder.forget(member)
    assert deleted == ["0001@1"]
    assert not folder.model("0001@1").exists()
    assert builder.refused == set()
    assert on_disk.bound(builder, lambda: False) == []


def test_what_cannot_be_deleted_is_said_and_kept_and_the_others_are_deleted(
    folder: RunFolder, caplog: pytest.LogCaptureFixture
) -> None:
    builder = replace(folder.builder(metric("log_loss", TaskType.BINARY), 10), n_best=1)
    for i in range(4):
        builder.add(f"000{i}@1", publish(folder, f"000{i}@1", i))
    best, *_, second, worst = sorted(builder.losses, key=builder.losses.__getitem__)
    stubborn = folder.predictions / f"{worst}.npy"
    stubborn.unlink()
    stubborn.mkdir()  # no file, and so not to be unlinked
    on_disk = ModelsOnDisk(folder, 3)
    assert on_disk.bound(builder, lambda: False) == []
    assert f"the model {worst} cannot be deleted" in caplog.text
    caplog.clear()
    assert on_disk.bound(builder, lambda: False) == [second]
    assert caplog.text == ""
    assert folder.holds(worst)
    assert folder.holds(best)


def test_nothing_is_deleted_while_somebody_waits_for_the_end(folder: RunFolder) -> None:
    for i in range(100):
        publish(folder, f"{i:04d}@1", i)
    assert ModelsOnDisk(folder, 0).bound(folder.builder(ACCURACY, 10), lambda: True) == []
    assert len(folder.members()) == 100


def test_a_kill_between_predictions_and_model_leaves_members_that_are_whole(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(100):
        publish(folder, f"{i:04d}@1", i)
    before = folder.builder(ACCURACY, 10).ensemble()

    def killed(path: Path, ignore_errors: bool) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(run_folder, "shutil", SimpleNamespace(rmtree=killed))
        ModelsOnDisk(folder, 0).bound(folder.builder(ACCURACY, 10), lambda: False)
    assert len(folder.members()) == 99
    assert len(list(folder.models.iterdir())) == 100
    assert folder.builder(ACCURACY, 10).ensemble() == before
    (half_deleted,) = {path.name for path in folder.models.iterdir()} - set(folder.members())
    publish(folder, half_deleted, 0)  # by a trial that goes on from its last checkpoint
    assert len(folder.members()) == 100


def test_a_member_that_is_deleted_while_all_are_read_is_left_out(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The actor may still be at work where its driver reads the folder."""
    for i in range(3):
        publish(folder, f"{i:04d}@1", i)
    monkeypatch.setattr(RunFolder, "members", lambda self: ["0000@1", "gone@1", "0002@1"])
    assert set(folder.builder(ACCURACY, 10).losses) == {"0000@1", "0002@1"}

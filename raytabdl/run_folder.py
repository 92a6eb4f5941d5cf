"""The folder of a run: settings, task, trials, curves, predictions, models, ensemble; readable without the package.

A saved model is the same folder with only what predicting needs.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from raytabdl.clock import Clock
from raytabdl.ensemble import Ensemble, EnsembleBuilder
from raytabdl.exceptions import CorruptModelError, RunFolderError, SettingError
from raytabdl.history import History, read_history
from raytabdl.inputs import Array, Inputs, Target
from raytabdl.labels import labels_from_json, labels_to_json
from raytabdl.lines import append_line, read_lines
from raytabdl.lock import locked
from raytabdl.metrics import Metric
from raytabdl.names import member_key
from raytabdl.persistence import (
    MANIFEST,
    make_folder,
    read_array,
    read_json,
    whole_folder,
    write_array,
    write_json,
    write_manifest,
)
from raytabdl.schema import Schema
from raytabdl.task import Task

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    # The ensemble actor reads and writes here too, and would bring torch for nothing.
    from raytabdl.pipeline import Pipeline, Point

KEPT = ("run.json", "schema.json", "labels.json", "ensemble.json", "trials.jsonl")
"""What a saved model keeps beside its members."""


N_UNRELEASED = 200
"""Members whose predictions are in memory at once while a folder is read, beside those that may be selected."""


class MemberPredictions(dict[str, Array]):
    """The validation predictions of members, read from the folder of their run where they are not in memory."""

    def __init__(self, folder: RunFolder, known: Mapping[str, Array] | None = None) -> None:
        super().__init__(known or {})
        self._folder = folder

    def __missing__(self, member: str) -> Array:
        self[member] = predictions = self._folder.read_predictions(member)
        return predictions

    def copy(self) -> MemberPredictions:
        return MemberPredictions(self._folder, self)


@dataclass(frozen=True)
class RunFolder:
    """Where each thing of a run is kept."""

    path: Path

    @property
    def run_json(self) -> Path:
        return self.path / "run.json"

    @property
    def search(self) -> Path:
        return self.path / "search.json"

    @property
    def portfolio(self) -> Path:
        return self.path / "portfolio.json"

    @property
    def space(self) -> Path:
        return self.path / "space.json"

    @property
    def trials(self) -> Path:
        return self.path / "trials.jsonl"

    @property
    def curves(self) -> Path:
        return self.path / "curves.jsonl"

    @property
    def ensemble(self) -> Path:
        return self.path / "ensemble.json"

    @property
    def trajectory(self) -> Path:
        return self.path / "trajectory.jsonl"

    @property
    def deleted(self) -> Path:
        """What a long run has deleted, a line for each member."""
        return self.path / "deleted.jsonl"

    @property
    def phases(self) -> Path:
        return self.path / "phases.jsonl"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions"

    @property
    def models(self) -> Path:
        return self.path / "models"

    @property
    def tune(self) -> Path:
        """Tune's own files: pickles, which raytabdl never loads, and deletes at the end of a run."""
        return self.path / "tune"

    @property
    def cache(self) -> Path:
        """Folds as the steps of configurations made them, for all trials that share the steps; deleted at the end."""
        return self.path / "cache"

    @property
    def memouts(self) -> Path:
        """Word of workers that ended for their memory, until the driver has read it."""
        return self.path / "memouts"

    @property
    def refitted(self) -> RunFolder:
        """A saved model of its own: the ensemble with models that were trained again on all rows, if there is one."""
        return RunFolder(self.path / "refitted")

    @property
    def answering(self) -> RunFolder:
        """The folder of the models that predict: this one, or that of the models that were trained again."""
        return self.refitted if self.refitted.is_finished else self

    def model(self, member: str) -> Path:
        return self.models / member

    def checkpoint(self, trial_id: str) -> Path:
        return self.path / "checkpoints" / trial_id

    def is_free(self) -> bool:
        """Whether there is nothing, or an empty folder. Raises RunFolderError where it cannot be seen."""
        try:
            return not self.path.exists() or (self.path.is_dir() and not any(self.path.iterdir()))
        except OSError as error:
            raise RunFolderError(f"{self.path} cannot be read: {error}") from error

    def check_free(self) -> None:
        """Raises RunFolderError where the path holds another run, or something else."""
        if not self.is_free():
            way_out = f", or go on with its run: raytabdl resume {self.path}" if self.run_json.exists() else ""
            raise RunFolderError(
                f"{self.path} is not an empty folder; choose another one for each fit (or leave run_folder out, as for "
                f"the copies that cross_val_score and GridSearchCV fit), delete it{way_out}"
            )

    def create(self) -> None:
        """Makes the folder. Raises RunFolderError where it cannot be written or holds another run."""
        self.check_free()
        with self.writing():
            for folder in (
                self.path,
                self.predictions,
                self.models,
                self._targets(0).parent,
                self.path / "checkpoints",
            ):
                make_folder(folder)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Raises RunFolderError, which names the folder, where the disk is full or nothing may be written."""
        try:
            yield
        except OSError as error:
            raise RunFolderError(f"{self.path} cannot be written: {error}") from error

    def lock(self) -> AbstractContextManager[None]:
        """Keeps other processes from writing this run. Raises RunFolderError where one does."""
        return locked(self.run_json)

    # The task: what resume needs of the table.

    def write_task(self, task: Task) -> None:
        with whole_folder(self.path / "task") as folder:
            np.save(folder / "numeric.npy", task.inputs.numeric, allow_pickle=False)
            np.save(folder / "categorical.npy", task.inputs.categorical, allow_pickle=False)
            np.save(folder / "y.npy", task.y, allow_pickle=False)
            np.save(folder / "folds.npy", task.folds, allow_pickle=False)
            if task.inputs.weights is not None:
                np.save(folder / "weights.npy", task.inputs.weights, allow_pickle=False)
        write_json(self.path / "schema.json", task.schema.to_json())
        for fold in range(task.n_folds):
            truth = task.truth(fold)
            write_array(self._targets(fold), truth.y)
            if truth.weights is not None:
                write_array(make_folder(self._row_weights) / self._targets(fold).name, truth.weights)

    def _targets(self, fold: int) -> Path:
        """Where the targets of the validation rows of a fold lie: members' predictions are of these rows."""
        return self.path / "validation" / f"{fold:04d}.npy"

    @property
    def _row_weights(self) -> Path:
        """The weights of these rows, of each fold a file; there is no folder where all count the same."""
        return self.path / "validation_weights"

    def read_task(self, target: Target) -> Task:
        folder = self.path / "task"
        schema = self.read_schema()
        weights = folder / "weights.npy"
        inputs = Inputs(
            read_array(folder / "numeric.npy"),
            read_array(folder / "categorical.npy"),
            schema.cardinalities,
            read_array(weights) if weights.exists() else None,
        )
        return Task(inputs, read_array(folder / "y.npy"), target, schema, read_array(folder / "folds.npy"))

    def read_schema(self) -> Schema:
        return Schema.from_json(read_json(self.path / "schema.json"))

    # What trials write: a model and its validation predictions, then a checkpoint.

    def publish(self, pipeline: Pipeline, trial_id: str) -> str:
        """Writes a pipeline's best point as a member of the ensemble to be, and returns its key.

        The predictions come last: whoever sees them finds the model complete.
        """
        member = member_key(trial_id, pipeline.budget)
        assert pipeline.best_predictions is not None
        with whole_folder(self.model(member)) as folder:
            pipeline.save(folder)
        write_array(self._predictions_of(member), pipeline.best_predictions)
        return member

    def delete(self, member: str) -> None:
        """Deletes a member's predictions, then its model, and notes it: one without predictions is none.

        The note comes last, since a full disk has room for it only then.
        """
        self._predictions_of(member).unlink(missing_ok=True)
        shutil.rmtree(self.model(member), ignore_errors=True)
        append_line(self.deleted, json.dumps({"member": member}))

    def holds(self, member: str) -> bool:
        """Whether a member was published and not deleted since."""
        return self._predictions_of(member).exists()

    def n_bytes(self, member: str) -> int:
        """What the files of a member take."""
        n_bytes = 0
        with suppress(FileNotFoundError):  # replaced in this moment, by a trial that goes on from its last checkpoint
            for file in (self._predictions_of(member), *self.model(member).rglob("*")):
                n_bytes += file.stat().st_size
        return n_bytes

    def family(self, member: str) -> str:
        """The name of the network or classic model that a member is of."""
        return str(read_json(self.model(member) / "pipeline.json")["config"]["model"])

    def _predictions_of(self, member: str) -> Path:
        return self.predictions / f"{member}.npy"

    def write_checkpoint(self, pipeline: Pipeline, trial_id: str) -> None:
        """Writes what a trial needs to go on."""
        with whole_folder(self.checkpoint(trial_id)) as folder:
            pipeline.save_progress(folder)

    def note_memout(self, trial_id: str, gigabytes: float) -> None:
        """Leaves word of a worker that is about to end for its memory."""
        write_json(make_folder(self.memouts) / f"{trial_id}.json", gigabytes)

    def take_memout(self, trial_id: str) -> float | None:
        """The gigabytes that the worker of a trial ended with, once; None where it did not end for its memory."""
        note = self.memouts / f"{trial_id}.json"
        if not note.exists():
            return None
        gigabytes = float(read_json(note))
        note.unlink()
        return gigabytes

    def members(self) -> list[str]:
        """The keys of all members that there are, oldest first."""
        ages: list[tuple[int, str]] = []
        for file in self.predictions.glob("*.npy"):
            with suppress(FileNotFoundError):  # deleted in this moment
                ages.append((file.stat().st_mtime_ns, file.name))
        return [name.removesuffix(".npy") for _, name in sorted(ages)]

    def read_predictions(self, member: str) -> Array:
        predictions: Array = read_array(self._predictions_of(member))
        return predictions

    def find_predictions(self, member: str) -> Array | None:
        """The validation predictions of a member, None where it was deleted."""
        try:
            return self.read_predictions(member)
        except CorruptModelError:
            if self.holds(member):
                raise
            return None

    def builder(self, metric: Metric, size: int) -> EnsembleBuilder:
        """An ensemble builder with all members that there are; what is not better than the dummy stays out."""
        y, *other_folds = (read_array(path) for path in sorted(self._targets(0).parent.glob("*.npy")))
        weights = [read_array(path) for path in sorted(self._row_weights.glob("*.npy"))]
        builder = EnsembleBuilder(
            y, metric, size, other_folds=other_folds, row_weights=weights, predictions=MemberPredictions(self)
        )
        for n_known, member in enumerate(self.members(), 1):
            if (predictions := self.find_predictions(member)) is None:
                continue
            loss = builder.add(member, predictions)
            if member.startswith("quick-dummy"):
                builder.worst_loss = loss
            if n_known % N_UNRELEASED == 0:
                builder.release()
        return builder

    # What the driver writes.

    def write_curve(self, trial_id: str, points: list[Point]) -> None:
        if points:
            append_line(self.curves, "\n".join(json.dumps({"trial": trial_id, **asdict(point)}) for point in points))

    def history(self) -> History:
        return read_history(self.trials)

    def write_space(self, space: ConfigurationSpace) -> None:
        """Writes what is searched, in ConfigSpace's own form."""
        write_json(self.space, space.to_serialized_dict())

    def check_space(self, space: ConfigurationSpace) -> None:
        """Raises SettingError where the run has searched another space: its trials say nothing in this one."""
        if not self.space.exists():
            return
        known, own = read_json(self.space), json.loads(json.dumps(space.to_serialized_dict()))
        if known["hyperparameters"] == own["hyperparameters"]:
            return
        names = [{each["name"] for each in one["hyperparameters"]} for one in (known, own)]
        further = ", ".join(sorted(names[0] ^ names[1])[:3]) or "their ranges"
        raise SettingError(
            f"choices must be those that the run in {self.path} was started with, got others (they differ in "
            f"{further}); hand over the same choices again"
        )

    def read_space(self) -> ConfigurationSpace:
        """The space of a run that has searched. Raises RunFolderError where it has not."""
        from ConfigSpace import ConfigurationSpace

        if not self.space.exists():
            raise RunFolderError(
                f"{self.path} must have a space.json, which a run writes when its search starts; "
                "give the run more time, or fit anew if an earlier release made it"
            )
        return ConfigurationSpace.from_serialized_dict(read_json(self.space))

    def write_ensemble(self, ensemble: Ensemble, metric: Metric, *, is_complete: bool = True) -> None:
        """Writes the answer of a run; one that was interrupted is not complete, and can be resumed."""
        write_json(self.ensemble, {"metric": metric.name, **_to_record(ensemble), "is_complete": is_complete})

    def read_ensemble(self) -> Ensemble:
        record = read_json(self.ensemble)
        for member in record["weights"]:
            if member in ("", ".", "..") or Path(member).name != member:
                raise CorruptModelError(f"{self.ensemble} names a member outside the folder: {member!r}")
        return _from_record(record)

    def append_trajectory(self, seconds: float, ensemble: Ensemble) -> None:
        """Notes which ensemble was the answer from that time on."""
        append_line(self.trajectory, json.dumps({"time": seconds, **_to_record(ensemble)}))

    @contextmanager
    def phase(self, name: str, clock: Clock) -> Iterator[None]:
        """Notes when a part of the run began and ended, in seconds from the start of the fit."""
        began = clock.elapsed()
        try:
            yield
        finally:
            self.write_phase(name, began, clock.elapsed())

    def write_phase(self, name: str, began: float, ended: float) -> None:
        append_line(self.phases, json.dumps({"phase": name, "began": began, "ended": ended}))

    def read_trajectory(self) -> list[tuple[float, Ensemble]]:
        """The ensembles in the order of time: (seconds from the start of the fit, ensemble)."""
        return [(record["time"], _from_record(record)) for record in read_lines(self.trajectory)]

    def finish(self) -> None:
        """Deletes what is of no use after the run, and writes the hashes of what predicting needs."""
        # What was trained again is of the ensemble that a run had when it was interrupted.
        for folder in (self.refitted.path, self.tune, self.cache, self.memouts):
            shutil.rmtree(folder, ignore_errors=True)
        write_manifest(self.path, [*KEPT, *(f"models/{member}" for member in self.read_ensemble().weights)])

    def copy_model(self, destination: Path) -> None:
        """Writes only what predicting needs to another folder, whole or not at all.

        Where models were trained again, these are what predicts.
        """
        source = self.answering
        with whole_folder(destination) as folder:
            for name in KEPT:
                shutil.copyfile(source.path / name, folder / name)
            RunFolder(folder).take_members(source)

    def write_refitted(self, ensemble: Ensemble, trained: Path) -> None:
        """Writes an ensemble whose members lie below ``trained``, or here where they do not; whole or not at all.

        It predicts from then on, and takes the place of one that was written so before.
        """
        with whole_folder(self.refitted.path) as folder:
            model = RunFolder(folder)
            for name in KEPT:
                shutil.copyfile(self.path / name, folder / name)
            write_json(model.ensemble, {**read_json(self.ensemble), **_to_record(ensemble)})
            for member in ensemble.weights:
                own = trained / member
                shutil.copytree(own if own.exists() else self.model(member), model.model(member))
            write_manifest(folder, [*KEPT, "models"])

    def take_members(self, run: RunFolder) -> None:
        """Copies the models of the ensemble from a run, which completes a saved model, and writes the hashes."""
        for member in self.read_ensemble().weights:
            shutil.copytree(run.model(member), self.model(member))
        write_manifest(self.path, [*KEPT, "models"])

    @property
    def is_finished(self) -> bool:
        """Whether there is an ensemble to predict with."""
        return (self.path / MANIFEST).exists()

    @property
    def is_saved_model(self) -> bool:
        """Whether this is what ``copy_model`` wrote; a finished run has its validation predictions as well."""
        return self.is_finished and not self.predictions.exists()

    @property
    def is_complete(self) -> bool:
        """Whether the run ended by itself, so that there is nothing to resume."""
        return self.is_finished and bool(read_json(self.ensemble)["is_complete"])


def _to_record(ensemble: Ensemble) -> dict[str, Any]:
    further = {"factors": list(ensemble.factors), "scaling": list(ensemble.scaling)}
    given = {name: values for name, values in further.items() if values}
    return {"loss": ensemble.loss, "weights": dict(ensemble.weights), **given}


def _from_record(record: Mapping[str, Any]) -> Ensemble:
    further = (tuple(record.get(name, ())) for name in ("factors", "scaling"))
    return Ensemble(record["weights"], float(record["loss"]), *further)


def write_labels(path: Path, classes: NDArray[Any] | None, target: Target) -> None:
    """The classes as JSON, with the dtype that they come back in."""
    record = target.to_json()
    if classes is not None:
        record |= labels_to_json(classes)
    write_json(path, record)


def read_labels(path: Path) -> tuple[NDArray[Any] | None, Target]:
    record: Mapping[str, Any] = read_json(path)
    target = Target.from_json(record)
    if "classes" not in record:
        return None, target
    try:
        return labels_from_json(record), target
    except (ValueError, TypeError, KeyError) as error:
        raise CorruptModelError(f"{path} holds no labels ({error}); restore it from a copy") from error

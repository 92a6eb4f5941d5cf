"""What an estimator tells of its fit, and what it gives away, once it is fitted."""

from __future__ import annotations

import copy
import math
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from sklearn.utils.validation import check_is_fitted

from raytabdl.checks import table_and_target
from raytabdl.clock import Clock
from raytabdl.exceptions import RunFolderError, SettingError
from raytabdl.inputs import Array, Inputs
from raytabdl.latency import Latency
from raytabdl.leaderboard import leaderboard
from raytabdl.metrics import CLASSIFICATION, REGRESSION, Metric
from raytabdl.names import is_refitted
from raytabdl.parameters import count, optional_seconds
from raytabdl.persistence import local_path
from raytabdl.predictor import Predictor, load_predictor, load_selected
from raytabdl.presets import preset
from raytabdl.refitting import refit
from raytabdl.reselection import reselect
from raytabdl.run_folder import RunFolder
from raytabdl.runtime.refit_workers import refit_workers
from raytabdl.runtime.run_json import read_settings
from raytabdl.scorers import MetricChoice, check_measures, chosen_metric
from raytabdl.scores import scores
from raytabdl.search_results import search_results
from raytabdl.space import Choices
from raytabdl.targets import encode_further
from raytabdl.task import further_rows
from raytabdl.trajectory import tested, trajectory

if TYPE_CHECKING:
    from torch import nn


class Fitted:
    """The methods of an estimator that read its run, copy its model, or train this again."""

    predictor_: Predictor
    folder_: RunFolder
    metric: MetricChoice
    choices: str | Choices | None
    ensemble_size: int
    _metric: Metric | None = None

    def save(self, path: str | Path) -> None:
        """Writes what predicting needs to a folder, without pickle; it replaces a model that was saved there before.

        Raises RunFolderError where the folder holds something else, a run included, or cannot be written.
        """
        source, destination = self._kept_folder(), _free_for_model(path)
        with destination.writing():
            source.copy_model(destination.path)

    def refit(
        self, X: Any = None, y: Any = None, sample_weight: Any = None, *, time_limit: float | None = None
    ) -> pd.DataFrame:
        """Trains each trial of the ensemble once more, on all rows: one model in the place of those of the folds.

        They predict from then on, with the weights, the calibration and the decision that the ensemble has. Nothing is
        held out, so nothing is learned of how good they are. All rows are those of the fit, also what was validated by,
        such as the latest ones or ``X_valid``; or others, ``X`` and ``y`` as for ``fit``. Each trial is trained to
        where its folds were best, on a worker of Ray as in the fit, or in this process where the fit had no Ray. It
        keeps the models that it has, with a warning, where the new one is not expected to end within ``time_limit``
        seconds (None is no limit), or where its training fails. An error or Ctrl-C changes nothing.

        Returns a row for each trial, the largest weight first. Columns: trial, model, weight, n_models (that it had),
        refitted, seconds, reason (for which it keeps its models).

        Raises RunFolderError where this is a saved model and no rows are given, or the folder cannot be written;
        SettingError and DataError for arguments that do not fit those of the fit, ClusterError as ``fit`` does.
        """
        limit_s, folder, known = optional_seconds("time_limit", time_limit), self._kept_folder(), self._choices()
        clock, settings = Clock.start(math.inf if limit_s is None else limit_s), read_settings(folder)
        with folder.lock():
            inputs, targets = self._rows(X, y, sample_weight)
            with refit_workers(settings, inputs, targets, clock) as train:
                trials = refit(folder, known, len(targets), clock, train)
                if any(each.member for each in trials):
                    self.predictor_ = load_predictor(folder, known, is_own=True)
        if kept := [f"{each.trial} ({each.model}): {each.reason}" for each in trials if each.reason]:
            warnings.warn(
                f"{len(kept)} of {len(trials)} trials keep the models that they had: {'; '.join(kept)}", stacklevel=2
            )
        rows = [{**asdict(each), "refitted": each.member is not None} for each in trials]
        return pd.DataFrame(rows)[["trial", "model", "weight", "n_models", "refitted", "seconds", "reason"]]

    def to_onnx(self, path: str | Path) -> None:
        """Writes the ensemble with its preprocessing as one ONNX graph; needs the extra ``onnx``.

        ``raytabdl.export.onnx_model`` says what its inputs and outputs are. Raises ExportError, naming the member,
        where one cannot be expressed.
        """
        from raytabdl.export import export_onnx

        check_is_fitted(self)
        export_onnx(self.predictor_, Path(path))

    def torch_modules(self) -> dict[str, tuple[nn.Module, ...]]:
        """Copies of the ensemble's networks by member: plain torch modules in evaluation mode.

        A module maps float32 of shape (n, d_num) and int64 codes of shape (n, d_cat), as the member's ``preprocessing``
        makes them, to logits or the standardised target. The predictions of several modules of one member are averaged.
        """
        from raytabdl.pipeline import NetworkPipeline

        check_is_fitted(self)
        members = self.predictor_.members.items()
        return {name: copy.deepcopy(m.networks()) for name, m in members if isinstance(m, NetworkPipeline)}

    def leaderboard(self) -> pd.DataFrame:
        """The best member of each trial, best first: its metric on the validation rows, weight and seconds."""
        return leaderboard(self._kept_folder())

    def search_results(self) -> pd.DataFrame:
        """A row for each result, which is a trial at a budget: losses, all metrics, seconds, hyperparameters."""
        return search_results(self._kept_folder())

    def trajectory(self, X_test: Any = None, y_test: Any = None) -> pd.DataFrame:
        """The ensembles that were the answer of the fit, one after another.

        Columns: time (seconds from the start of the fit), models, valid (the metric on validation rows) and, of a test
        set that is given, test. The name of the metric is in ``attrs["metric"]``. Raises RunFolderError where this is a
        saved model, which does not hold its run.
        """
        folder, classes = self._kept_folder(), self.predictor_.classes
        if folder.is_saved_model:
            raise RunFolderError(f"{folder.path} is a saved model, which has no trajectory; load the run that it is of")
        if (X_test is None) != (y_test is None):
            raise SettingError("X_test and y_test go together: give both or none")
        if X_test is None:
            from raytabdl.report.collect import shown_metric

            return trajectory(folder, shown_metric(folder, self._own_metric()))
        X_test, y_test, _ = table_and_target(X_test, y_test)
        metric, y = self._known_metric(self.metric), encode_further(y_test, classes, "y_test")
        return tested(folder, self.predictor_, self._choices(), metric, X_test, y)

    def evaluate(self, X: Any, y: Any) -> dict[str, float]:
        """The value of each metric of the task on further rows, which ``fit`` has not seen; NaN where it has none.

        The rows are given as to ``fit``: a table and its target, or a path and the name of a column. ``score`` is
        scikit-learn's, accuracy or R2, whatever the metric of the fit. Raises DataError where a target is missing or of
        a class that training did not see.
        """
        check_is_fitted(self)
        X, y, _ = table_and_target(X, y)
        return scores(self.predictor_, X, y)

    def fit_summary(self) -> str:
        """What the fit did, in a few lines: score, ensemble, trials by status, failures by reason."""
        from raytabdl.report.collect import outcome
        from raytabdl.report.summary import summary

        return summary(outcome(self._kept_folder(), self._own_metric()))

    def report(self, path: str | Path) -> None:
        """Writes one HTML page that tells of the run: data, scores, what matters, failures, how to run it again.

        Needs jinja2 (``raytabdl[report]``). Raises RunFolderError where the file cannot be written, or where this is a
        saved model, which does not hold its run.
        """
        from raytabdl.report.collect import collect
        from raytabdl.report.page import page, write

        folder, predictor = self._kept_folder(), self.predictor_
        if any(is_refitted(member) for member in predictor.members):
            predictor = load_selected(folder, self._choices())  # models that have not seen the rows they are shown by
        write(page(collect(folder, predictor, self._own_metric())), Path(path))

    def reselect(
        self,
        path: str | Path,
        *,
        metric: MetricChoice = None,
        ensemble_size: int | None = None,
        infer_limit_s: float | None = None,
        infer_rows: int = 1,
    ) -> float:
        """Writes a saved model whose ensemble is selected anew, among all models that the run has kept.

        Nothing is trained. For another metric, of another size, or a faster one. Metric and size are those of the fit
        unless given. Its members are models of folds, whose validation predictions are known, also after ``refit``.
        Warns where a long run has deleted models.

        ``infer_limit_s`` are the seconds that one call of ``predict`` may take, for a table of ``infer_rows`` rows: by
        default the latency of a single row. They are measured here, in the median of a few calls, with the cores and
        the load that this process has: select where, or as, the model is to be served. Where all models of the bags
        would take too long, trials are represented by fewer of them, such as those of the first fold.

        Returns the seconds that such a call takes, with or without a limit. Raises RunFolderError where this is a saved
        model, or where the folder cannot be written, SettingError where the metric cannot measure the validation rows,
        or where not even one model predicts within the limit.
        """
        limit_s, n_rows = optional_seconds("infer_limit_s", infer_limit_s), count("infer_rows", infer_rows, least=1)
        source, destination = self._kept_folder(), _free_for_model(path)
        if source.is_saved_model:
            raise RunFolderError(f"{source.path} is a saved model, without the predictions to select by; load its run")
        chosen, target = self._known_metric(metric or self.metric), self.predictor_.target
        check_measures(chosen, [source.read_task(target).truth(0)], target)
        latency, size = Latency(source, self._choices(), n_rows), ensemble_size or self.ensemble_size
        with destination.writing():
            return reselect(source, destination.path, target, chosen, size, latency, limit_s)

    def _choices(self) -> Choices:
        """What the members of the ensemble are looked up in."""
        return preset(self.choices or "full")

    def _rows(self, X: Any, y: Any, sample_weight: Any) -> tuple[Inputs, Array]:
        """All rows of the run with their targets, unless others are given."""
        folder, predictor = self.folder_, self.predictor_
        if X is not None and y is not None:
            X, y, of_rows = table_and_target(X, y, {"sample_weight": sample_weight})
            return further_rows(X, y, predictor.schema, predictor.classes, **of_rows)
        if not (X is None and y is None and sample_weight is None):
            raise SettingError("X and y go together: give both, with their sample_weight, or none for those of the fit")
        if folder.is_saved_model:
            raise RunFolderError(f"{folder.path} is a saved model, which has no table; give X and y, or load its run")
        task = folder.read_task(predictor.target)
        return task.inputs, task.y

    def _known_metric(self, choice: MetricChoice) -> Metric:
        """The metric of a name, a function or a scorer; the name of a user's own is not enough to measure by."""
        target = self.predictor_.target
        known = CLASSIFICATION if target.task_type.is_classification else REGRESSION
        if choice == read_settings(self.folder_).metric and isinstance(choice, str) and choice not in known:
            raise SettingError(f"metric {choice} is a function of your own, which a run does not keep: give it again")
        return chosen_metric(choice, self.folder_.read_task(target).y, target, self.predictor_.classes)

    def _own_metric(self) -> Metric | None:
        """The metric of the fit, where it was no name: that of a function is not enough to know it."""
        return self._metric

    def _kept_folder(self) -> RunFolder:
        check_is_fitted(self)
        if not self.folder_.is_finished:
            raise RunFolderError(
                f"{self.folder_.path} is gone, which leaderboard, report and save read; predict goes on without it"
            )
        return self.folder_


def _free_for_model(path: str | Path) -> RunFolder:
    """The folder of a saved model to be. Raises RunFolderError where it holds something that is none."""
    folder = RunFolder(local_path(path))
    if not (folder.is_free() or folder.is_saved_model):
        raise RunFolderError(
            f"{folder.path} holds something that is no saved model; choose another folder or delete it"
        )
    return folder

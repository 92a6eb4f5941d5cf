"""The quick models on the other folds: what a run without Ray does with the time that its first pass leaves."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from raytabdl.component import Horizon
from raytabdl.ensemble import Ensemble, EnsembleBuilder
from raytabdl.history import BAG, Change, History, Result, Seconds, Status, Trial, trial_seed
from raytabdl.metrics import logged
from raytabdl.names import fold_trial, trial_of
from raytabdl.quick import QuickResult, train_quick
from raytabdl.runtime.cores import n_cores
from raytabdl.runtime.run import Run
from raytabdl.runtime.shared import one_blas_thread
from raytabdl.search.bags import MARGIN

DUMMY = "quick-dummy"


@dataclass(frozen=True)
class QuickFolds:
    """Trains bags of the quick models, those of the ensemble first, a fold on each core, until ``is_over``."""

    run: Run
    history: History
    builder: EnsembleBuilder
    horizon: Horizon
    is_over: Callable[[], bool]
    end_s: float
    """What is kept for the end of the run."""

    def train(self) -> Iterator[Ensemble]:
        """The ensemble after each bag that was completed in time."""
        if self.run.task.is_large or (holdout := self.builder.holdout()) is None:
            return
        of_ensemble = [trial_of(member) for member in holdout.weights]
        others = [trial_of(member) for member in self.builder.candidates()]
        n_threads = self.run.settings.n_workers or n_cores()
        known = {result.trial_id for result in self.history.results} - {DUMMY}
        with one_blas_thread(), ThreadPoolExecutor(n_threads, "raytabdl-folds") as pool:
            for trial_id in dict.fromkeys(name for name in [*of_ensemble, *others] if name in known):
                if self.is_over():
                    return
                budget, seconds = self._course(trial_id)
                folds = [fold for fold in range(1, self.run.task.n_folds) if not self._has(trial_id, fold)]
                n_rounds = -(-len(folds) // n_threads)
                if n_rounds == 0 or n_rounds * seconds * MARGIN > self.run.clock.remaining() - self.end_s:
                    continue
                if self._train_bag(pool, trial_id, folds, budget) and (ensemble := self.builder.ensemble()):
                    yield ensemble

    def _has(self, trial_id: str, fold: int) -> bool:
        return self.history.statuses.get(fold_trial(trial_id, fold)) is Status.COMPLETED

    def _course(self, trial_id: str) -> tuple[int, float]:
        """The budget at which a model was best on fold 0, and the seconds to it."""
        results = [result for result in self.history.results if result.trial_id == trial_id]
        best = min(results, key=lambda result: result.rung_loss)
        return best.budget, sum(result.seconds.total for result in results if result.budget <= best.budget)

    def _train_bag(self, pool: ThreadPoolExecutor, trial_id: str, folds: list[int], budget: int) -> bool:
        """Whether all folds were trained; each model is published as soon as it is there."""
        trial = self.history.trials[trial_id]
        futures: dict[Future[QuickResult | None], int] = {}
        for fold in folds:
            name = fold_trial(trial_id, fold)
            seed = trial_seed(self.run.settings.seed, name)
            on_fold = Trial(name, trial.config, BAG, bracket=-1, seed=seed, fold=fold)
            self.history.append(on_fold)
            futures[pool.submit(self._train_fold, on_fold, budget)] = fold
        are_whole = True
        for future in as_completed(futures):
            name = fold_trial(trial_id, futures[future])
            try:
                result = future.result()
            except Exception:  # noqa: BLE001  # a fold that a model does not suit must not cost the run its others
                self._ended(name, Status.FAILED, traceback.format_exc())
                are_whole = False
                continue
            if result is None:
                self._ended(name, Status.STOPPED, "the time was up")
                are_whole = False
                continue
            publish(self.run, self.history, self.builder, result, futures[future])
            self._ended(name, Status.COMPLETED)
        return are_whole

    def _ended(self, name: str, status: Status, reason: str = "") -> None:
        self.history.append(Change(name, status, self.run.clock.elapsed(), reason))

    def _train_fold(self, trial: Trial, budget: int) -> QuickResult | None:
        """The model at the end of its course, or None where it was cut short."""
        if self.is_over():
            return None
        steps = list(train_quick(trial, self.run.task, self.horizon, self.is_over, budget))
        if not steps or (steps[-1].pipeline.budget < budget and self.is_over()):
            return None
        return QuickResult(trial.id, steps[-1].pipeline, [point for step in steps for point in step.points])


def publish(run: Run, history: History, builder: EnsembleBuilder, result: QuickResult, fold: int = 0) -> float:
    """Keeps what a quick model has come to on a fold, and returns its loss among the members of the ensemble."""
    predictions = result.pipeline.best_predictions
    assert predictions is not None
    member = run.folder.publish(result.pipeline, result.trial_id)
    loss = builder.add(member, predictions)
    truth = run.task.truth(fold)
    run.folder.write_curve(result.trial_id, result.points)
    history.append(
        Result(
            trial_id=result.trial_id,
            budget=result.pipeline.budget,
            rung_loss=result.pipeline.best_loss,
            loss=run.metric.loss(truth.y, predictions, truth.weights),
            scores=logged(run.task.target.task_type, truth, predictions),
            seconds=Seconds(
                sum(point.training_s for point in result.points), sum(point.evaluation_s for point in result.points)
            ),
            time=run.clock.elapsed(),
            member=member,
        )
    )
    return loss

"""Ensemble selection (Caruana et al. 2004): a weighted mean of models, grown while the search runs."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from raytabdl.calibration import Scaling, scaled, vector_scaling
from raytabdl.decisions import Factors, decided, measures_classes, tuned_factors
from raytabdl.inputs import Array, Weights
from raytabdl.metrics import CLASSIFICATION, REGRESSION, Metric
from raytabdl.names import budget_of, fold_of, trial_of
from raytabdl.objectives import AT_ONCE, Losses, Objective, objective

_SMALLEST = 1e-12
_SLACK = 1e-3
"""Of the loss: so much worse calibrated predictions may be, whose rounding makes and breaks ties of ranks."""


@dataclass(frozen=True)
class Ensemble:
    """Weights of members that sum to 1, and the loss of their weighted mean on the validation rows.

    ``factors`` are those of the classes, where a metric is better by another decision than the most probable class;
    by ``scaling`` the mean of probabilities is calibrated, where the metric does not see to that.
    """

    weights: Mapping[str, float]
    loss: float
    factors: Factors = ()
    scaling: Scaling = ()

    def predict(self, predictions: Mapping[str, Array]) -> Array:
        """The weighted mean of the members' predictions, calibrated."""
        mean = np.asarray(sum(weight * predictions[member] for member, weight in self.weights.items()))
        return scaled(mean, self.scaling)

    def trial_weights(self) -> dict[str, float]:
        """The weight of each trial, over all folds that it was trained on."""
        weights: dict[str, float] = {}
        for member, weight in self.weights.items():
            weights[trial_of(member)] = weights.get(trial_of(member), 0.0) + weight
        return weights


@dataclass(frozen=True)
class InferLimit:
    """How long the members of an ensemble may take to predict, one after another, and how long each takes, in seconds.

    ``seconds`` may be measured as they are asked for.
    """

    limit_s: float
    seconds: Mapping[str, float]

    def allows(self, members: Iterable[str]) -> bool:
        """Whether the members predict within the limit; of what follows once they do not nothing is asked."""
        left_s = self.limit_s
        for member in members:
            left_s -= self.seconds[member]
            if left_s < 0:
                return False
        return True

    def of_bags(self, bags: Mapping[str, Sequence[str]]) -> InferLimit:
        """The same limit, where each member stands for all models of its bag."""
        return InferLimit(self.limit_s, {m: sum(self.seconds[own] for own in bag) for m, bag in bags.items()})


def select(
    predictions: Mapping[str, Array],
    y: Array,
    metric: Metric,
    *,
    size: int = 25,
    weights: Weights = None,
    limit: InferLimit | None = None,
) -> Ensemble:
    """The members, picked one by one with replacement, whose mean has the lowest loss; the best prefix is kept.

    Among equals a member that was picked before wins, then the one with the lowest loss of its own. The loss is
    infinite where the metric can measure no mean on the rows. ``weights`` are those of the rows. A metric that is
    measured member by member is asked a thousand times: it selects by some of the rows where there are many.

    With a ``limit``, which each member must be within, only those are picked that fit into the time that is left. The
    best member may take it all, and others be better together: so it is also selected among those that take no more
    than a half or a quarter of it each, and the best of these ensembles is the answer.
    """
    if len(y) > _most_rows(metric):
        is_classification = next(iter(predictions.values())).ndim > 1
        rows, of_rows = _some_rows(y, weights, _most_rows(metric), is_classification=is_classification)
        some = {member: own[rows] for member, own in predictions.items()}
        selected = select(some, y[rows], metric, size=size, weights=of_rows, limit=limit)
        return Ensemble(selected.weights, metric.loss(y, selected.predict(predictions), weights))
    members = list(predictions)
    asked = objective(metric, [predictions[member] for member in members], y, weights)
    alone = asked.alone()
    if limit is None:
        best_loss, best_counts = _grown(asked, alone, size, np.zeros(len(members)), np.inf)
    else:
        seconds = np.array([limit.seconds[member] for member in members])
        most = [share * limit.limit_s for share in MOST_SHARES if (seconds <= share * limit.limit_s).any()]
        grown = [_grown(asked, alone, size, np.where(seconds <= m, seconds, np.inf), limit.limit_s) for m in most]
        best_loss, best_counts = min(grown, key=lambda each: each[0])
    shares = best_counts / best_counts.sum()
    chosen = sorted(np.flatnonzero(best_counts), key=lambda member: -shares[member])
    return Ensemble({members[member]: float(shares[member]) for member in chosen}, best_loss)


def _grown(
    asked: Objective, alone: Losses, size: int, seconds: NDArray[np.float64], limit_s: float
) -> tuple[float, NDArray[np.int64]]:
    """The lowest loss of the means on the way, and how often each member was picked for it."""
    counts = np.zeros(len(alone), np.int64)
    total = np.zeros_like(asked.members[0])
    best_loss, best_counts = np.inf, counts
    for n_picked in range(1, size + 1):
        in_time = np.flatnonzero((counts > 0) | (seconds <= limit_s - seconds[counts > 0].sum()))
        losses = asked.joined(total, n_picked, in_time) if n_picked > 1 else alone
        ties = in_time[losses[in_time] <= losses[in_time].min() + _SMALLEST]
        pick = min(ties, key=lambda member: (counts[member] == 0, alone[member]))
        counts = counts.copy()
        counts[pick] += 1
        total = total + asked.members[pick]
        if n_picked == 1 or losses[pick] < best_loss - _SMALLEST:
            best_loss, best_counts = float(losses[pick]), counts
    return best_loss, best_counts


@dataclass
class EnsembleBuilder:
    """Takes validation predictions as they come, and selects among the best of them.

    A trial has one candidate, that of its rung with the lowest loss; what gains less on ``worst_loss`` (the dummy's)
    than half of what the best one does never enters: by a metric of few rows it may seem to help. ``n_best`` candidates
    are considered, which bounds the time of a selection.

    ``y`` holds the targets of the validation rows of fold 0, ``other_folds`` those of the other folds, ``row_weights``
    the weights of the rows of each fold, or nothing where all count the same. A trial whose configuration was trained
    on every fold is a bag: its models together predict each row that is in a fold without having seen it.

    With a ``limit`` a bag takes the time of all its models, and there must be time for two of them. Of trials that are
    selected on fold 0 the models of the other folds predict as well as far as the time goes, the largest weight first.
    """

    y: Array
    metric: Metric
    size: int = 25
    n_best: int = 40
    worst_loss: float = math.inf
    other_folds: Sequence[Array] = ()
    row_weights: Sequence[NDArray[np.float64]] = ()
    predictions: dict[str, Array] = field(default_factory=dict)
    losses: dict[str, float] = field(default_factory=dict)
    limit: InferLimit | None = None
    refused: set[str] = field(default_factory=set)
    """Members whose loss is not finite, which no ensemble can hold."""

    def add(self, member: str, predictions: Array) -> float:
        """Keeps a member's predictions and returns their loss; not finite ones are refused with infinity."""
        loss = self.loss_of(member, predictions)
        self.keep(member, predictions, loss)
        return loss

    def loss_of(self, member: str, predictions: Array) -> float:
        """The loss of a member: on fold 0, where members are compared, by the decision that suits it."""
        if not np.isfinite(predictions).all():
            return math.inf
        fold = fold_of(member)
        y, weights = (self.y, *self.other_folds)[fold], self._weights_of(fold)
        factors = tuned_factors(y, predictions, self.metric, weights) if fold == 0 else ()
        return self.metric.loss(y, decided(predictions, factors), weights)

    def keep(self, member: str, predictions: Array, loss: float) -> None:
        """Takes a member whose loss is known, if it is finite."""
        if math.isfinite(loss):
            self.predictions[member] = predictions
            self.losses[member] = loss
        else:
            self.refused.add(member)

    def forget(self, member: str) -> None:
        """Lets go of a member that was deleted; it may come again."""
        self.losses.pop(member, None)
        self.predictions.pop(member, None)
        self.refused.discard(member)

    def release(self) -> None:
        """Lets go of the predictions that no selection looks at; ``predictions`` must read them anew where asked.

        What has fallen out of the best stays out: losses are only ever added.
        """
        looked_at = {*self.candidates(), *(own for folds in self.bags().values() for own in folds)}
        for member in self.predictions.keys() - looked_at:
            del self.predictions[member]

    def candidates(self) -> list[str]:
        """The best member of each trial on fold 0, best first, at most ``n_best`` of them."""
        return list(islice(self._worthy(), self.n_best))

    def _worthy(self, among: Container[str] | None = None) -> Iterator[str]:
        """The best member of each trial on fold 0, best first; of equals the one that was trained for longest.

        Of those that predict within the limit, where there is one: what is no better than the dummy only if it is the
        best of all. Of the trials ``among`` some, which spares others from being timed.
        """
        on_first = [member for member in self.losses if fold_of(member) == 0]
        in_order = sorted(on_first, key=lambda member: (self.losses[member], -budget_of(member)))
        trials: set[str] = set()
        enough = self.worst_loss
        for member in in_order:
            trial, loss = trial_of(member), self.losses[member]
            if not loss < enough and member != in_order[0]:
                return
            is_asked = among is None or trial in among
            if trial in trials or (trials and not is_asked):  # the first one says what is enough
                continue
            if self.limit is not None and not self.limit.allows([member]):
                continue
            if not trials and math.isfinite(self.worst_loss):
                enough = self.worst_loss - LEAST_GAIN * (self.worst_loss - loss)
            trials.add(trial)
            if is_asked:
                yield member

    def holdout(self) -> Ensemble | None:
        """The ensemble of the candidates, selected on fold 0 alone; None where there is nothing."""
        candidates = self.candidates()
        if not candidates:
            return None
        return self._selected({m: self.predictions[m] for m in candidates}, self.y, self._weights_of(0), self.limit)

    def ensemble(self) -> Ensemble | None:
        """The ensemble of what is there, or None where there is nothing."""
        holdout = self.holdout()
        return None if holdout is None else self.with_bags(holdout)

    def with_bags(self, holdout: Ensemble) -> Ensemble:
        """The ensemble of what is there, where fold 0 alone selects ``holdout``.

        Selected on all rows among the bags, unless these are clearly worse on fold 0 than all candidates: the models of
        the folds and the further rows are worth more than what its rows can tell. Else, and while there
        is but one bag, selected on fold 0. Either way a trial is represented by its models of all folds that there are.
        """
        bags = self.bags()
        of_bags = self.limit and self.limit.of_bags(bags)
        if self.other_folds and self._are_enough(bags, of_bags) and self._are_as_good(list(bags), of_bags):
            out_of_fold = {m: np.concatenate([self.predictions[f] for f in own]) for m, own in bags.items()}
            y = np.concatenate([self.y, *self.other_folds])
            weights = np.concatenate(self.row_weights) if self.row_weights else None
            return _with_folds(self._selected(out_of_fold, y, weights, of_bags), bags)
        return _with_folds(holdout, self._folds_in_time(holdout))

    def _selected(
        self, predictions: Mapping[str, Array], y: Array, weights: Weights, limit: InferLimit | None
    ) -> Ensemble:
        """The ensemble of some members that is selected by the metric.

        A metric of classes sees nothing of probabilities that no decision turns on: there the members are selected by
        log loss as well, and the better of both ensembles is taken, each with the factors that suit it. Of other
        metrics than log loss the probabilities are calibrated, unless they are the worse for it by the metric.
        """
        selected = select(predictions, y, self.metric, size=self.size, weights=weights, limit=limit)
        log_loss = CLASSIFICATION["log_loss"]
        if self.metric.name == log_loss.name or next(iter(predictions.values())).ndim == 1:
            return selected
        chosen = [selected]
        if measures_classes(y, next(iter(predictions.values())), self.metric):
            chosen.append(select(predictions, y, log_loss, size=self.size, weights=weights, limit=limit))
        found = []
        for each in chosen:
            plain = self._tuned(each, predictions, y, weights)
            scaling = vector_scaling(y, each.predict(predictions), weights)
            calibrated = self._tuned(replace(each, scaling=scaling), predictions, y, weights) if scaling else plain
            is_worse = calibrated.loss > plain.loss + _SLACK * abs(plain.loss)
            found.append(plain if is_worse else calibrated)
        return min(found, key=lambda each: each.loss)

    def _tuned(self, ensemble: Ensemble, predictions: Mapping[str, Array], y: Array, weights: Weights) -> Ensemble:
        """The ensemble with the factors by which it decides best on the rows that it was selected on."""
        mean = ensemble.predict(predictions)
        factors = tuned_factors(y, mean, self.metric, weights)
        return replace(ensemble, loss=self.metric.loss(y, decided(mean, factors), weights), factors=factors)

    def bags(self) -> dict[str, list[str]]:
        """The models of all folds by their member on fold 0, where there are all: the ``n_best`` of the lowest losses.

        By the mean over the folds: among many trials those that are best on fold 0 alone owe it to chance.
        """
        of_trials: dict[str, list[str]] = {}
        for member in self.losses:
            if fold_of(member) > 0:
                of_trials.setdefault(trial_of(member), []).append(member)
        bags = {}
        for member in self._worthy(among=of_trials):
            others = {fold_of(m): m for m in of_trials[trial_of(member)]}
            if len(others) == len(self.other_folds):
                bags[member] = [member, *(others[fold] for fold in sorted(others))]
        if self.limit is not None:
            bags = {member: own for member, own in bags.items() if self.limit.allows(own)}
        best = sorted(bags, key=lambda member: sum(self.losses[own] for own in bags[member]))[: self.n_best]
        return {member: bags[member] for member in best}

    def _are_enough(self, bags: Mapping[str, list[str]], limit: InferLimit | None) -> bool:
        """Whether there are several bags, and time for them."""
        if len(bags) < LEAST_BAGS:
            return False
        return limit is None or sum(sorted(limit.seconds.values())[:LEAST_BAGS]) <= limit.limit_s

    def _are_as_good(self, bags: Sequence[str], limit: InferLimit | None) -> bool:
        """Whether what is selected among the bags is within two standard errors of what is selected among all.

        As in the rule of one standard error (Breiman et al. 1984) what is better for another reason, here for its
        folds, need not be the best. Each half of fold 0 is predicted by the ensemble of the other half: among many a
        small loss is found by chance. True also where the metric cannot measure what is to be compared: halves and
        samples of few rows may lack a class.
        """
        if len(self.y) < LEAST_ROWS_COMPARED:
            return True
        rng = np.random.default_rng(0)
        rows = rng.permutation(len(self.y))[:MAX_ROWS_COMPARED]
        among_bags = self._cross_fitted(bags, rows, limit)
        among_all = self._cross_fitted(self.candidates(), rows, self.limit)
        if among_bags is None or among_all is None:
            return True
        draws = [rng.integers(0, len(rows), len(rows)) for _ in range(N_DRAWS)]
        losses = [[self._loss_on(rows[draw], p[draw]) for p in (among_bags, among_all)] for draw in draws]
        differences = np.subtract(*np.transpose(losses))
        given_up = self._loss_on(rows, among_bags) - self._loss_on(rows, among_all)
        measured = differences[np.isfinite(differences)]
        return len(measured) == 0 or not given_up > N_ERRORS * np.std(measured)  # NaN is no reason against the bags

    def _loss_on(self, rows: NDArray[np.intp], predictions: Array) -> float:
        """The loss of predictions of some of the rows of fold 0; NaN where the metric cannot measure them."""
        weights = self._weights_of(0)
        return self.metric.loss_of_some(self.y[rows], predictions, None if weights is None else weights[rows])

    def _weights_of(self, fold: int) -> Weights:
        return self.row_weights[fold] if self.row_weights else None

    def _cross_fitted(self, members: Sequence[str], rows: NDArray[np.intp], limit: InferLimit | None) -> Array | None:
        """Predictions of the rows, each half by the ensemble that is selected on the other, if the metric can do so."""
        half, weights = len(rows) // 2, self._weights_of(0)
        fitted = []
        for own, other in ((rows[:half], rows[half:]), (rows[half:], rows[:half])):
            there = {m: self.predictions[m][other] for m in members}
            of_rows = None if weights is None else weights[other]
            selected = select(there, self.y[other], self.metric, size=self.size, weights=of_rows, limit=limit)
            if math.isinf(selected.loss):
                return None
            fitted.append(selected.predict({m: self.predictions[m][own] for m in selected.weights}))
        return np.asarray(np.concatenate(fitted))

    def _folds(self, member: str) -> list[str]:
        """The members of a trial, one for each fold that it was trained on, fold by fold."""
        of_trial = {fold_of(m): m for m in self.losses if trial_of(m) == trial_of(member) and fold_of(m) > 0}
        return [member, *(of_trial[fold] for fold in sorted(of_trial))]

    def _folds_in_time(self, ensemble: Ensemble) -> dict[str, list[str]]:
        """The models of each trial by its member on fold 0: those of all folds, where there is time for them."""
        folds = {member: [member] for member in ensemble.weights}
        for member in ensemble.weights:
            more = {**folds, member: self._folds(member)}
            if self.limit is None or self.limit.allows(own for models in more.values() for own in models):
                folds = more
        return folds


def _with_folds(ensemble: Ensemble, folds: Mapping[str, Sequence[str]]) -> Ensemble:
    """The weight of each member spread evenly over the models of its trial."""
    weights = {own: ensemble.weights[m] / len(folds[m]) for m in ensemble.weights for own in folds[m]}
    return replace(ensemble, weights=weights)


MOST_ROWS, MOST_ROWS_ONE_BY_ONE, MOST_ROWS_OF_OWN = 200_000, 20_000, 4_000
"""By which an ensemble is selected: of metrics that measure all members at once, of others, and of a user's own."""

LEAST_OF_CLASS = 50
"""Of these rows, where the class has them: of fewer the choice among members is mostly chance."""

LEAST_GAIN = 0.5
"""Of the gain of the best candidate on the dummy, which others must have to be candidates."""

LEAST_BAGS = 2
"""One bag alone, however good, gives up what members of several kinds are worth together."""

MOST_SHARES = (1.0, 0.5, 0.25)
"""Of the time to predict that there is, which a member may take in one selection after another."""

LEAST_ROWS_COMPARED, MAX_ROWS_COMPARED = 20, 4_000
"""By which ensembles are compared: fewer tell nothing, and some metrics are slow."""

N_ERRORS = 2
"""The standard errors by which bags may seem worse on fold 0; 1.6 behind there, they were ahead on a test set."""

N_DRAWS = 30
"""Of the bootstrap by which ensembles are compared."""


def _most_rows(metric: Metric) -> int:
    if metric.name in AT_ONCE:
        return MOST_ROWS
    return MOST_ROWS_ONE_BY_ONE if metric.name in {**CLASSIFICATION, **REGRESSION} else MOST_ROWS_OF_OWN


def _some_rows(y: Array, weights: Weights, most: int, *, is_classification: bool) -> tuple[NDArray[np.intp], Weights]:
    """About ``most`` random rows, sorted, and their weights.

    A class of which hardly a row would be there has ``LEAST_OF_CLASS``, or all that there are. They count as much as
    the class does among all rows, for a metric that takes weights.
    """
    rng = np.random.default_rng(0)
    rows = np.sort(rng.choice(len(y), most, replace=False))
    own = None if weights is None else weights[rows]
    if not is_classification:
        return rows, own
    codes = y.astype(np.int64)
    counts = np.bincount(codes)
    least = np.minimum(counts, min(LEAST_OF_CLASS, most // int(np.count_nonzero(counts))))
    rare = np.flatnonzero(np.bincount(codes[rows], minlength=len(counts)) < least)
    if len(rare) == 0:
        return rows, own
    of_rare = [rng.choice(np.flatnonzero(codes == c), least[c], replace=False) for c in rare]
    rows = np.sort(np.concatenate([rows[~np.isin(codes[rows], rare)], *of_rare]))
    stand_for = counts / np.maximum(np.bincount(codes[rows], minlength=len(counts)), 1)
    together = stand_for[codes[rows]] * (1 if weights is None else weights[rows])
    return rows, together / together.mean()

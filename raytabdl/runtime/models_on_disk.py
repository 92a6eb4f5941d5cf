"""The models of a run on its disk, which a long run does not fill."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Callable

from raytabdl.ensemble import Ensemble, EnsembleBuilder
from raytabdl.exceptions import CorruptModelError
from raytabdl.excess import Bounds, Stored, excess
from raytabdl.inputs import Error, Weights
from raytabdl.metrics import CLASSIFICATION, REGRESSION
from raytabdl.names import fold_of, trial_of
from raytabdl.run_folder import RunFolder

logger = logging.getLogger(__name__)

MOST_MEMBERS = 1_000
"""As many are read in seconds, where a run is resumed, its actor comes back or another ensemble is selected."""

SHARE_OF_DISK = 0.25
"""Of what would be free without them: checkpoints, prepared folds and other users of the disk need the rest."""

LEAST_BYTES = 10**9
"""They may take so much in any case, and need not be looked at, while as much is free."""

USUAL = {Error.SQUARED: "rmse", Error.ABSOLUTE: "mae", Error.LOGARITHMIC: "msle"}
"""What trials of a regression are promoted on, by the error that their metric makes small."""


class ModelsOnDisk:
    """Deletes the models and predictions in excess; what was told in an ensemble is kept, to be replayed."""

    def __init__(self, folder: RunFolder, most_members: int = MOST_MEMBERS) -> None:
        self._folder = folder
        self._most_members = most_members
        self._kept = {member for _, ensemble in folder.read_trajectory() for member in ensemble.weights}
        if folder.ensemble.exists():  # of a run that was interrupted, and goes on
            self.tell(folder.read_ensemble())
        self._n_bytes: dict[str, int] = {}
        self._stored: dict[str, Stored] = {}

    def tell(self, ensemble: Ensemble) -> None:
        """From now on the members of an ensemble are kept; it is told after it was written."""
        self._kept.update(ensemble.weights)

    def bound(self, builder: EnsembleBuilder, is_awaited: Callable[[], bool]) -> list[str]:
        """The members of a builder that were in excess, and are deleted; few or none where somebody waits for the end.

        Below the bounds only sizes are looked at. Members whose model is gone, or is being replaced by one of the same
        trial, which will be told of again, are among them.
        """
        members = [*builder.losses, *sorted(builder.refused)]
        for member in set(members) - self._n_bytes.keys():
            if is_awaited():
                return []
            self._n_bytes[member] = self._folder.n_bytes(member)
        n_bytes = sum(self._n_bytes.values())
        free = shutil.disk_usage(self._folder.path).free
        least = LEAST_BYTES if free > LEAST_BYTES else 0
        bounds = Bounds(self._most_members, max(least, SHARE_OF_DISK * (n_bytes + free)))
        if bounds.hold(len(self._n_bytes), n_bytes):
            return []
        deleted: list[str] = []
        for member in set(members) - self._stored.keys():
            if is_awaited():
                return deleted
            try:
                self._stored[member] = self._look_at(member, builder)
            except CorruptModelError:
                del self._n_bytes[member]
                deleted.append(member)
        stored = {member: self._stored[member] for member in members if member in self._stored}
        bags = {trial_of(member) for member in builder.bags()} | self._in_the_making(builder)
        for member in excess(stored, self._kept, bounds, n_best=builder.n_best, bags=bags):
            if is_awaited():
                break
            if self._delete(member):
                del self._stored[member], self._n_bytes[member]
                deleted.append(member)
        return deleted

    def _delete(self, member: str) -> bool:
        """Whether a member is deleted; one that the disk does not let go of is kept, and not tried again."""
        try:
            self._folder.delete(member)
        except OSError as error:
            if not self._folder.holds(member):
                return True
            logger.warning("the model %s cannot be deleted, and is kept: %s", member, error)
            self._kept.add(member)
            return False
        return True

    def _in_the_making(self, builder: EnsembleBuilder) -> set[str]:
        """The trials that are trained on the other folds and may become bags, by what the driver has written of them.

        By the time that one is whole it may be among the best again, which it is no more on fold 0.
        """
        statuses = self._folder.history().statuses
        failed = {trial_of(name) for name, status in statuses.items() if status.is_failure}
        begun = {trial_of(name) for name in statuses if fold_of(name) > 0}
        models = {(trial_of(member), fold_of(member)) for member in builder.losses}
        folds = range(1 + len(builder.other_folds))
        return {trial for trial in begun - failed if not all((trial, fold) in models for fold in folds)}

    def _look_at(self, member: str, builder: EnsembleBuilder) -> Stored:
        loss = builder.losses.get(member, math.inf)
        usual_loss = self._usual_loss(member, builder) if fold_of(member) == 0 and math.isfinite(loss) else loss
        return Stored(loss, usual_loss, self._folder.family(member), self._n_bytes[member])

    def _usual_loss(self, member: str, builder: EnsembleBuilder) -> float:
        """What trials are promoted on: the log loss, or the error that the models make small."""
        usual = (CLASSIFICATION["log_loss"], REGRESSION[USUAL[builder.metric.error]])
        if builder.metric in usual:
            return builder.losses[member]
        predictions = self._folder.read_predictions(member)
        weights: Weights = builder.row_weights[0] if builder.row_weights else None
        return usual[0 if predictions.ndim > 1 else 1].loss(builder.y, predictions, weights)

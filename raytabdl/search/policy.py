"""How long and on how many rows to train at the full budget, by the size of the table and the time given."""

from __future__ import annotations

from dataclasses import dataclass, replace

from raytabdl.search.brackets import Budgets

N_FOLDS = 5
MAX_ROWS_PER_EPOCH = 50_000
MIN_ROWS_PER_EPOCH = 1_000
FULL_TRIAL_SHARE, FULL_TRIAL_WALL_SHARE = 1 / 6, 1 / 3
"""The most of all worker seconds, and of the time, that one trial at the full budget may take."""

MOST_TRIAL_SHARE, MOST_TRIAL_WALL_SHARE = 1 / 4, 1 / 2
"""The most that it may take to a rung; costs are estimates, and a family may be far slower than thought."""

LONG_TRIAL_SHARE, LONG_TRIAL_WALL_SHARE = 1 / 120, 1 / 60
"""The most that a booster may take beyond ``BOOSTER.most`` rounds: its bag is a 24th of all worker seconds.

On 17 tables of up to 15,000 rows the loss of CatBoost and LightGBM fell from 1,080 to 4,320 rounds by 0.4 % in the mean
(by 2 and more on covertype, segment, phoneme and kr-vs-k; not at all on every second one, where they end early).
"""

N_NETWORKS = 13
"""Full trials of a network that are to fit where it is given more rows in an epoch than ``MAX_ROWS_PER_EPOCH``."""


@dataclass(frozen=True)
class Course:
    """Iterations at the full budget, and what one costs on a core.

    ``ms`` is for 1,000 rows of 20 columns; the cost grows with the columns as ``columns + free_columns``.
    """

    ms: float
    free_columns: int
    least: int
    most: int

    def seconds(self, n_rows: int, n_columns: int, n_iterations: int) -> float:
        columns = (n_columns + self.free_columns) / (20 + self.free_columns)
        return self.ms / 1e6 * n_rows * columns * n_iterations

    def iterations(self, n_rows: int, n_columns: int, seconds: float) -> int:
        """As many as fit, between ``least`` and ``most``."""
        return int(min(max(seconds / self.seconds(n_rows, n_columns, 1), self.least), self.most))


# A 3x256 network multiplies with (columns + 512) * 256 weights. Boosters: about CatBoost's time on 8,000 rows.
NETWORK = Course(ms=25.0, free_columns=512, least=9, most=270)
BOOSTER = Course(ms=0.6, free_columns=10, least=135, most=1080)
LONG_BOOSTER = replace(BOOSTER, most=4320)


EPOCHS = (9, 18, 27, 54, 81, 108, 162, 270)
"""Horizons whose rungs fall on whole epochs."""

USUAL_EPOCHS = 108
"""Networks that need no more train no longer (``Network.max_epochs``), and decide how many trials there are."""

SLOW_BOOSTER = 2.0
"""How many times as long as a network a booster takes where networks are tried first."""

BOOSTER_HORIZON = 540
"""The rounds of a booster at its own horizon (``Classic.horizon``); forests get the same share of theirs."""


@dataclass(frozen=True)
class Plan:
    """What a run is set to before it starts."""

    budgets: Budgets
    first_bracket: int
    portfolio_rung: int
    """The rung that the portfolio's members start from; the last one trains them all to the end."""
    classic_first: bool
    """Whether the portfolio's networks come after its classic models, and start as low as what the search suggests."""
    networks_first: bool
    """Whether its networks come before its classic models, all in one bracket."""
    network_epochs: int
    rows_per_epoch: int
    iteration_share: float
    """Of the iterations that a classic model has at its own horizon."""
    full_trial_seconds: float
    """A network that would take longer to the full budget trains fewer epochs."""
    most_trial_seconds: float
    """A trial that would take longer to its next rung is stopped: others are worth more."""


def plan(n_rows: int, n_columns: int, n_classes: int, seconds: float, n_workers: int) -> Plan:
    """The plan for a table of ``n_columns`` encoded columns (``n_classes`` is 0 for a regression).

    | full trials of a network that fit | first bracket (27 / 3)        | portfolio                             |
    | --------------------------------- | ----------------------------- | ------------------------------------- |
    | 12 and more                       | 0: 27 trials from budget 1 up | in its order, in a bracket of its own |
    | fewer                             | 1: 12 trials from budget 3 up | classic models alone in it, and first |

    The portfolio's own bracket trains all to the end where 16 full trials of a network and of a booster fit; else it
    starts at 9 of 27. On tables that take a network long, boosters are better for most of the time: there its
    networks come after them, and start with those of the first bracket. On wide tables of many classes, which take
    boosters long, networks come first, and also where boosters would be stopped before they come to 9 of 27.
    """
    if min(n_rows, n_columns, n_workers) < 1 or n_classes < 0 or seconds <= 0:
        raise ValueError(
            "rows, columns, seconds and workers must be positive, and n_classes not negative, got "
            f"{n_rows=}, {n_columns=}, {n_classes=}, {seconds=}, {n_workers=}"
        )
    worker_seconds = seconds * n_workers
    trial_seconds = min(FULL_TRIAL_SHARE * worker_seconds, FULL_TRIAL_WALL_SHARE * seconds)
    most_seconds = min(MOST_TRIAL_SHARE * worker_seconds, MOST_TRIAL_WALL_SHARE * seconds)
    n_train = max(n_rows * (N_FOLDS - 1) // N_FOLDS, 1)
    width = n_columns + n_classes
    rows_per_epoch = _rows_per_epoch(n_train, width, trial_seconds, worker_seconds)
    fitting = NETWORK.iterations(rows_per_epoch, width, trial_seconds)
    network_epochs = max(epochs for epochs in EPOCHS if epochs <= fitting)
    network_seconds = NETWORK.seconds(rows_per_epoch, width, min(network_epochs, USUAL_EPOCHS))
    n_full_trials = worker_seconds / network_seconds
    n_outputs = n_classes if n_classes > 2 else 1  # boosters grow a tree for each class
    long_seconds = min(LONG_TRIAL_SHARE * worker_seconds, LONG_TRIAL_WALL_SHARE * seconds)
    n_iterations = max(
        BOOSTER.iterations(n_train * n_outputs, n_columns, trial_seconds),
        LONG_BOOSTER.iterations(n_train * n_outputs, n_columns, long_seconds),
    )
    booster_seconds = BOOSTER.seconds(n_train * n_outputs, n_columns, n_iterations)
    usual_seconds = booster_seconds * min(1.0, BOOSTER_HORIZON / n_iterations)
    slowest = max(network_seconds, booster_seconds)
    has_time = worker_seconds >= 16 * slowest and seconds >= 2 * slowest
    are_few, boosters_fit = n_full_trials < 12, booster_seconds / 3 <= most_seconds
    return Plan(
        budgets=Budgets(),
        first_bracket=1 if are_few else 0,
        portfolio_rung=3 if has_time else 2,
        classic_first=are_few and boosters_fit,
        networks_first=not boosters_fit if are_few else usual_seconds > SLOW_BOOSTER * network_seconds,
        network_epochs=network_epochs,
        rows_per_epoch=rows_per_epoch,
        iteration_share=n_iterations / BOOSTER_HORIZON,
        full_trial_seconds=trial_seconds,
        most_trial_seconds=most_seconds,
    )


def _rows_per_epoch(n_train: int, width: int, trial_seconds: float, worker_seconds: float) -> int:
    """All rows up to the cap, or more in much time; fewer where not even the least number of epochs would fit."""
    fitting = trial_seconds / NETWORK.seconds(1, width, NETWORK.least)
    in_much_time = worker_seconds / N_NETWORKS / NETWORK.seconds(1, width, USUAL_EPOCHS)
    return int(min(n_train, max(MAX_ROWS_PER_EPOCH, in_much_time), max(fitting, MIN_ROWS_PER_EPOCH)))

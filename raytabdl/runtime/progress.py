"""What a person sees while a run goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from raytabdl.runtime.run import Progress, Run, Watch


@contextmanager
def show(wanted: bool | None, run: Run) -> Iterator[Watch]:
    """A watcher that displays progress: live on a terminal, as plain lines elsewhere.

    ``wanted`` None shows it on a terminal only.
    """

    def watch(progress: Progress) -> None:
        if wanted:
            print(progress.stage, round(progress.clock.elapsed(), 1), len(progress.history.trials), progress.ensemble_loss, flush=True)

    yield watch

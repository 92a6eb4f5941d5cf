"""Who trains an ensemble again: workers of Ray as in a search, or this process where a fit would have none.

Ray is imported once its environment is set, which ``connected`` does: this module must not import it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from raytabdl.clock import Clock
from raytabdl.inputs import Array, Inputs
from raytabdl.refitting import Job, Outcome, Train, repeated
from raytabdl.runtime.cluster import Cluster, connected
from raytabdl.runtime.limits import GRACE_SECONDS, asked_resources, hide_gpus
from raytabdl.runtime.nodes import check_room, living_nodes
from raytabdl.runtime.settings import LEAST_SECONDS_FOR_RAY, Settings, has_ray

WAIT_SECONDS = 1.0
"""Between two looks at the clock while workers train."""


@contextmanager
def refit_workers(settings: Settings, inputs: Inputs, y: Array, clock: Clock) -> Iterator[Train]:
    """What trains jobs on the rows, until the end of the block. Raises ClusterError where there is no such cluster."""
    if not has_ray(settings) or clock.limit_s < LEAST_SECONDS_FOR_RAY:
        yield lambda jobs: (repeated(job, inputs, y) for job in jobs)
        return
    with connected(settings.n_workers) as cluster:
        crew = _crew(cluster, settings, inputs, y, clock)
        try:
            yield crew.train
        finally:
            crew.end()


def _crew(cluster: Cluster, settings: Settings, inputs: Inputs, y: Array, clock: Clock) -> _Crew:
    import ray

    nodes = living_nodes()
    n_workers = settings.n_workers or max(1, cluster.n_cpus)
    wanted = asked_resources(settings.gpus_per_trial, settings.trial_memory, inputs.n_bytes, nodes, n_workers)
    check_room(wanted, nodes, may_grow=not cluster.is_own)
    actor = ray.remote(_Worker).options(
        num_cpus=wanted["CPU"], num_gpus=wanted.get("GPU", 0.0), memory=int(wanted.get("memory", 0.0)) or None
    )
    table = ray.put(inputs), ray.put(y)
    return _Crew(lambda: actor.remote(*table), n_workers, clock)


@dataclass
class _Crew:
    """Actors that train a job each at a time; one that dies, or does not answer at the end, has failed its job."""

    new_worker: Callable[[], Any]
    n_workers: int
    clock: Clock
    _idle: list[Any] = field(default_factory=list)
    _busy: dict[Any, tuple[Any, Job]] = field(default_factory=dict)
    """Workers and their jobs by the answer that is to come."""

    def train(self, jobs: Iterator[Job]) -> Iterator[Outcome]:
        import ray

        while True:
            while len(self._busy) < self.n_workers and (job := next(jobs, None)) is not None:
                worker = self._idle.pop() if self._idle else self.new_worker()
                try:
                    self._busy[worker.train.remote(job)] = worker, job
                except TypeError as error:
                    self._idle.append(worker)
                    yield Outcome(job.trial, reason=f"it cannot be sent to a worker: {error}")
            if len(self._busy) < self.n_workers:
                self._let_go()  # no job is left, and other workers may be waiting for the room
            if not self._busy:
                return
            ready, _ = ray.wait(list(self._busy), timeout=WAIT_SECONDS)
            for answer in ready:
                yield self._outcome(answer)
            if self.clock.is_up(-GRACE_SECONDS):
                for answer in list(self._busy):
                    if ray.wait([answer], timeout=0)[0]:
                        yield self._outcome(answer)
                        continue
                    worker, job = self._busy.pop(answer)
                    ray.kill(worker)
                    yield Outcome(job.trial, reason="its worker did not answer in time")

    def end(self) -> None:
        """Ends the workers, whatever they do."""
        self._idle += [worker for worker, _ in self._busy.values()]
        self._busy = {}  # no reference outlives Ray
        self._let_go()

    def _let_go(self) -> None:
        """Ends the workers that have nothing to do."""
        import ray

        for worker in self._idle:
            ray.kill(worker)
        self._idle = []

    def _outcome(self, answer: Any) -> Outcome:
        import ray

        worker, job = self._busy.pop(answer)
        try:
            outcome: Outcome = ray.get(answer)
        except ray.exceptions.RayError as error:
            *_, cause = str(error).strip().splitlines()
            return Outcome(job.trial, reason=f"its worker was lost: {cause.strip()}")
        self._idle.append(worker)
        return outcome


class _Worker:
    """Trains one job after another, on one CPU as a trial of a search."""

    def __init__(self, inputs: Inputs, y: Array) -> None:
        import ray
        import torch

        hide_gpus(ray.get_gpu_ids())
        torch.set_num_threads(1)
        self._inputs = inputs
        self._y = y

    def train(self, job: Job) -> Outcome:
        return repeated(job, self._inputs, self._y)

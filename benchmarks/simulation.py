"""A fleet in simulated time: the real plan and scheduling rules, with invented speeds."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

from benchmarks.simulated_study import Costs, SimulatedStudy, SimulatedWorker, Truth
from jobs import plan
from jobs.catalog import backbones
from jobs.plan import Plan
from jobs.task import Task
from workers.scheduling import rebalance

Policy = Callable[
    [Sequence[rebalance.Peer], Sequence[rebalance.ActiveTraining]],
    list[rebalance.Reassignment],
]
"""Which trainings move to which workers, given the workers and the trainings that nobody holds."""


class Simulation:
    """One study on one fleet. `run` returns the time at which it ends.

    `reassign` decides which trainings move to another worker. With `keep_trials`, a worker goes on
    with its trial after a target epoch, as real workers do.
    """

    def __init__(
        self,
        planned: Plan,
        truth: Truth,
        known: Sequence[dict[str, float]],
        costs: Costs,
        reassign: Policy,
        seed: int = 0,
        keep_trials: bool = True,
    ) -> None:
        self.study, self.costs, self.reassign = (
            SimulatedStudy(planned, truth, costs),
            costs,
            reassign,
        )
        self.keep_trials, self.rng = keep_trials, random.Random(seed)
        self.workers = [SimulatedWorker(place, dict(rates)) for place, rates in enumerate(known)]
        self.waiting: list[tuple[int, int, Task]] = []
        self.idle: deque[SimulatedWorker] = deque(
            sorted(self.workers, key=lambda _: self.rng.random())
        )
        self.now, self.count, self.reassigned = 0.0, itertools.count(), 0
        self.events: list[tuple[float, int, Callable[[], None]]] = []

    def run(self) -> float:
        """Simulate until every task is done; returns the seconds it took."""
        self._enqueue([Task("prepare", self.study.planned.data)])
        for worker in self.workers:
            self._at(
                self.costs.reconcile_s * (worker.place + 1) / len(self.workers),
                lambda worker=worker: self._round(worker),
            )
        while len(self.study.done) < len(self.study.planned.tasks):
            self.now, _, event = heapq.heappop(self.events)
            event()
        return self.now

    # The queue

    def _at(self, when: float, event: Callable[[], None]) -> None:
        heapq.heappush(self.events, (when, next(self.count), event))

    def _enqueue(self, tasks: Sequence[Task]) -> None:
        def arrive() -> None:
            for task in tasks:
                cost = backbones.relative_cost(task.subject.rsplit("-s", 1)[0])
                heapq.heappush(self.waiting, (plan.priority(task, cost), next(self.count), task))
            self._deliver()

        self._at(self.now + self.costs.message_s, arrive)

    def _deliver(self) -> None:
        for worker in [worker for worker in self.idle if worker.message is not None]:
            self.idle.remove(worker)
            task, worker.message = worker.message, None
            self._begin(worker, cast(Task, task))
        while self.waiting and (
            worker := next((worker for worker in self.idle if worker.requested is None), None)
        ):
            task = heapq.heappop(self.waiting)[2]
            if (
                not self._reserved(task)
                and task not in self.study.done
                and task.lease_key not in self.study.held
            ):
                self.idle.remove(worker)
                self._begin(worker, task)

    def _reserved(self, task: Task) -> bool:
        return task.kind == "train" and any(
            worker.requested == task.subject for worker in self.workers
        )

    # The work

    def _begin(self, worker: SimulatedWorker, task: Task) -> None:
        worker.task, worker.since, worker.stops_at = task, self.now, None
        self.study.held.add(task.lease_key)
        if task.kind == "train" and worker.requested == task.subject:
            worker.requested, self.reassigned = None, self.reassigned + 1
            deferred, worker.deferred = worker.deferred, None
            now_idle = [worker.holder] if worker.holder else []
            if deferred is not None and not self._assign([deferred], *now_idle):
                self._enqueue([deferred])
        worker.ends_at = self.now + self.study.begin_s(worker) + self.study.work_s(worker, task)
        self._at(worker.ends_at, lambda: self._end(worker, task))

    def _end(self, worker: SimulatedWorker, task: Task) -> None:
        if worker.task != task or self.now != worker.ends_at:
            return
        if task.kind == "train":
            self._measure(worker)
            self.study.epochs[task.subject] = task.epoch
        self.study.done.add(task)
        self._release(worker, self.study.following(task))

    def _release(self, worker: SimulatedWorker, following: list[Task]) -> None:
        task, worker.task = cast(Task, worker.task), None
        self.study.held.remove(task.lease_key)
        taker = next((other for other in self.workers if other.requested == task.subject), None)
        sent = [each for each in following if each.kind == "train"]
        self.idle.append(worker)
        if taker is not None and sent:
            self._send_to(taker, sent[0])
        elif taker is not None and task.kind == "train":
            self._enqueue([taker.deferred] if taker.deferred else [])
            taker.requested = taker.deferred = None
        elif worker.requested is not None and sent:
            worker.deferred = sent[0]
        elif self.keep_trials and task.kind == "train" and task in self.study.done and sent:
            self._send_to(worker, sent[0])
        elif (
            self.keep_trials
            and task.kind == "train"
            and worker.requested is None
            and len(following) == 1
        ):
            sent = following[:1]
            self._send_to(worker, sent[0])
        else:
            sent = self._assign(following, worker) if self.keep_trials else []
        self._enqueue([each for each in following if each not in sent])

    def _send_to(self, worker: SimulatedWorker, task: Task) -> None:
        def arrive() -> None:
            if worker.message is None and (worker.task is None or worker.requested == task.subject):
                worker.message = task
                self._deliver()
            else:
                self._enqueue([task])

        self._at(self.now + self.costs.message_s, arrive)

    def _assign(self, tasks: Sequence[Task], *now_idle: SimulatedWorker) -> list[Task]:
        """Send trainings to the idle workers that are best for them; returns those that were sent.

        `now_idle` are workers that have become idle since their last heartbeat.
        """
        idle = {worker.name for worker in now_idle}
        peers = [
            replace(worker.heartbeat, busy=False, settled=True)
            if worker.name in idle
            else worker.heartbeat
            for worker in self.workers
            if worker.heartbeat.name
        ]
        assigned = rebalance.assign_trainings(
            peers, [self.study.training(task) for task in tasks if task.kind == "train"]
        )
        by_name = {worker.name: worker for worker in self.workers}
        sent = [task for task in tasks if task.id in assigned]
        for task in sent:
            self._send_to(by_name[assigned[task.id]], task)
        return sent

    def _stop_soon(self, worker: SimulatedWorker) -> None:
        """Stop a training at the worker's next check, and after saving a checkpoint."""
        at = self.now + self.rng.random() * self.costs.look_s + self.costs.stop_s
        task = worker.task
        worker.stops_at = at

        def stop() -> None:
            if (
                worker.task == task
                and worker.stops_at == at
                and worker.task is not None
                and worker.task.kind == "train"
            ):
                trained = self.study.position(worker, at - self.costs.stop_s)
                self.study.epochs[worker.task.subject] = trained
                worker.ends_at = -1.0
                self._release(worker, [worker.task])

        self._at(at, stop)

    # Heartbeats and requests

    def _measure(self, worker: SimulatedWorker) -> None:
        """Record the worker's rate on its training, with some error, if it has trained enough."""
        trained_s = self.now - worker.since - self.study.begin_s(worker)
        if worker.task is not None and trained_s >= self.costs.measured_s:
            noise = 1 + self.rng.uniform(-self.costs.noise, self.costs.noise)
            kind = self.study.kind_of(worker.task)
            worker.rates[kind] = self.study.rate(worker, worker.task) * noise

    def _round(self, worker: SimulatedWorker) -> None:
        """A round of the worker's reconciler: write a heartbeat, and request a training if due."""
        training, task = None, worker.task
        if task is not None and task.kind == "train":
            self._measure(worker)
            training = self.study.training(task, self.study.position(worker, self.now))
        settled = (
            worker.requested is None
            and worker.stops_at is None
            and (self.now - worker.since > self.study.begin_s(worker) if task else not self.waiting)
        )
        worker.heartbeat = rebalance.Peer(
            worker.name,
            dict(worker.rates),
            task is not None,
            training,
            settled,
            model=str(self.study.truth.speeds[worker.place]),
        )
        self._at(self.now + self.costs.reconcile_s, lambda: self._round(worker))
        if settled:
            peers = [each.heartbeat for each in self.workers if each.heartbeat.name]
            reassignments = self.reassign(peers, self.study.unheld())
            mine = next((each for each in reassignments if each.taker == worker.name), None)
            if mine is not None:
                self._request(worker, mine)

    def _request(self, worker: SimulatedWorker, wanted: rebalance.Reassignment) -> None:
        """Ask the holder of a training to stop and hand it over."""
        subject = Task.parse(wanted.task).subject
        holder = next((other for other in self.workers if other.name == wanted.holder), worker)
        requested = any(other.requested == subject for other in self.workers)
        if (
            not requested
            and holder.task is not None
            and holder.task.subject == subject
            and holder.requested is None
        ):
            worker.requested, worker.holder = subject, holder
            self._stop_soon(holder)
            if worker.task is not None:
                self._stop_soon(worker)

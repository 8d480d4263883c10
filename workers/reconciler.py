"""Enqueue again the ready tasks that no worker holds, such as those of a lost worker.

That a worker is lost is seen by its lease (`lease_expiry`).

Every worker runs a reconciler, so there is no central process that could fail.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from dataclasses import dataclass, field

from jobs import atomic, readiness
from jobs.errors import BrokerUnreachable, OrchError, OutOfReach, class_of
from jobs.store.cached_store import RememberedStore, Stamp, stamp
from jobs.store.ledger import Ledger
from jobs.store.runs import Run
from jobs.task import Task
from workers import heartbeat, lease_shares, next_task, race_decisions
from workers.execution import announcing
from workers.execution.attempts import read_history
from workers.lease_expiry import TTL_S
from workers.messaging import broker
from workers.worker import Worker

log = logging.getLogger("orch.reconciler")

RECONCILE_S = 2.0
MAX_AT_ONCE = 20
MAX_SHARE = 0.02
"""The maximum share of a worker's time spent on scanning the ledger."""
UNHEARD_S = 10.0
"""Seconds that ready tasks may take to arrive at an idle worker; doubled each time."""
LEAST_IDLE_S = 2 * TTL_S
"""The minimum idle time before a worker exits.

Only after `TTL_S` can it detect that another worker died and left tasks behind.
"""


@dataclass(slots=True)
class Reconciler:
    """A worker's reconcile loop.

    Each round writes the heartbeat, scans for ready tasks, and enqueues those that nobody holds.
    `apart` are those of them that this worker may take and some other living worker may not.
    """

    worker: Worker
    ended: set[Stamp] = field(default_factory=set)
    store: RememberedStore | None = None
    stamps: dict[str, Stamp] = field(default_factory=dict)
    any_required: bool = True
    next_look: float = 0.0
    unheld: list[Task] = field(default_factory=list)
    apart: list[Task] = field(default_factory=list)
    expired: list[Task] = field(default_factory=list)
    tried_later: bool = False
    drained: bool = False
    unheld_since: dict[str, float] = field(default_factory=dict)
    patience_s: float = UNHEARD_S
    told: set[str] = field(default_factory=set)

    def forever(self, idle_exit_s: float | None, leave: threading.Event) -> None:
        """Run a round every `RECONCILE_S` until `leave` is set.

        Sets `leave` itself once the worker has been idle for `idle_exit_s` seconds. The worker
        stays for at least `LEAST_IDLE_S`, and while a failed task waits for its next attempt.

        Scans of a large plan use at most `MAX_SHARE` of the time. Each round writes the heartbeat.
        """
        while not leave.wait(RECONCILE_S * self.worker.placement.slowdown):
            try:
                self.round()
                self.worker.trouble = self.worker.trouble_class = ""
            except (OrchError, OSError, ValueError) as error:
                self.worker.trouble, self.worker.trouble_class = str(error), class_of(error)
                log.warning("reconciling failed, retrying: %s", error)
            except Exception:  # an unexpected error must not end the loop
                log.exception("reconciling failed, retrying")
            idle_s = time.monotonic() - self.worker.idle_since
            if (
                idle_exit_s is None
                or self.worker.loading
                or self.worker.admission.tasks
                or self.tried_later
            ):
                continue
            if idle_s > max(idle_exit_s, LEAST_IDLE_S):
                log.info("idle for %.0f s: exiting", idle_s)
                leave.set()

    def round(self) -> list[Task]:
        """Run one round and return the tasks that were enqueued again."""
        drained = self._look_for_drain()
        heartbeat.write_or_warn(self.worker)
        if self.worker.loading or drained:
            return []
        self._request_handover()
        admission, began = self.worker.admission, time.monotonic()
        full = len(admission.admitted_or_waiting) >= admission.slots
        if began < self.next_look and (full or (self.worker.link.up and not self.apart)):
            return []
        self.unheld = self._find_unheld_tasks()
        unheld = [task for task in self.unheld if self._fits(task)]
        self.apart = [task for task in unheld if not self.worker.placement.all_fit(task)]
        slowdown, took_s = self.worker.placement.slowdown, time.monotonic() - began
        pause_s = max(took_s / MAX_SHARE, RECONCILE_S * slowdown**2 if slowdown > 1 else 0.0)
        self.next_look = time.monotonic() + pause_s - RECONCILE_S * slowdown
        if full:
            lease_shares.enqueue(self.worker, self.expired)
        if not unheld or full or self.worker.pause.active or self.worker.stop.is_set():
            self.unheld_since.clear()
            self.patience_s = UNHEARD_S
            return []
        return self._requeue(unheld)

    def _look_for_drain(self) -> bool:
        """Whether this worker is drained; it then reads its own queue alone."""
        drain, was = self.worker.drain, self.drained
        drain.look(self.worker.admission.tasks)
        self.drained = drain.name is not None
        if self.drained != was:
            log.warning(
                "drained: %s" if self.drained else "no longer drained", *filter(None, [drain.name])
            )
            self.worker.listen(not self.drained)
            self.unheld_since.clear()
        return self.drained

    def _requeue(self, unheld: list[Task]) -> list[Task]:
        """Enqueue unheld tasks again, or begin one without the broker; returns those.

        One that some living worker may not take begins here: that worker would drop its message.
        So does one of a lost worker in a large fleet: most others have not watched its lease.
        """
        worker, waiting = self.worker, None
        lost = [task for task in self.expired if worker.placement.shares_leases and task in unheld]
        for tasks in filter(None, (lost, self.apart)):
            if begun := next_task.begin_one(worker, tasks):
                return begun
        unheld = [task for task in unheld if task not in self.apart]
        if not unheld:
            return []
        if worker.link.up:
            try:
                waiting = broker.queue_length(
                    worker.broker_url, store=worker.store_id, worker=worker.name
                )
                if waiting == 0:
                    again = unheld[:MAX_AT_ONCE]
                    worker.sender.enqueue(again, None)
            except BrokerUnreachable as error:
                worker.link.lost(error)
                waiting = None
        if waiting is None or self._unheard(unheld, waiting):
            return next_task.begin_one(worker, unheld)
        return [] if waiting else again

    def _unheard(self, unheld: list[Task], waiting: int) -> bool:
        """Whether a ready task that nobody holds did not reach this idle worker in time.

        The connection then looks sound to both sides; the worker reconnects.
        """
        now = time.monotonic()
        self.unheld_since = {task.id: self.unheld_since.get(task.id, now) for task in unheld}
        unheard_s = now - min(self.unheld_since.values())
        if unheard_s < self.patience_s or self.worker.pause.active:
            return False
        log.warning(
            "a ready task did not arrive for %.0f s (%d message(s) wait): connecting again",
            unheard_s,
            waiting,
        )
        self.unheld_since.clear()
        self.patience_s *= 2
        self.worker.reconnect("ready tasks do not arrive")
        return True

    def _find_unheld_tasks(self) -> list[Task]:
        """The tasks that are ready and held by no worker.

        Expired leases of other workers are detected here, even while this worker is busy.
        """
        self.tried_later, self.worker.denied = False, set()
        if not (runs := self._runs()):
            return []
        ledger = self.worker.store.ledger()
        claimed = set(atomic.list_names(self.worker.store.leases_folder))
        ready = [task for run in runs for task in self._ready_tasks(run, ledger)]
        once_claimed = {task.lease_key for task in ready} & claimed
        watched = lease_shares.watched(self.worker, once_claimed)
        unclaimed = [task for task in ready if task.lease_key not in claimed]
        others = [task for task in ready if task.lease_key in watched]
        ours = (each for each in unclaimed if self._takes(each))
        free = [task for task in ours if not self._waits_for_another(task)]
        free += [task for task in others if self._free(task)]
        tried = {task for task in free if task.lease_key in claimed}
        unheld = [task for task in free if task not in tried or not self._must_wait(task)]
        self.expired = [task for task in unheld if task in tried]
        self.tried_later = len(unheld) < len(free) or bool(self.worker.put_off.reasons())
        return unheld

    def _ready_tasks(self, run: Run, ledger: Ledger) -> list[Task]:
        """The ready tasks of a run.

        Files that this user may not read, or that a newer orch has written, put off their task, or
        their run, and no other.
        """
        try:
            if self._over(run, ledger):
                return []
            assert self.store is not None
            race_decisions.due(self.store, run, ledger)
            return readiness.ready_tasks(self.store, run, ledger, self._say_denied)
        except OutOfReach as error:
            self._say_denied(error)
            return []

    def _say_denied(self, error: OutOfReach) -> None:
        """Log once what this process must leave alone."""
        if str(error) not in self.told:
            log.warning("some tasks wait: %s", error)
        self.told.add(str(error))
        self.worker.denied.add(str(error))

    def _request_handover(self) -> None:
        """Request the handover of a slower worker's training, if the study then ends sooner."""
        worker = self.worker
        trainings = sum(task.kind == "train" for task in self.unheld)
        worker.sender.send(worker.placement.look(trainings, self.any_required))
        if worker.admission.slots > 1 or worker.stop.is_set():
            return
        waiting = [task for task in self.unheld if task.kind == "train"]
        worker.placement.request(waiting, busy=bool(worker.admission.tasks))

    def _runs(self) -> list[Run]:
        """The runs that have not ended, in order of submission; read again where one changed."""
        store, stamps = self.worker.store, dict[str, Stamp]()
        for name in atomic.list_names(store.runs_folder):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                stamps[name] = stamp(store, name)
        if self.store is None or stamps != self.stamps:
            self.store, self.stamps = RememberedStore(store.root), stamps
        names = sorted(stamps, key=lambda name: (stamps[name][1][2], name))
        runs = store.whole_runs(
            [name for name in names if stamps[name] not in self.ended], self._say_denied
        )
        self.store.look(runs)
        self.any_required = any(run.spec.has_requirements for run in runs)
        return runs

    def _over(self, run: Run, ledger: Ledger) -> bool:
        """Whether the run has no open task; remembered until the run is submitted again."""
        assert self.store is not None
        if "open" in readiness.task_states(self.store, run, ledger).values():
            return False
        self.ended.add(self.stamps[run.name])
        return True

    def _must_wait(self, task: Task) -> bool:
        try:
            history = read_history(self.worker.store, task)
            announcing.tell_abandoned(self.worker, task, history, self.told)
            return history.must_wait()
        except OutOfReach as error:
            self._say_denied(error)
            return True

    def _fits(self, task: Task) -> bool:
        try:
            return not (self.any_required or task.way) or self.worker.fits(task)
        except OutOfReach as error:
            self._say_denied(error)
            return False

    def _waits_for_another(self, task: Task) -> bool:
        return task.kind == "train" and self.worker.placement.requesting

    def _takes(self, task: Task) -> bool:
        """Whether this worker has not got the task, and has not put it off."""
        here = task.id in self.worker.admission.admitted_or_waiting
        return not here and not self.worker.put_off.active(task)

    def _free(self, task: Task) -> bool:
        try:
            if not self._takes(task) or not self.worker.leases.free(task.lease_key):
                return False
            return not self.worker.placement.declines(task)
        except OutOfReach as error:
            self._say_denied(error)
            return False

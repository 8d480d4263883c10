"""The one interface of scheduling: other packages of `workers` import nothing else of it.

It asks `handover` what stays on this worker, and `peers` which worker should get what, for
`workers.next_task`, which has the order of decisions. docs/reassignment.md says when it pays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jobs.store.fleet_slowdown import slowdown
from jobs.store.records import RunningTraining
from jobs.store.store import Store
from jobs.task import Task
from workers.scheduling.handover import Handover
from workers.scheduling.peers import MAX_READ, Peers
from workers.scheduling.peers import MAX_WATCHED as MAX_WATCHED
from workers.scheduling.peers import WATCHERS as WATCHERS

LOOK_S = 1.0
"""How often a child's worker asks whether it `stops`."""


@dataclass(slots=True)
class Placement:
    """What one worker measures, tells its peers, requests from them and grants."""

    handover: Handover
    peers: Peers

    @classmethod
    def of(cls, store: Store, name: str, host: str, device: str, threads: int | None) -> Placement:
        """The placement of a worker; `threads` are those of its children on a CPU, else None."""
        return cls(Handover(store, name, host, device, threads), Peers(store))

    # A task on this worker, from the message to its end

    def declines(self, task: Task) -> bool:
        """Whether not to begin a training: a peer waits for it, or this worker for another."""
        return self.handover.declines(task)

    def on_claimed(self, task: Task) -> tuple[list[Task], str]:
        """A lease was claimed: the trainings given up for it, and the worker that gave it away.

        Both are empty unless this fulfils the worker's own request.
        """
        request = self.handover.request
        return self.handover.fulfilled(task), request.holder if request else ""

    def on_message(self, task: Task, message: dict[str, Any]) -> None:
        """Measure the throughput from a child's progress message; raises nothing."""
        self.handover.on_message(task, message)

    def stops(self, task: Task, token: int) -> bool:
        """Whether the child should stop because of a handover."""
        return self.handover.stops(task, token)

    def on_ended(self, task: Task) -> None:
        """The child has ended: save what was measured."""
        self.handover.ended(task)

    def following(
        self, ended: Task, token: int, tasks: Sequence[Task], stays: bool
    ) -> dict[str | None, list[Task]]:
        """The tasks after one that has ended, by worker (None: to be `placed`)."""
        return self.handover.assign_following(ended, token, tasks, stays)

    def placed(self, tasks: Sequence[Task], *free: str) -> dict[str | None, list[Task]]:
        """Ready tasks by the idle worker that ends each first (None: any); `free` just ended."""
        return self.peers.placed(self.handover, tasks, *free) if tasks else {}

    @property
    def requesting(self) -> bool:
        """Whether this worker waits for a training of a peer."""
        return self.handover.request is not None

    @property
    def shares_leases(self) -> bool:
        """Whether the fleet may be so large that each worker watches a share of the leases."""
        return self.peers.workers > MAX_READ

    @property
    def slowdown(self) -> float:
        """The factor on intervals between looks and reports, by the number of workers."""
        return slowdown(self.peers.workers)

    def share_of(self, keys: Sequence[str]) -> list[str]:
        """Those of many leases that this worker watches, while others watch the rest."""
        return self.peers.share_of(self.handover.name, keys)

    def turn_of(self, key: str) -> int:
        """This worker's place among the watchers of a lease, from 0."""
        return self.peers.turn_of(self.handover.name, key)

    def all_fit(self, task: Task) -> bool:
        """Whether every living worker has the GPU memory that a task requires."""
        return self.peers.all_fit(task)

    # Every two seconds, and in each heartbeat

    def look(self, waiting: int = 0, any_required: bool = True) -> list[Task]:
        """Read the heartbeats of the workers; the trainings to enqueue, if a request failed.

        `waiting` are the trainings that no worker holds, and `any_required` says whether any run
        requires anything of a device.
        """
        late = self.handover.late()
        self.peers.any_required = any_required
        self.peers.peers(self.handover.name, waiting)
        return late

    def rank(self) -> int:
        """The place of this worker among the idle ones, from 0."""
        return self.peers.rank(self.handover.name)

    def request(self, waiting: Sequence[Task], busy: bool) -> None:
        """Request a slower worker's training, if the study then ends sooner.

        `waiting` are trainings that no worker holds. A worker that is `busy` with anything but a
        training requests none.
        """
        ours = self.handover
        if ours.request or ours.granted_to or (busy and ours.training is None):
            return
        wanted = self.peers.wanted(ours, waiting)
        if wanted is not None:
            ours.ask(Task.parse(wanted.task), wanted.holder)

    @property
    def rates(self) -> dict[str, float]:
        """The measured throughput by kind of training, for the heartbeat."""
        return dict(self.handover.rates)

    @property
    def settled(self) -> bool:
        """Whether this worker takes part in no handover, for the heartbeat."""
        return self.handover.settled

    def running_training(self) -> RunningTraining | None:
        """The training in progress, for the heartbeat."""
        return self.handover.running_training()

    def leave(self) -> None:
        """The worker ends: withdraw its request."""
        self.handover.withdraw()

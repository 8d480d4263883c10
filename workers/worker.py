"""The state of one worker: its device, its view of the peers, and whether it should stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from jobs.benchmark import host_key
from jobs.errors import class_of
from jobs.plan import cost_of
from jobs.store.requirements import gpu_memory_needed
from jobs.store.store import Store
from jobs.task import CHILD_ENTRY, Task
from jobs.task_title import task_title
from workers.devices.admission import Admission
from workers.devices.discovery import Device
from workers.devices.memory import MeasuredMemory
from workers.drain import Drain
from workers.lease_expiry import LeaseTracker
from workers.messaging import messages
from workers.messaging.background_sender import Sender
from workers.messaging.link import Link
from workers.messaging.task_events import Announce
from workers.process import child
from workers.process.child_main import Message
from workers.scheduling.interface import Placement

LONGEST_WAIT_S = 300.0


@dataclass(slots=True)
class Pause:
    """Exponential backoff while a worker's store or device cannot be used.

    The worker takes no task for 2, 4, 8 ... seconds, at most `LONGEST_WAIT_S`.
    """

    until: float = 0.0
    times: int = 0
    reason: str = ""
    failure: str = ""

    @property
    def active(self) -> bool:
        """Whether it has not ended yet."""
        return time.monotonic() < self.until

    def longer(self, reason: object = "") -> float:
        """Extend the pause and return its seconds.

        Slots that fail at the same time extend it only once.
        """
        self.reason, self.failure = str(reason), class_of(reason)
        if (left_s := self.until - time.monotonic()) > 0:
            return left_s
        self.times += 1
        pause_s = min(LONGEST_WAIT_S, 2.0**self.times)
        self.until = time.monotonic() + pause_s
        return pause_s

    def over(self) -> None:
        """End the pause: the store can be used again."""
        self.until, self.times, self.reason, self.failure = 0.0, 0, "", ""


@dataclass(slots=True)
class PutOff:
    """Backoff per task, for tasks whose files cannot be read. Thread-safe."""

    _pauses: dict[str, Pause] = field(default_factory=dict)

    def longer(self, task: Task, reason: object) -> float:
        """Let a task wait (longer) and return for how many seconds."""
        return self._pauses.setdefault(task.lease_key, Pause()).longer(reason)

    def active(self, task: Task) -> bool:
        """Whether the task still waits."""
        pause = self._pauses.get(task.lease_key)
        return pause is not None and pause.active

    def over(self, task: Task) -> None:
        """The task succeeded: forget its backoff."""
        self._pauses.pop(task.lease_key, None)

    def reasons(self) -> dict[str, str]:
        """Why each waiting task waits, by lease key."""
        return {key: pause.reason for key, pause in self._active()}

    def failures(self) -> list[str]:
        """The failure classes of these reasons."""
        return [pause.failure for _, pause in self._active()]

    def _active(self) -> list[tuple[str, Pause]]:
        return [(key, pause) for key, pause in self._pauses.copy().items() if pause.active]


@dataclass(slots=True)
class Worker:
    """One worker on one device: its store, leases, admission of tasks, and stop flag.

    All slot threads share one instance. When two threads claim a lease, the file system lets only
    one succeed. While it is `loading` its children's imports, the worker takes no task. `trouble`
    is what its last reconciliation failed with, with its failure class, and `denied` what its user
    may not read. `unwritten_since` is when its heartbeat could no longer be written.

    `announce` tells Celery's monitors of attempts. `terminated` are the Celery ids of attempts that
    a person stopped by remote control.
    `begin` starts a task in a slot of this worker without the broker; False if it takes none.
    `reconnect` drops the connection to the broker and makes a new one. `listen` chooses the queues:
    that of all workers too, or its own alone.
    """

    store: Store
    broker_url: str
    name: str
    host: str
    device: Device
    weights_dir: Path | None
    leases: LeaseTracker
    limits: child.Limits = field(default_factory=child.Limits)
    stop: threading.Event = field(default_factory=threading.Event)
    admission: Admission = field(default_factory=Admission)
    model: str = ""
    uuid: str = ""
    gpu_memory_bytes: int = 0
    loading: bool = False
    entry: str = CHILD_ENTRY
    run_child: Callable[..., Message] = child.run
    pause: Pause = field(default_factory=Pause)
    put_off: PutOff = field(default_factory=PutOff)
    trouble: str = ""
    trouble_class: str = ""
    denied: set[str] = field(default_factory=set)
    unwritten_since: float | None = None
    idle_since: float = field(default_factory=time.monotonic)
    link: Link = field(default_factory=Link)
    announce: Announce = lambda event_type, fields: None
    terminated: set[str] = field(default_factory=set)
    begin: Callable[[Task], bool] = lambda task: False
    reconnect: Callable[[str], None] = lambda why: None
    listen: Callable[[bool], None] = lambda to_all: None
    drain: Drain = field(init=False)
    store_id: str = field(init=False)
    sender: Sender = field(init=False)
    measured: MeasuredMemory = field(init=False)
    placement: Placement = field(init=False)

    def fits(self, task: Task) -> bool:
        """Whether this worker's device has what the runs that want a task require.

        A benchmark is for the workers of one host.
        """
        if task.way is not None and task.way.host != host_key(self.host):
            return False
        return gpu_memory_needed(self.store, task) <= self.gpu_memory_bytes

    def __post_init__(self) -> None:
        self.store_id = self.store.id
        self.drain = Drain(self.store, self.name, self.host)
        self.sender = Sender(
            self.link,
            lambda tasks, to: messages.enqueue(
                self.broker_url,
                tasks,
                to,
                self.store_id,
                partial(cost_of, self.store),
                partial(task_title, self.store),
            ),
        )
        threads = self.device.threads if self.device.kind == "cpu" else None
        device = self.device.name
        self.placement = Placement.of(self.store, self.name, self.host, device, threads)
        self.measured = MeasuredMemory(self.store, self.device.kind)

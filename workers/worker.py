"""Who works on one device: what it has, what it knows of the others, whether it should stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from jobs.store.store import Store
from jobs.task import CHILD_ENTRY
from workers.devices.admission import Admission
from workers.devices.discovery import Device
from workers.devices.memory import MeasuredMemory
from workers.lease import LeaseTracker
from workers.process import child
from workers.scheduling.handover import Handover
from workers.scheduling.peers import Peers

LONGEST_WAIT_S = 300.0


@dataclass(slots=True)
class Pause:
    """How long a worker takes no task, when its store or device could not be used: 2, 4, 8 ... s, at most 5 minutes."""

    until: float = 0.0
    times: int = 0

    def longer(self) -> float:
        """Wait longer than the time before; the seconds. Slots that fail together lengthen it once."""
        if (left_s := self.until - time.monotonic()) > 0:
            return left_s
        self.times += 1
        pause_s = min(LONGEST_WAIT_S, 2.0**self.times)
        self.until = time.monotonic() + pause_s
        return pause_s

    def over(self) -> None:
        """The store can be used again."""
        self.until, self.times = 0.0, 0


@dataclass(slots=True)
class Worker:
    """Who works on one device: its view of the store and the leases, the room for tasks, and whether it should stop.

    Each slot's thread works with the same one. Of two threads that claim a lease the file system lets one have it.
    While it is `loading` what its children need, it takes nothing.
    """

    store: Store
    broker_url: str
    name: str
    host: str
    device: Device
    weights_dir: Path | None
    watch: LeaseTracker
    limits: child.Limits = field(default_factory=child.Limits)
    stop: threading.Event = field(default_factory=threading.Event)
    room: Admission = field(default_factory=Admission)
    model: str = ""
    loading: bool = False
    entry: str = CHILD_ENTRY
    run_child: Callable[..., child.Message] = child.run
    pause: Pause = field(default_factory=Pause)
    idle_since: float = field(default_factory=time.monotonic)
    measured: MeasuredMemory = field(init=False)
    handover: Handover = field(init=False)
    fleet: Peers = field(init=False)

    def __post_init__(self) -> None:
        self.fleet = Peers(self.store)
        threads = self.device.threads if self.device.kind == "cpu" else None
        self.handover = Handover(self.store, self.name, self.host, self.device.name, threads)
        self.measured = MeasuredMemory(self.store, self.device.kind)

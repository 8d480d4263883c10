"""Sends a worker's notifications from a thread of its own: no task waits for the broker."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from typing import Protocol

from jobs.errors import BrokerUnreachable
from jobs.task import Task
from workers.messaging.link import Link

GOODBYE_S = 3.0


class Enqueue(Protocol):
    """Enqueues tasks, with `to` for one worker; raises `BrokerUnreachable`."""

    def __call__(self, tasks: Sequence[Task], to: str | None) -> object: ...


class Sender:
    """Enqueues tasks in the order given; before `start`, at once and in the caller's thread.

    While the broker is away nothing is sent, and nothing is lost: idle workers take ready tasks
    from the ledger, and reconcilers enqueue them later.
    """

    def __init__(self, link: Link, enqueue: Enqueue) -> None:
        self.link, self.enqueue = link, enqueue
        self._waiting: queue.Queue[tuple[Sequence[Task], str | None]] | None = None

    def start(self) -> None:
        """Send from now on in a thread that ends with the process."""
        self._waiting = queue.Queue()
        threading.Thread(target=self._forever, args=(self._waiting,), daemon=True).start()

    def send(self, tasks: Sequence[Task], to: str | None = None) -> None:
        """Enqueue tasks if the broker can be used; never raises."""
        if not tasks or not self.link.up:
            return
        if self._waiting is None:
            self._send(tasks, to)
        else:
            self._waiting.put((tasks, to))

    def drain(self) -> None:
        """Give the last notifications a moment to leave."""
        if self._waiting is not None and self.link.up:
            last = threading.Thread(target=self._waiting.join, daemon=True)
            last.start()
            last.join(GOODBYE_S)

    def _forever(self, waiting: queue.Queue[tuple[Sequence[Task], str | None]]) -> None:
        while True:
            tasks, to = waiting.get()
            self._send(tasks, to)
            waiting.task_done()

    def _send(self, tasks: Sequence[Task], to: str | None) -> None:
        if self.link.up:
            try:
                self.enqueue(tasks, to)
            except BrokerUnreachable as error:
                self.link.lost(error)

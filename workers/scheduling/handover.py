"""A training changes hands: the faster worker asks, the slower one stops between two steps, the asker goes on.

What is asked is a file in the store, good for one lease token: whoever claims the training next, with a higher token,
is bound by nothing. A worker that asks and dies costs the others one stop.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs import atomic
from jobs.errors import DamagedFile, OrchError
from jobs.store.store import Store
from jobs.task import Task
from workers import lease
from workers.scheduling import rebalance, throughput

log = logging.getLogger("orch.handover")

LOOK_S = 1.0
MEASURED_S = 5.0
"""How long a child must have trained before its pace is believed."""
PATIENCE_S = 15.0
"""How long an asker waits, and how long others leave what was asked for to it, each by its own clock."""


@dataclass(frozen=True, slots=True)
class HandoverRequest:
    """What a worker asked for: the training, who holds it, and the token of the lease that the holder then had."""

    task: Task
    holder: str
    token: int
    since: float


@dataclass(slots=True)
class Handover:
    """One worker's part in it: what it trains, how fast it was measured to be, what it asked for."""

    store: Store
    name: str
    host: str
    device: str
    threads: int | None
    clock: Callable[[], float] = time.monotonic
    rates: dict[str, float] = field(default_factory=dict)
    training: rebalance.ActiveTraining | None = None
    wish: HandoverRequest | None = None
    owed: list[Task] = field(default_factory=list)
    given: str | None = None
    _began: float = 0.0
    _last_mark: int = 0
    _reserved: dict[tuple[str, int], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with contextlib.suppress(OSError, DamagedFile, TypeError, ValueError, AttributeError):
            found = atomic.read_json(self.store.pace_path(self.host, self.device)) or {}
            self.rates = {str(kind): float(rate) for kind, rate in found.items() if float(rate) > 0}

    # What it is and does

    def told(self, task: Task, message: dict[str, Any]) -> None:
        """Learn from what a child says while it trains; what cannot be learned is no reason to end it."""
        with contextlib.suppress(OSError, OrchError, TypeError, ValueError):
            self._learn(task, message)

    def _learn(self, task: Task, message: dict[str, Any]) -> None:
        done, total, epoch, rate = (
            message.get(key) for key in ("done", "total", "epoch", "images_per_second")
        )
        if (
            task.kind != "train"
            or message.get("phase") != "train"
            or not (total and epoch and rate)
        ):
            return
        if self.training is None or self.training.task != task.id:
            self._began, self._last_mark = (
                self.clock(),
                max(self.store.marks(task.subject), default=task.epoch),
            )
            kind = self.kind_of(task)
        else:
            kind = self.training.kind
        left = (self._last_mark - epoch + 1) * total - (done or 0)
        self.training = rebalance.ActiveTraining(task.id, kind, float(max(left, 1)))
        if self.clock() - self._began >= MEASURED_S:
            self.rates[kind] = float(rate)

    def ended(self, task: Task) -> None:
        """A child has ended; what was learned is kept for this device's next worker."""
        if self.training is not None and self.training.task == task.id:
            self.training = None
            with contextlib.suppress(OSError, OrchError):
                atomic.write_json(self.store.pace_path(self.host, self.device), self.rates)

    def kind_of(self, task: Task) -> str:
        """What the pace of a training depends on: backbone, image size and, on a processor, the trial's threads."""
        trial = self.store.load_trial(task.subject)
        threads = self.threads
        if threads is not None:
            with contextlib.suppress(OSError, DamagedFile, KeyError, TypeError, ValueError):
                threads = int(
                    (atomic.read_json(self.store.trial_folder(trial.name) / "numerics.json") or {})[
                        "threads"
                    ]
                )
        return throughput.training_kind(
            trial.backbone, self.store.described(trial.data).settings.image_size, threads
        )

    def sign(self, busy: bool) -> dict[str, Any]:
        """What the worker says of itself to the others, beside its sign of life."""
        training = self.training
        return {
            "rates": self.rates,
            "busy": busy,
            "settled": self.wish is None and self.given is None,
            "training": training
            and {"task": training.task, "kind": training.kind, "left": training.images_left},
        }

    # The one who asks

    def ask(self, task: Task, holder: str) -> bool:
        """Ask for a training that `holder` works on; False where another asked before, or nothing is held."""
        token = lease.highest_token(self.store, task.lease_key)
        if token == 0 or self.wish is not None:
            return False
        if not atomic.claim_json(self.store.asked_path(task.lease_key, token), {"by": self.name}):
            return False
        log.info("%s: asked for, to end sooner", task.id)
        self.wish = HandoverRequest(task, holder, token, self.clock())
        return True

    def fulfilled(self, task: Task) -> list[Task]:
        """What was asked for is claimed: what had to be sent again for it."""
        if self.wish is None or self.wish.task.lease_key != task.lease_key:
            return []
        return self.withdraw()

    def late(self) -> list[Task]:
        """Give up what was asked for in vain; what had to be sent again for it."""
        if self.wish is None:
            return []
        last = max(self.store.marks(self.wish.task.subject), default=self.wish.task.epoch)
        vain = self.store.is_done(Task("train", self.wish.task.subject, last))
        return self.withdraw() if vain or self.clock() - self.wish.since > PATIENCE_S else []

    def withdraw(self) -> list[Task]:
        """Ask for nothing any more; the trainings that were given up for it."""
        if self.wish is not None:
            with contextlib.suppress(OSError):
                self.store.asked_path(self.wish.task.lease_key, self.wish.token).unlink(
                    missing_ok=True
                )
        self.wish, owed, self.owed = None, self.owed, []
        return owed

    # The one who is asked, and all others

    def asker(self, task: Task, token: int) -> str | None:
        """Another worker that asked for a training while its lease had this token."""
        if task.kind != "train":
            return None
        with contextlib.suppress(OSError, DamagedFile, KeyError, TypeError):
            by = (atomic.read_json(self.store.asked_path(task.lease_key, token)) or {})["by"]
            return by if isinstance(by, str) and by != self.name else None
        return None

    def declines(self, task: Task) -> bool:
        """Whether to leave a training: this worker waits for another one, or another waits for this one."""
        if task.kind != "train":
            return False
        if self.wish is not None:
            return self.wish.task.lease_key != task.lease_key
        token = lease.highest_token(self.store, task.lease_key)
        if self.asker(task, token) is None:
            return False
        return (
            self.clock() - self._reserved.setdefault((task.lease_key, token), self.clock())
            < PATIENCE_S
        )

    def stops(self, task: Task, token: int) -> bool:
        """Whether a child should stop, because its training is given away or up; asked once a second."""
        if task.kind != "train":
            return False
        if self.wish is not None:
            return self.wish.task.lease_key != task.lease_key
        self.given = self.asker(task, token)
        return self.given is not None

    def whose(
        self, ended: Task, token: int, tasks: Sequence[Task], done: bool
    ) -> dict[str | None, list[Task]]:
        """By worker that shall do it (None: any), what is to be sent after a task.

        A training goes on where it is, to whom asked for it, or, given up for another, to anybody a little later. After
        the last one its test stays there too: the study may end with it, and others may be slower.
        """
        by, self.given = self.asker(ended, token), None
        found: dict[str | None, list[Task]] = {}
        for task in tasks:
            ours = task.kind == "train" and task.subject == ended.subject
            if ours and by is None and self.wish is not None:
                self.owed.append(task)
            else:
                found.setdefault(
                    (by or (self.name if done else None)) if ours else None, []
                ).append(task)
        if (
            done
            and ended.kind == "train"
            and self.wish is None
            and None in found
            and self.name not in found
        ):
            found[self.name] = [found[None].pop(0)]
        return {to: sent for to, sent in found.items() if sent}

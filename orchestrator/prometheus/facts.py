"""What is exposed of a store: everything that one scrape reads."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from jobs import atomic
from jobs.errors import DamagedFile, OrchError, OutOfReach, UnknownRun
from jobs.store import codec
from jobs.store.records import TaskFailure
from jobs.store.runs import RunOutline
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.monitoring import fitting, progress, workers
from orchestrator.monitoring.progress import StoreView, TaskProgress
from orchestrator.monitoring.workers import WorkerState
from orchestrator.prometheus import attempt_counts, task_counts
from orchestrator.prometheus.attempt_counts import AttemptCounts, Ended
from orchestrator.prometheus.gpus import Gpu, read_gpus
from orchestrator.prometheus.task_counts import TaskCounts


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """A store at one moment.

    `failures` are failed tasks by class. `lease_ages` are the seconds since the oldest renewal of a
    lease, by kind of task. `unfit` are ready tasks that no living worker's device fits, by kind.
    """

    counts: TaskCounts
    attempts: Ended
    failures: Mapping[str, int]
    workers: tuple[WorkerState, ...]
    progress: tuple[TaskProgress, ...]
    lease_ages: Mapping[str, float]
    unfit: Mapping[str, int]
    disk_free_bytes: int
    disk_bytes: int
    read_s: float


@dataclass(frozen=True, slots=True)
class Facts:
    """What one scrape shows; `store_up` is None where only GPUs are wanted."""

    store: StoreFacts | None
    gpus: tuple[Gpu, ...]
    store_up: bool | None = True


@dataclass(slots=True)
class FactsReader:
    """Reads a store again and again; what can no longer change is read once."""

    store: Store
    read_gpus: Callable[[], tuple[Gpu, ...]] = read_gpus
    _runs: dict[str, tuple[tuple[int, ...], RunOutline]] = field(default_factory=dict)
    _failed: dict[str, TaskFailure] = field(default_factory=dict)
    _attempts: AttemptCounts = field(init=False)

    def __post_init__(self) -> None:
        self._attempts = AttemptCounts(self.store)

    def read(self) -> Facts:
        """The store and the GPUs of this machine now."""
        began = time.monotonic()
        self.store.open()
        view = progress.read_view(self.store)
        runs, damaged = self._outlines()
        self._read_failures(view)
        running = {each.task for group in view.progress.values() for each in group}
        quarantined = {name for name, failure in self._failed.items() if failure.quarantined}
        counts = task_counts.count_tasks(self.store, runs, view.ledger, running, quarantined)
        counts = TaskCounts(counts.tasks, Counter(counts.runs) + damaged, counts.ready)
        unfit = fitting.unfit_tasks(self.store, runs, view.ledger, counts.ready, view.workers)
        disk = shutil.disk_usage(self.store.root)
        ended = self._attempts.read(view.ledger)
        facts = StoreFacts(
            counts,
            ended,
            attempt_counts.failure_classes(each.failure for each in self._failed.values()),
            tuple(map(workers.state_of, (*view.workers, *view.silent))),
            tuple(each for group in view.progress.values() for each in group),
            _lease_ages(self.store, view),
            Counter(Task.parse(task).kind for task in unfit),
            disk.free,
            disk.total,
            time.monotonic() - began,
        )
        return Facts(facts, self.read_gpus())

    def _outlines(self) -> tuple[list[RunOutline], Counter[str]]:
        """The readable runs, each read again only if its file has changed, and how many are not."""
        known, damaged = dict[str, tuple[tuple[int, ...], RunOutline]](), Counter[str]()
        for name in self.store.run_names():
            try:
                state = atomic.file_state(self.store.run_path(name))
                before = self._runs.get(name)
                same = before is not None and before[0] == state
                known[name] = before if same and before else (state, self.store.outline(name))
            except (DamagedFile, OutOfReach):
                damaged["damaged"] += 1
            except (UnknownRun, FileNotFoundError):  # removed meanwhile
                continue
        self._runs = known
        return [outline for _, outline in known.values()], damaged

    def _read_failures(self, view: StoreView) -> None:
        """Read why tasks failed, each record once."""
        for name in self._failed.keys() - view.ledger.failed:
            del self._failed[name]
        for name in view.ledger.failed - self._failed.keys():
            with contextlib.suppress(OrchError, OSError):
                if record := codec.read(self.store.failed_path(Task.parse(name)), TaskFailure):
                    self._failed[name] = record


def _lease_ages(store: Store, view: StoreView) -> dict[str, float]:
    """Seconds since the oldest renewal among the leases of running tasks, by kind of task.

    By the clocks of this machine and of the store's.
    """
    ages = dict[str, float]()
    for worker in view.workers:
        for name in worker.tasks:
            with contextlib.suppress(OrchError, OSError, ValueError):
                task = Task.parse(name)
                folder = store.lease_folder(task.lease_key)
                newest = folder / max(atomic.list_names(folder))
                age_s = max(0.0, time.time() - newest.stat().st_mtime)
                ages[task.kind] = max(age_s, ages.get(task.kind, 0.0))
    return ages

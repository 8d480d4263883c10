"""Tasks in progress, from the progress reports of their workers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from jobs import atomic
from jobs.errors import BadSpec
from jobs.store import codec
from jobs.store.ledger import Ledger
from jobs.store.records import ProgressRecord
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.monitoring import heartbeats
from orchestrator.monitoring.heartbeats import Heartbeat

PROGRESS_FRESH_S = 60.0


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """The last progress report of a task's worker; fields unused in the phase are None."""

    task: str
    worker: str
    device: str
    attempt: int
    age_s: float
    phase: str | None
    done: float | None
    total: float | None
    epoch: int | None
    loss: float | None
    images_per_second: float | None
    val_accuracy: float | None
    eta_s: float | None

    @property
    def kind(self) -> str:
        """The kind of its task (`jobs.task.KINDS`)."""
        return self.task.partition(".")[0]

    @property
    def doing(self) -> str:
        """What it does now, in words: `train`; of a benchmark with the runtime: `measure onnx`."""
        return " ".join(filter(None, (self.phase or self.kind, self.runtime)))

    @property
    def runtime(self) -> str:
        """The runtime that a benchmark measures; empty for other tasks."""
        way = Task.parse(self.task).way
        return "" if way is None else way.runtime

    @property
    def subject(self) -> str:
        """The trial or the data set."""
        return self.task.split(".", 2)[1]


@dataclass(frozen=True, slots=True)
class StoreView:
    """All runs of a store at one moment: the ledger, workers, and tasks in progress.

    `workers` are alive; `silent` ones are no longer heard of. `progress` is grouped by trial or
    data set, trainings first. `begun` are trials whose training has begun and is not done. `newer`
    are lines on records that only a newer orch can read. `tried` are tasks with an attempt that are
    not done.
    """

    ledger: Ledger
    workers: tuple[Heartbeat, ...]
    progress: dict[str, tuple[TaskProgress, ...]]
    begun: frozenset[str]
    silent: tuple[Heartbeat, ...] = ()
    newer: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()


def read_view(store: Store, now: float | None = None) -> StoreView:
    """View of all runs in the store now; with `now` (Unix time) as of the times that it states.

    Besides the ledger, it reads listings, heartbeats and one file per task in progress.
    """
    ledger = store.ledger()
    signed = heartbeats.read_heartbeats(store.root, now)
    now = time.time() if now is None else now
    workers = tuple(sign for sign in signed if sign.fresh)
    silent = tuple(sign for sign in signed if sign.silent)
    ended = frozenset(sign.name for sign in signed if sign.ended)
    spoken_of = {name.removesuffix(".json") for name in atomic.list_names(store.progress_folder)}
    named = spoken_of.union(*(worker.tasks for worker in workers)) - ledger.done - ledger.failed
    tasks = list(_tasks(named))
    paths = {task.id: store.progress_path(task) for task in tasks}
    reports = {name: heartbeats.read_or_none(path, ProgressRecord) for name, path in paths.items()}
    by_subject: dict[str, tuple[TaskProgress, ...]] = {}
    for task in sorted(
        tasks,
        key=lambda task: (task.epoch, task.kind != "train", task.corruption, task.data),
    ):
        if (progress := _progress(task, reports[task.id], workers, ended, now)) is not None:
            by_subject[task.subject] = (*by_subject.get(task.subject, ()), progress)
    tried = tuple(
        name for name in atomic.list_names(store.all_attempts_folder) if name not in ledger.done
    )
    split = (name.split(".") for name in tried)
    begun = frozenset(parts[1] for parts in split if parts[0] == "train" and len(parts) > 1)
    known = {sign.name for sign in signed}
    unread = (path for name, path in paths.items() if reports[name] is None)
    newer = heartbeats.newer(store, known) + codec.newer(ProgressRecord, unread)
    return StoreView(ledger, workers, by_subject, begun, silent, newer, tried)


def _tasks(names: Iterable[str]) -> Iterator[Task]:
    for name in names:
        with contextlib.suppress(BadSpec):
            yield Task.parse(name)


def _progress(
    task: Task,
    said: ProgressRecord | None,
    workers: Sequence[Heartbeat],
    ended: Collection[str],
    now: float,
) -> TaskProgress | None:
    """The last report of a task in progress: recent, or named in a living worker's heartbeat.

    Reports of workers that have `ended` do not count.
    """
    holder = next((worker for worker in workers if task.id in worker.tasks), None)
    age_s = now - said.at if said else float("inf")
    if holder is None and (
        said is None
        or age_s > PROGRESS_FRESH_S
        or said.worker in ended
        or _is_idle(said.worker, workers)
    ):
        return None
    if holder is not None and (said is None or said.worker != holder.name):
        said, age_s = ProgressRecord(worker=holder.name, device=holder.device, at=0.0), holder.age_s
    return None if said is None else _told(task, said, age_s)


def _told(task: Task, said: ProgressRecord, age_s: float) -> TaskProgress:
    return TaskProgress(
        task.id,
        said.worker,
        said.device,
        said.attempt,
        age_s,
        said.phase,
        said.done,
        said.total,
        said.epoch,
        said.loss,
        said.images_per_second,
        said.val_accuracy,
        said.eta_s,
    )


def _is_idle(worker: str, workers: Sequence[Heartbeat]) -> bool:
    return any(sign.name == worker and sign.age_s < 5 for sign in workers)

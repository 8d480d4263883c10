"""What a worker knows of one message: the task, the attempts at it, and the last lease token."""

from __future__ import annotations

from dataclasses import dataclass

from jobs import atomic
from jobs.store import codec
from jobs.store.records import (
    CheckpointRecord,
    MicroBatchesRecord,
    NumericsRecord,
    ProgressRecord,
    TaskFailure,
    TaskResult,
    ThreadsRecord,
)
from jobs.store.store import Store
from jobs.task import Task
from workers.execution.attempts import History, read_history
from workers.lease import highest_token
from workers.worker import Worker


@dataclass(slots=True)
class TaskContext:
    """One message: worker, task, attempts, and the highest lease token when it arrived.

    `celery_id` is the message's own id.
    """

    worker: Worker
    task: Task
    history: History
    seen_token: int
    celery_id: str = ""

    @property
    def store(self) -> Store:
        """The worker's store."""
        return self.worker.store


def task_context(worker: Worker, task: Task, celery_id: str = "") -> TaskContext:
    """The context of a message that arrives now; raises `NewerRecord`, before anything begins."""
    _refuse_newer(worker.store, task)
    token = highest_token(worker.store, task.lease_key)
    return TaskContext(worker, task, read_history(worker.store, task), token, celery_id)


def _refuse_newer(store: Store, task: Task) -> None:
    """Raise `NewerRecord` for a record that this task would overwrite, or that its child reads."""
    codec.refuse_newer(ProgressRecord, store.progress_path(task))
    codec.refuse_newer(TaskFailure, store.failed_path(task))
    if task.kind == "prepare":
        return
    trial, folder = task.subject, store.checkpoints_folder(task.subject)
    trained = (store.done_path(Task("train", trial, at)) for at in store.target_epochs(trial))
    sidecars = (folder / name for name in atomic.list_names(folder) if name.endswith(".json"))
    codec.refuse_newer(NumericsRecord, store.numerics_path(trial))
    codec.refuse_newer(ThreadsRecord, store.threads_path(trial))
    codec.refuse_newer(MicroBatchesRecord, store.microbatches_path(trial))
    codec.refuse_newer(TaskResult, *trained)
    codec.refuse_newer(CheckpointRecord, *sidecars)

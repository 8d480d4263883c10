"""What a worker knows of one message: the task, the attempts at it, and the last lease token."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.store.store import Store
from jobs.task import Task
from workers.execution.attempts import History, read_history
from workers.lease import highest_token
from workers.worker import Worker


@dataclass(slots=True)
class TaskContext:
    """One message: worker, task, attempts, and the highest lease token when it arrived."""

    worker: Worker
    task: Task
    history: History
    seen_token: int

    @property
    def store(self) -> Store:
        """The worker's store."""
        return self.worker.store


def task_context(worker: Worker, task: Task) -> TaskContext:
    """The context of a message that arrives now."""
    token = highest_token(worker.store, task.lease_key)
    return TaskContext(worker, task, read_history(worker.store, task), token)

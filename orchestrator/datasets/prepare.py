"""Prepare a data set in this process, as a worker would, without the queue."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable

from jobs.data.data_source import DataSource
from jobs.errors import StoreUnusable
from jobs.spec.model import DataSettings
from jobs.store.records import TaskResult
from jobs.store.store import Store
from jobs.task import Task
from models.data.prepare_data_set import prepare_folder
from workers.lease import keep_renewed
from workers.lease_expiry import LeaseTracker


def prepare_data_set(
    store: Store,
    source: DataSource,
    settings: DataSettings,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[str, TaskResult, bool]:
    """The name of the data set, its task result, and whether it existed.

    Raises `BadImages` for broken files and `StoreUnusable` when a worker is preparing the same data
    set.
    """
    data = source.data_id(settings)
    task = Task("prepare", data)
    if (known := store.done(task)) is not None:
        return data, known, True
    store.save_data(data, source, settings)
    lease = LeaseTracker(store).claim(task.lease_key, f"{socket.gethostname()}-{os.getpid()}")
    if lease is None:
        raise StoreUnusable(
            f"the data set {data} is being prepared by another process. Try again when it is done."
        )
    work_folder = store.attempts_folder(task) / f"by-hand-{os.getpid()}"
    try:
        with keep_renewed(lease):
            facts = prepare_folder(
                source,
                settings,
                work_folder,
                processes=os.cpu_count() or 1,
                tell=lambda message: tell(message["done"], message["total"]),
                should_stop=lambda: False,
            )
            files = store.prepared_files(data)
            store.publish_result(task, {"files": files, **facts}, work_folder, lease.holds)
        store.failed_path(task).unlink(missing_ok=True)
    finally:
        lease.release()
        shutil.rmtree(work_folder, ignore_errors=True)
    return data, store.done(task) or TaskResult(), False

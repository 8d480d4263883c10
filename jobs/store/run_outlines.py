"""Runs read without their specification, for commands that end, remove or list them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from msgspec import structs

from jobs import atomic
from jobs.errors import UnknownEntry
from jobs.store import codec
from jobs.store.records import RunRecord
from jobs.store.runs import Run, RunOutline
from jobs.store.store import Store


def run_or_outline(store: Store, name: str) -> Run | RunOutline:
    """The run; its outline where it names an entry that this orch does not have.

    Raises the other errors of `Store.load_run`.
    """
    try:
        return store.load_run(name)
    except UnknownEntry:
        return store.outline(name)


def save_tasks(store: Store, run: Run | RunOutline, tasks: Sequence[str]) -> None:
    """Record the run with these tasks; what this orch does not know of it stays as it is."""
    if isinstance(run, Run):
        store.save_run(replace(run, tasks=tuple(tasks)))
        return
    path = store.run_path(run.name)
    record = codec.read(path, RunRecord)
    if record is not None:
        changed = structs.replace(record, tasks=tuple(tasks))
        atomic.write_json(path, codec.encode(changed) | {codec.FORMAT_KEY: record.format})

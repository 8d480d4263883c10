"""The GPU memory that a task requires, by the runs that want it."""

from __future__ import annotations

from jobs.store.store import Store
from jobs.task import Task


def gpu_memory_needed(store: Store, task: Task) -> int:
    """Bytes that the GPU of a task's worker must have; 0 if any device will do.

    Preparing images requires nothing. Of several runs that want a trial, the one that requires most
    decides, as the trial is the same.
    """
    if task.kind == "prepare":
        return 0
    specs = [run.spec for run in store.wanted_by(task)]
    if not any(spec.has_requirements for spec in specs):
        return 0
    backbone = store.load_trial(task.subject).backbone
    return max(spec.gpu_memory_of(backbone) for spec in specs)

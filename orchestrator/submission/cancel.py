"""Cancel a run; if it has ended, only the evaluations and benchmarks requested afterwards."""

from __future__ import annotations

from dataclasses import dataclass

from jobs import readiness
from jobs.store import marks, other_data, run_outlines
from jobs.store.runs import Run, RunOutline, is_later
from jobs.store.store import Store
from jobs.task import Task


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What was cancelled: the whole run, or `dropped` tasks that were added to it later."""

    whole: bool
    dropped: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.whole or bool(self.dropped)


def cancel(store: Store, run: Run | RunOutline) -> Cancelled:
    """Cancel what is open: the run, or if only later tasks are open, these; nothing if all is done.

    Workers stop dropped tasks after their step. What they were to do is no longer part of the run.
    """
    states = readiness.task_states(store, run)
    later = {name for name in run.tasks if is_later(run, Task.parse(name))}
    own = {state for name, state in states.items() if name not in later}
    if {*states.values()} <= {"done", "stopped"}:
        return Cancelled(whole=False)
    unfinished = {name for name in later if states[name] in ("open", "blocked", "failed")}
    if "open" in own or not unfinished:
        store.cancel(run.name)
        return Cancelled(whole=True)
    return Cancelled(whole=False, dropped=_drop(store, run, unfinished))


def _drop(store: Store, run: Run | RunOutline, unfinished: set[str]) -> tuple[str, ...]:
    """Take tasks that were added later out of the run, and what only they use; returns them."""
    kept = [Task.parse(name) for name in run.tasks if name not in unfinished]
    used = {task.data for task in kept if task.data}
    unused = {t.id for t in kept if t.kind == "prepare" and is_later(run, t)} - {
        Task("prepare", data).id for data in used
    }
    dropped = [name for name in run.tasks if name in unfinished | unused]
    run_outlines.save_tasks(store, run, [t.id for t in kept if t.id not in unused])
    marks.unmark(store, [Task.parse(name) for name in dropped if not name.startswith("prepare.")])
    other_data.forget_unused(store, run.name, used)
    return tuple(dropped)

"""The part of a run that a command waits for: benchmarks, or an evaluation on other data."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, replace

from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.formatting import duration
from orchestrator.monitoring.status import RunStatus


@dataclass(frozen=True, slots=True)
class PartOfRun:
    """Tasks of a run that were asked for later, and what to say of them.

    `what` names them in the plural. `before` counts those that were done when they were asked for
    at the Unix time `asked_at`, and `beside` the other tasks of the run that is followed, all done.
    `again` says after Ctrl-C how to go on.
    """

    what: str
    wanted: int
    before: int
    beside: int
    asked_at: float
    again: str

    def done(self, status: RunStatus) -> int:
        """How many of them are done."""
        return status.tasks.get("done", 0) - self.beside

    def count(self, status: RunStatus, now: float | None = None) -> str:
        """Such as `benchmarks: 2 of 4 done, about 40s left`; the time from those just done."""
        done, now = self.done(status), time.time() if now is None else now
        fresh, left = done - self.before, self.wanted - done
        pace = (now - self.asked_at) / fresh if fresh > 0 else None
        about = f", about {duration(pace * left)} left" if pace is not None and left else ""
        return f"{self.what}: {done} of {self.wanted} done{about}"

    def ending(self, status: RunStatus, report: str, now: float | None = None) -> str:
        """That all are done, how long that took, and the command that compares them."""
        now = time.time() if now is None else now
        took = "" if self.before == self.wanted else f" within {duration(now - self.asked_at)}"
        all_done = f"{self.what} of run {status.run}: all {self.wanted} done{took}"
        return f"{all_done}. Compare with: {report}"


def narrowed(
    store: Store, run: Run, tasks: Collection[str], what: str, again: str
) -> tuple[Run, PartOfRun]:
    """The run with these tasks alone and the trainings behind them; and the part that they are."""
    ledger, wanted = store.ledger(), set(tasks)
    subjects = {Task.parse(name).subject for name in wanted}
    trials = tuple(name for name in run.trials if name in subjects)
    behind = [
        name
        for name in run.tasks
        if name in ledger.done
        and name not in wanted
        and (task := Task.parse(name)).kind in ("prepare", "train")
        and task.subject in {*trials, *run.data_sets}
    ]
    kept = tuple(name for name in run.tasks if name in wanted or name in set(behind))
    part = PartOfRun(what, len(wanted), len(wanted & ledger.done), len(behind), time.time(), again)
    return replace(run, tasks=kept, trials=trials), part

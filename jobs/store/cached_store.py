"""A store that keeps what it has read, for processes that poll."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobs import atomic
from jobs.store.ledger import Ledger
from jobs.store.paths import StorePaths
from jobs.store.records import TaskResult
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task, Trial

Stamp = tuple[str, tuple[int, ...]]
"""A run and the version of its record."""


def stamp(store: StorePaths, run: str) -> Stamp:
    """The version of a run's record; by inode and times, as times alone may be coarse.

    Of a record that may not be read, the version of its folder. Raises `FileNotFoundError`.
    """
    try:
        return run, atomic.file_state(store.run_path(run))
    except PermissionError:
        return run, atomic.file_state(store.run_folder(run))


@dataclass(frozen=True, slots=True)
class RememberedStore(Store):
    """Remembers trials and their target epochs, and whether runs are cancelled.

    A submission writes target epochs before the record of its run: while no record has changed,
    they have not either. Cancellations are asked again with each `look`.
    """

    _evaluations: dict[str, dict[int, list[Task]]] = field(default_factory=dict, compare=False)
    _trials: dict[str, Trial] = field(default_factory=dict, compare=False)
    _cancelled: dict[str, bool] = field(default_factory=dict, compare=False)

    def look(self, runs: list[Run]) -> None:
        """Ask again which runs are cancelled."""
        self._cancelled.clear()
        self._cancelled.update((run.name, Store.is_cancelled(self, run.name)) for run in runs)

    def is_cancelled(self, run: str) -> bool:
        """Whether the run was cancelled at the last look."""
        known = self._cancelled.get(run)
        return Store.is_cancelled(self, run) if known is None else known

    def evaluations_by_epoch(self, trial: str) -> dict[int, list[Task]]:
        """Each target epoch of a trial with its evaluations, as read first."""
        if trial not in self._evaluations:
            self._evaluations[trial] = Store.evaluations_by_epoch(self, trial)
        return self._evaluations[trial]

    def load_trial(self, name: str) -> Trial:
        """The recorded trial with this name, as read first."""
        if name not in self._trials:
            self._trials[name] = Store.load_trial(self, name)
        return self._trials[name]


@dataclass(frozen=True, slots=True)
class RememberedResults(Store):
    """Remembers published results for as long as each ledger that is read lists them.

    One that is removed and made anew is trained meanwhile, which takes longer than a look.
    """

    _results: dict[str, TaskResult] = field(default_factory=dict, compare=False)

    def ledger(self) -> Ledger:
        """The ledger now; results that it does not list are forgotten."""
        listed = Store.ledger(self)
        for name in self._results.keys() - listed.done:
            del self._results[name]
        return listed

    def done(self, task: Task) -> TaskResult | None:
        """The published result of a task, as read first; None if there is none."""
        if (known := self._results.get(task.id)) is None and (known := Store.done(self, task)):
            self._results[task.id] = known
        return known

"""What becomes of each task of a plan: new, resumed, done by an earlier run, or failed before."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from jobs import atomic
from jobs.errors import OrchError
from jobs.plan import Plan
from jobs.spec.model import DataSettings
from jobs.store import codec
from jobs.store.ledger import Ledger
from jobs.store.records import CheckpointRecord
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.planning import nearest
from orchestrator.planning.nearest import Nearest


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """One task: `state` is new, resumes, done or failed.

    `run` is the run that did it. `from_epoch` counts the whole epochs that a training starts with,
    and `epochs` those left. `why` says it in words.
    """

    task: str
    kind: str
    subject: str
    state: str
    why: str
    run: str | None = None
    from_epoch: int | None = None
    epochs: int | None = None


def planned(
    store: Store,
    plan: Plan,
    settings: Mapping[str, DataSettings],
    near: Mapping[str, Nearest | None],
) -> list[PlannedTask]:
    """Every task of a plan; `near` has the nearest recorded trial of each that is not recorded."""
    ledger, runs = store.ledger(), _Runs(store)
    tasks = [_of_data(store, data, settings[data], ledger, runs) for data in plan.data_sets]
    for trial in plan.trials:
        tasks += _of_trial(store, plan, trial.name, near.get(trial.name), ledger, runs)
    return tasks


class _Runs:
    """Which run did a task: the first, in order of submission, that includes it."""

    def __init__(self, store: Store) -> None:
        self.store, self.names = store, store.run_names()

    def by(self, task: Task) -> str | None:
        """The name of that run; None if it was removed, or cannot be read."""
        names = self.names
        if task.kind != "prepare":
            members = set(atomic.list_names(self.store.trial_runs_folder(task.subject)))
            names = [name for name in names if name in members]
        for name in names:
            with contextlib.suppress(OrchError, OSError):
                if task.id in self.store.outline(name).tasks:
                    return name
        return None


def _of_data(
    store: Store, data: str, settings: DataSettings, ledger: Ledger, runs: _Runs
) -> PlannedTask:
    task = Task("prepare", data)
    if (over := _over(task, ledger, runs)) is not None:
        return over
    origin, others = data.rsplit("-", 2)[0], atomic.list_names(store.all_data_folder)
    alike = sorted(name for name in others if name.rsplit("-", 2)[0] == origin and name != data)
    changes = [nearest.data_differences(store, name, data, settings) for name in alike]
    fewest = min(zip(changes, alike, strict=True), key=lambda pair: len(pair[0]), default=None)
    why = "no data set of this name in the store"
    if data in others:
        why = "recorded, not prepared yet"
    elif fewest:
        why = f"nearest {fewest[1]}: {', '.join(map(str, fewest[0]))}"
    return PlannedTask(task.id, "prepare", data, "new", why)


def _of_trial(
    store: Store, plan: Plan, name: str, near: Nearest | None, ledger: Ledger, runs: _Runs
) -> Iterator[PlannedTask]:
    known, reached, interrupted = store.has_trial(name), 0, False
    for epoch in plan.target_epochs:
        training = Task("train", name, epoch)
        over = _over(training, ledger, runs)
        if over is not None:
            yield over
        else:
            saved, step = (0, 0) if interrupted else _resume_point(store, name, epoch)
            start = max(reached, saved)
            resumes = not interrupted and known and (start > 0 or step > 0)
            why = f"from epoch {start}" if resumes else _new(known, near, start)
            state = "resumes" if resumes else "new"
            left = 0 if _stopped(store, name, reached) else max(epoch - start, 0)
            yield PlannedTask(training.id, "train", name, state, why, None, start, left)
            interrupted = True
        reached = epoch
        levels = ("", *(plan.corruption_levels if epoch == plan.target_epochs[-1] else ()))
        for level in levels:
            test = Task("evaluate", name, epoch, level)
            yield _over(test, ledger, runs) or PlannedTask(
                test.id, "evaluate", name, "new", f"after {training.id}"
            )


def _new(known: bool, near: Nearest | None, start: int) -> str:
    if start:
        return f"goes on from epoch {start}"
    if known:
        return "recorded, nothing trained yet"
    if near is None:
        return "no trial of this network in the store"
    return f"nearest {near.trial}: {', '.join(map(str, near.differences))}"


def _over(task: Task, ledger: Ledger, runs: _Runs) -> PlannedTask | None:
    """The task if it is done or has failed."""
    if ledger.is_done(task):
        run = runs.by(task)
        return PlannedTask(
            task.id, task.kind, task.subject, "done", f"by {run or 'a removed run'}", run
        )
    if ledger.has_failed(task):
        why = "failed before; 'orch retry' tries again"
        return PlannedTask(task.id, task.kind, task.subject, "failed", why, runs.by(task))
    return None


def _stopped(store: Store, trial: str, epoch: int) -> bool:
    """Whether early stopping ended the trial at or before this target epoch."""
    with contextlib.suppress(OrchError, OSError):
        result = store.done(Task("train", trial, epoch)) if epoch else None
        return bool(result and result.stopped_early)
    return False


def _resume_point(store: Store, trial: str, epoch: int) -> tuple[int, int]:
    """Epochs and further steps that the newest checkpoint up to this epoch holds."""
    folder, points = store.checkpoints_folder(trial), [(0, 0)]
    for name in atomic.list_names(folder):
        path = folder / name
        if path.suffix == ".json" and path.with_suffix(".pt").exists():
            with contextlib.suppress(OrchError, OSError):
                record = codec.read(path, CheckpointRecord)
                points += [(record.epoch, record.step)] if record is not None else []
    return max(point for point in points if point <= (epoch, 0))

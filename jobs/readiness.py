"""Which tasks can start now, which become ready when one is done, and the state of each.

All of it is derived from the store alone. `plan` has the tasks themselves and their priority.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from jobs.errors import DamagedFile, OutOfReach, UnknownRun
from jobs.store import decisions, other_data
from jobs.store.ledger import Ledger
from jobs.store.runs import Run, RunOutline, is_later
from jobs.store.store import Store
from jobs.task import ON, Task


def ready_tasks(
    store: Store,
    run: Run,
    ledger: Ledger | None = None,
    on_denied: Callable[[OutOfReach], None] = lambda error: None,
) -> list[Task]:
    """Tasks that can start now and advance the run, in the order of its trials.

    Tasks whose lease a worker holds are included. Trainings up to a target epoch of another run are
    included if this run has to train beyond it. `ledger` is a listing of the store; without one
    the store is listed now. A trial that this user may not read is left out; `on_denied` gets why.
    """
    if store.is_cancelled(run.name):
        return []
    ledger = ledger or store.ledger()
    preparing = [Task("prepare", data) for data in run.data_sets]
    waiting = [task for task in preparing if not ledger.is_done(task)]
    ready = [task for task in waiting if not ledger.has_failed(task)]
    if len(waiting) == len(preparing):
        return ready
    unprepared = {task.subject for task in waiting}
    for trial in run.trials:
        try:
            if not unprepared or store.load_trial(trial).data not in unprepared:
                ready += ready_tasks_of_trial(store, trial, ledger)
                ready += _ready_ranking(run, trial, ledger)
        except OutOfReach as error:
            on_denied(error)
    ready += other_data.preparations(run, ledger)
    own, known = set(run.tasks), decisions.read(store, run)
    return [
        task
        for task in ready
        if (task.id in own or (task.kind == "train" and _leads_on(ledger, run, task)))
        and (task.kind == "prepare" or known.allows(task))
    ]


def _ready_ranking(run: Run, trial: str, ledger: Ledger) -> list[Task]:
    """The ranking of a trial's network, where the run ranks it and that is still to be done."""
    task = Task("rank", trial)
    ended = ledger.is_done(task) or ledger.has_failed(task)
    return [task] if run.spec.rank and not ended else []


def _leads_on(ledger: Ledger, run: Run, task: Task) -> bool:
    """Whether the run trains a trial beyond this target epoch of another run."""
    target_epochs = (run.epoch_of(period) for period in range(1, run.spec.periods + 1))
    return any(
        epoch > task.epoch and not ledger.is_done(Task("train", task.subject, epoch))
        for epoch in target_epochs
    )


def ready_tasks_of_trial(store: Store, trial: str, ledger: Ledger) -> list[Task]:
    """Training to the first untrained target epoch of a trial, and evaluations still to be done."""
    work: list[Task] = []
    for epoch, evaluations in store.evaluations_by_epoch(trial).items():
        training = Task("train", trial, epoch)
        if not ledger.is_done(training):
            work.append(training)
            break
        prepared = (test for test in evaluations if other_data.is_prepared(ledger, test))
        work += [test for test in prepared if not ledger.is_done(test)]
    return [task for task in work if not ledger.has_failed(task)]


def is_ready(store: Store, task: Task) -> bool:
    """Whether the task can start now: wanted, not done, not failed, and its inputs exist."""
    if store.is_done(task) or store.has_failed(task) or not store.wanted_by(task):
        return False
    if task.kind == "prepare":
        return True
    if not store.has_trial(task.subject) or not store.is_done(
        Task("prepare", store.load_trial(task.subject).data)
    ):
        return False
    if task.kind == "rank":
        return True
    if task.data and not store.is_done(Task("prepare", task.data)):
        return False
    wanted = store.evaluations_by_epoch(task.subject)
    if task.epoch not in wanted or (task.needs_training and task not in wanted[task.epoch]):
        return False
    needed = [epoch for epoch in wanted if epoch < task.epoch + task.needs_training]
    return all(store.is_done(Task("train", task.subject, epoch)) for epoch in needed)


def next_tasks(store: Store, task: Task) -> list[Task]:
    """The tasks that become ready when `task` is done; none if it is not done."""
    if not store.is_done(task) or task.kind in ("evaluate", "bench", "rank"):
        return []
    if task.kind == "prepare":
        ledger = store.ledger()
        return [
            ready_task
            for run in store.wanted_by(task)
            for ready_task in ready_tasks(store, run, ledger)
            if run.data_sets == (task.subject,) or other_data.uses(store, ready_task, task.subject)
        ]
    evaluations_by_epoch = store.evaluations_by_epoch(task.subject)
    trainings = (Task("train", task.subject, epoch) for epoch in evaluations_by_epoch)
    undone = itertools.islice((each for each in trainings if not store.is_done(each)), 1)
    following = (each for each in undone if store.wanted_by(each))  # not where a decision is due
    evaluations = evaluations_by_epoch.get(task.epoch, [])
    tests = [e for e in evaluations if not e.data or store.is_done(Task("prepare", e.data))]
    candidates = [*tests, *following]
    return [each for each in candidates if not store.is_done(each) and not store.has_failed(each)]


def task_states(
    store: Store, run: Run | RunOutline, ledger: Ledger | None = None
) -> dict[str, str]:
    """The state of each task: `done`, `failed`, `blocked`, `stopped`, `cancelled` or `open`.

    `blocked` means that a task it depends on failed, `stopped` that a decision ended its trial
    before. Tasks added later are `cancelled` too where the recorded run no longer has them.
    `ledger` is a listing of the store; without one the store is listed now.
    """
    ledger = ledger or store.ledger()
    states: dict[str, str] = {}
    unfinished = "cancelled" if store.is_cancelled(run.name) else "open"
    blocked: set[str] = set()
    stops = decisions.read(store, run).stopped_now
    for task_id in run.tasks:
        kind, subject, rest = task_id.split(".", 2)
        if task_id in ledger.done:
            states[task_id] = "done"
        elif subject in stops and decisions.is_beyond(rest, stops[subject]):
            states[task_id] = "stopped"
        elif task_id in ledger.failed:
            states[task_id] = "failed"
            if kind == "prepare":
                blocked |= {subject} | other_data.trials_on(store, run, subject)
            elif kind == "train":
                blocked.add(subject)
        else:
            needs = {subject, rest.partition(f".{ON}")[2]}
            states[task_id] = "blocked" if needs & blocked else unfinished
    return _without_dropped(store, run, states)


def _without_dropped(store: Store, run: Run | RunOutline, states: dict[str, str]) -> dict[str, str]:
    """The states, where tasks added later that the recorded run no longer has are `cancelled`."""
    later = [name for name, state in states.items() if state == "open" and _is_later(run, name)]
    if not later:
        return states
    try:
        recorded = set(store.outline(run.name).tasks)
    except (UnknownRun, DamagedFile, OutOfReach):
        return states
    return states | {name: "cancelled" for name in later if name not in recorded}


def _is_later(run: Run | RunOutline, task: str) -> bool:
    kind = task.partition(".")[0]
    return kind in ("prepare", "evaluate", "bench") and is_later(run, Task.parse(task))

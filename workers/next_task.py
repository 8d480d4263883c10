"""Decide which task runs next, and on which worker: after each task, and for what is left over.

The ledger says which tasks are ready (`jobs.readiness`). Where and when each runs is decided in
this order:

1. `enqueue_following`: the next training of a trial stays on this worker, or goes to the peer that
   requested it (`Placement.following`). It begins at once, without a message.
2. `send_to_idle_workers`: each other training goes to the idle worker that would end it first
   (`Placement.placed`), everything else to the common queue.
3. The common queue is ordered by `plan.priority`.
4. A worker that has received a task waits until its device has room (`Admission.enter`).
5. Ready tasks that the first four missed are found by the reconciler every two seconds. Without a
   broker `begin_one` chooses among them. A worker may also request a slower peer's training
   (`Placement.request`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jobs import plan, readiness
from jobs.task import Task
from workers import race_decisions
from workers.worker import Worker


def enqueue_following(
    worker: Worker, task: Task, token: int, *, done: bool, must_wait: Callable[[], bool]
) -> None:
    """Enqueue what follows a task that has ended: its successors, or itself to be tried again.

    `token` is that of its lease. A task that failed so recently that it `must_wait` is left to the
    reconciler.
    """
    store, drain = worker.store, worker.drain
    decided = race_decisions.after(store, task)
    following = list(dict.fromkeys([*readiness.next_tasks(store, task), *decided]))
    if not following and readiness.is_ready(store, task) and not must_wait():
        following = [task]
    drain.look(worker.admission.tasks)
    if mine := [task for task in following if drain.finishes(task)]:
        following = [task for task in following if task not in mine]
        _begin_here_or_send(worker, mine, worker.name)
    stays = done and not worker.stop.is_set() and drain.name is None
    for to, tasks in worker.placement.following(task, token, following, stays).items():
        if to is None:
            send_to_idle_workers(worker, tasks, worker.name if stays else "")
        else:
            _begin_here_or_send(worker, tasks, to)


def send_to_idle_workers(worker: Worker, tasks: Sequence[Task], *free: str) -> None:
    """Enqueue each training to its best idle worker, the rest to any; `free` just became idle.

    What some living worker may not take is not sent to any, as that worker would drop it. Trainings
    are then found in the ledger by workers that fit; evaluations go to this worker if it fits.
    """
    for to, sent in worker.placement.placed(tasks, *free).items():
        if to is None:
            apart = [task for task in sent if not worker.placement.all_fit(task)]
            sent = [task for task in sent if task not in apart]
            tests = [task for task in apart if task.needs_training and worker.fits(task)]
            worker.sender.send(tests, worker.name)
        if to in free:
            _begin_here_or_send(worker, sent, to)
        else:
            worker.sender.send(sent, to)


def _begin_here_or_send(worker: Worker, tasks: list[Task], to: str | None) -> None:
    """Begin the first task without the broker if it is for this worker, and enqueue the others."""
    here = to == worker.name and bool(tasks) and not worker.stop.is_set()
    worker.sender.send(tasks[1:] if here and worker.begin(tasks[0]) else tasks, to)


def begin_one(worker: Worker, unheld: Sequence[Task]) -> list[Task]:
    """Begin one of the tasks that nobody holds without the broker; returns it, or nothing.

    The most urgent is first; idle workers begin with different ones.
    """
    by_cost = sorted(unheld, key=lambda task: plan.priority(task, plan.cost_of(worker.store, task)))
    chosen = by_cost[worker.placement.rank() % len(by_cost)]
    return [chosen] if worker.begin(chosen) else []

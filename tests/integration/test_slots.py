"""Several tasks at a time on one worker: real children with fake work, a real store and queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from jobs import atomic
from jobs.data.data_source import built_in
from jobs.spec import model
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.monitoring import heartbeats
from orchestrator.submission.run_creation import create_run
from workers import heartbeat
from workers.devices.admission import Admission
from workers.devices.discovery import Device
from workers.execution import attempts, execute
from workers.execution.context import task_context
from workers.lease import Lease
from workers.lease_expiry import LeaseTracker
from workers.messaging import broker
from workers.process import child
from workers.reconciler import Reconciler
from workers.worker import Worker

GB = 10**9


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run of two backbones, its data set prepared: two trainings are ready."""
    store = Store(tmp_path / "store").open(create=True)
    asked = model.build(
        {"backbones": ["scratch", "squeezenet"], "periods": 1, "epochs_per_period": 3}
    )
    made = create_run(store, asked, built_in("digits"))
    atomic.create_json(store.done_path(Task("prepare", made.data)), {"files": []})
    return made


@pytest.fixture
def worker(tmp_path: Path, redis_url: str) -> Worker:
    """A worker with two slots on 10 GB, whose children do the fake work."""
    store = Store(tmp_path / "store").open(create=True)
    return Worker(
        store,
        redis_url,
        "w1",
        "host",
        Device("cpu", "cpu", "", 1),
        None,
        LeaseTracker(store),
        entry="support.fake_work:main",
        admission=Admission(2, 10 * GB),
    )


@pytest.fixture
def slot(worker: Worker) -> Iterator[Callable[[str], Future[str]]]:
    """Give a message to a slot of the worker."""
    with ThreadPoolExecutor(2) as threads:
        yield lambda task_id: threads.submit(execute.execute, worker, task_id)
        worker.stop.set()


def trainings(run: Run) -> list[Task]:
    """What is ready."""
    return [Task("train", trial, 3) for trial in run.trials]


def behave(worker: Worker, word: str) -> None:
    """Set the behaviour of the next child."""
    (worker.store.root / "behave").write_text(word)


def until(wanted: Callable[[], Any]) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + 20
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def begun(worker: Worker, task: Task) -> Callable[[], bool]:
    """Whether a task's child has read its behaviour."""
    return lambda: worker.store.progress_path(task).exists()


def failures(worker: Worker, task: Task) -> list[str | None]:
    """How a task's attempts ended."""
    return [record.failure for record in attempts.records(worker.store, task)]


def test_two_tasks_run_side_by_side_and_the_sign_of_life_names_both(
    worker: Worker,
    run: Run,
    slot: Callable[[str], Future[str]],
) -> None:
    """The first one reports 2 of 10 GB. On a stop, both stop and are ready again."""
    one, two = trainings(run)
    behave(worker, f"takes{2 * GB}")
    first = slot(one.id)
    until(begun(worker, one))
    behave(worker, "slow")
    second = slot(two.id)
    until(begun(worker, two))
    reconciler = Reconciler(worker)
    heartbeat.write(worker)
    (sign,) = heartbeats.read_heartbeats(worker.store.root)
    nothing_loose = reconciler.round()
    worker.stop.set()

    assert [first.result(20), second.result(20)] == ["stopped", "stopped"]
    assert (sign.task, sign.tasks, sign.slots) == (one.id, (one.id, two.id), 2)
    assert sign.label == "w1 (cpu, 2 of 2 slots)"
    assert nothing_loose == []
    assert worker.admission.tasks == ()
    assert all(LeaseTracker(worker.store).free(task.lease_key) for task in (one, two))


def test_a_task_that_waits_for_room_holds_nothing_and_another_worker_may_do_it(
    worker: Worker,
    run: Run,
    slot: Callable[[str], Future[str]],
    redis_url: str,
) -> None:
    """The first one uses 9 of 10 GB, and the second was never measured."""
    one, two = trainings(run)
    behave(worker, f"takes{9 * GB}")
    first = slot(one.id)
    until(begun(worker, one))
    second = slot(two.id)
    until(lambda: two.id in worker.admission.admitted_or_waiting)
    before = (attempts.records(worker.store, two), LeaseTracker(worker.store).free(two.lease_key))
    other = Worker(
        worker.store,
        redis_url,
        "w2",
        "host",
        worker.device,
        None,
        LeaseTracker(worker.store),
        entry="support.fake_work:main",
    )
    with broker.connected(redis_url, 3.0) as channel:
        channel.client.flushall()
    rung = [task.id for task in Reconciler(other).round()]
    done_elsewhere = execute.execute(other, two.id)

    assert before == ([], True)
    assert two.id in rung
    assert done_elsewhere == "done"
    assert second.result(20) == "not now"
    assert not first.done()


def test_a_task_that_waits_begins_when_there_is_room(
    worker: Worker,
    run: Run,
    slot: Callable[[str], Future[str]],
) -> None:
    """The previous task has ended."""
    one, two = trainings(run)
    behave(worker, "slow")
    first = slot(one.id)
    until(begun(worker, one))
    second = slot(two.id)
    until(lambda: two.id in worker.admission.admitted_or_waiting)
    worker.store.cancel(run.name)
    first.result(20)
    worker.store.reopen(run)

    assert first.result() == "stopped"
    assert second.result(20) in ("done", "not now")
    assert execute.execute(worker, two.id) == ("not ready" if second.result() == "done" else "done")


def test_out_of_memory_beside_others_is_no_blame_and_the_task_runs_alone_next(
    worker: Worker,
    run: Run,
    slot: Callable[[str], Future[str]],
) -> None:
    """At once, and exclusively. Out of memory in an exclusive task is another failure."""
    one, two = trainings(run)
    behave(worker, "fat")
    crowded = execute.execute(worker, one.id)
    blamed, pauses = (
        attempts.read_history(worker.store, one).counted_failures(),
        attempts.read_history(worker.store, one).must_wait(),
    )
    behave(worker, "slow")
    alone = slot(one.id)
    until(lambda: one.id in worker.admission.tasks)
    context = task_context(worker, two)
    kept_out = worker.admission.enter(two.id, lambda: execute.requirement(context), lambda: False)
    until(lambda: (worker.store.root / "behave").read_text() == "")
    worker.stop.set()
    alone.result(20)
    worker.stop.clear()
    behave(worker, "fat")
    own_matter = execute.execute(worker, one.id)

    assert (crowded, blamed, pauses) == ("failed", [], False)
    assert kept_out is None
    assert own_matter == "failed"
    assert failures(worker, one) == ["crowded", "stopped", "out-of-memory"]
    assert getattr(worker.store.failed(one), "failure", None) == "out-of-memory"


def test_a_child_is_told_whether_it_is_alone(worker: Worker, run: Run) -> None:
    """Not if others may follow; after its child died without a message, it is."""
    one, two = trainings(run)
    execute.execute(worker, one.id)
    behave(worker, "die")
    execute.execute(worker, two.id)
    time.sleep(2.1)
    execute.execute(worker, two.id)

    results = [worker.store.done(task) for task in (one, two)]
    assert [each and each.device for each in results] == ["shared", "alone"]


def test_slots_that_cannot_use_the_store_pause_together(worker: Worker) -> None:
    """Two failures at the same moment lengthen the pause once."""
    first, second = worker.pause.longer(), worker.pause.longer()

    assert worker.pause.times == 1
    assert second <= first


def test_of_many_threads_that_claim_a_lease_one_has_it(tmp_path: Path) -> None:
    """Twenty leases in turn, eight threads with one watch."""
    watch = LeaseTracker(Store(tmp_path).open(create=True))
    start = threading.Barrier(8)

    def claim(key: str) -> Lease | None:
        start.wait()
        return watch.claim(key, "w1")

    with ThreadPoolExecutor(8) as threads:
        for number in range(20):
            claimed = list(threads.map(claim, [f"train.t{number}"] * 8))

            assert sum(lease is not None for lease in claimed) == 1


def test_children_of_many_threads_that_die_together_are_told_apart(
    worker: Worker, run: Run, tmp_path: Path
) -> None:
    """Each by its own signal or result, although multiprocessing reads the exit codes of all."""

    def work(number: int) -> str:
        folder = tmp_path / str(number)
        (folder / "w").mkdir(parents=True)
        (folder / "behave").write_text("die" if number % 2 else "")
        order = child.TaskRequest(
            f"train.scratch-s{number}-12345678.0001",
            str(folder),
            "t1",
            str(folder / "w"),
            1,
            "cpu",
            1,
            None,
        )
        try:
            child.run(
                order,
                folder / "log",
                lambda said: None,
                lambda: False,
                lambda: True,
                entry="support.fake_work:main",
            )
        except execute.OrchError as error:
            return str(error)
        return "well"

    with ThreadPoolExecutor(6) as threads:
        ends = list(threads.map(work, range(24)))

    assert set(ends[::2]) == {"well"}
    assert all("killed by SIGKILL" in end for end in ends[1::2])

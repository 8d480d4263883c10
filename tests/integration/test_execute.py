"""Claim, execute, enqueue: what a worker does with a message, on a real store and a real queue."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import threading
import time
from pathlib import Path

import pytest
from kombu.entity import Queue

from jobs import atomic, plan
from jobs.data.image_folder import built_in
from jobs.errors import LeaseLost
from jobs.spec import model
from jobs.store import tables
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from workers import lease
from workers.devices.discovery import Device
from workers.execution import attempts, execute
from workers.lease import LeaseTracker
from workers.messaging import broker
from workers.reconciler import Reconciler
from workers.scheduling.handover import Handover
from workers.worker import Worker


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run of one backbone with two periods, saved in a store."""
    store = Store(tmp_path / "store").open(create=True)
    asked = model.build({"backbones": ["scratch"], "periods": 2, "epochs_per_period": 3})
    source = built_in("digits")
    data = source.data_id(asked.data_settings())
    unfolded = plan.unfold(asked, data)
    store.save_data(data, source, asked.data_settings())
    for trial in unfolded.trials:
        store.save_trial(trial, list(unfolded.marks), unfolded.run)
    found = Run(
        unfolded.run,
        asked,
        data,
        tuple(t.name for t in unfolded.trials),
        tuple(t.id for t in unfolded.tasks),
        time.time(),
        {},
    )
    store.save_run(found)
    return found


@pytest.fixture
def worker(tmp_path: Path, redis_url: str) -> Worker:
    """A worker whose children do the fake work."""
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
    )


def behave(worker: Worker, words: str) -> None:
    """The behaviour of the next children, one word each."""
    (worker.store.root / "behave").write_text(words)


def test_a_run_is_done_task_by_task_as_each_becomes_ready(worker: Worker, run: Run) -> None:
    """Data first, then training. The evaluation of a target epoch and the next training become
    ready together.
    """
    trial = run.trials[0]
    order = []
    while ready := plan.ready_tasks(worker.store, run):
        order.append([task.id for task in ready])
        assert execute.execute(worker, ready[-1].id) == "done"

    assert order == [
        [f"prepare.{run.data}.0000"],
        [f"train.{trial}.0003"],
        [f"evaluate.{trial}.0003", f"train.{trial}.0006"],
        [f"evaluate.{trial}.0003", f"evaluate.{trial}.0006"],
        [f"evaluate.{trial}.0003"],
    ]
    assert set(plan.task_states(worker.store, run).values()) == {"done"}
    rows = tables.read_rows(worker.store.root, "attempts", [trial]).to_pylist()
    assert sorted((row["task"], row["attempt"], row["state"]) for row in rows) == sorted(
        (task, 1, "done") for task in run.tasks if not task.startswith("prepare")
    )
    assert all(row["queued_at"] <= row["started_at"] <= row["finished_at"] for row in rows)


def test_doubled_late_and_foolish_messages_change_nothing(worker: Worker, run: Run) -> None:
    """The receiver checks the ledger: not ready, already done, or not a task at all."""
    first = run.tasks[0]
    early = execute.execute(worker, run.tasks[1])
    once, twice = execute.execute(worker, first), execute.execute(worker, first)
    words = ("", "train", "train.../../etc.0001", "train.nobody.0001", "x" * 9999)
    foolish = [execute.execute(worker, word) for word in words]

    assert (early, once, twice) == ("not ready", "done", "not ready")
    assert foolish == ["refused", "refused", "refused", "not ready", "refused"]
    assert len(attempts.records(worker.store, Task.parse(first))) == 1


def test_a_task_held_by_a_living_worker_is_left_alone(worker: Worker, run: Run) -> None:
    """The lease decides, not the message."""
    task = Task.parse(run.tasks[0])
    lease = LeaseTracker(worker.store).claim(task.lease_key, "another")
    held = execute.execute(worker, task.id)
    assert lease is not None
    lease.release()

    assert held == "held"
    assert execute.execute(worker, task.id) == "done"


def test_a_lease_is_kept_while_a_large_result_is_published(
    worker: Worker, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checksum of a large data set takes longer than a lease lasts. No other worker starts the
    task meanwhile.
    """
    folder, digest, beats = (
        worker.store.lease_folder(Task.parse(run.tasks[0]).lease_key),
        atomic.file_digest,
        [0],
    )

    def slow(path: Path) -> str:
        until = time.monotonic() + 20
        while beats[-1] < 3 and time.monotonic() < until:
            time.sleep(0.01)
            with contextlib.suppress(ValueError):  # it is just being written
                beats.append(atomic.read_json(folder / "00000001.json")["beats"])
        return digest(path)

    monkeypatch.setattr(atomic, "file_digest", slow)
    monkeypatch.setattr(lease, "RENEW_S", 0.05)
    monkeypatch.setattr(lease, "_KEEPER", lease._Keeper())
    done = execute.execute(worker, run.tasks[0])

    assert done == "done"
    assert beats[-1] >= 3
    assert atomic.read_json(folder / "00000001.json")["released"]


def test_a_child_that_dies_is_tried_again_and_the_attempts_are_on_record(
    worker: Worker, run: Run
) -> None:
    """A lost child costs an attempt, not the task."""
    behave(worker, "die well")
    first = execute.execute(worker, run.tasks[0])
    at_once = execute.execute(worker, run.tasks[0])
    time.sleep(2.1)
    later = execute.execute(worker, run.tasks[0])

    assert (first, at_once, later) == ("failed", "not ready", "done")
    states = [
        (r["state"], r["failure"]) for r in attempts.records(worker.store, Task.parse(run.tasks[0]))
    ]
    assert states == [("failed", "worker-lost"), ("done", None)]


def test_a_final_failure_stops_the_trial_and_nothing_else(worker: Worker, run: Run) -> None:
    """A loss that is not finite is not retried; tasks that depend on it are blocked."""
    execute.execute(worker, run.tasks[0])
    behave(worker, "bad")
    execute.execute(worker, run.tasks[1])
    failed = worker.store.failed(Task.parse(run.tasks[1]))

    assert failed is not None
    assert failed["failure"] == "loss-not-finite"
    assert "epoch 1, step 3" in failed["message"]
    assert list(plan.task_states(worker.store, run).values()) == [
        "done",
        "failed",
        "blocked",
        "blocked",
        "blocked",
    ]
    assert plan.ready_tasks(worker.store, run) == []


def test_after_five_failures_a_task_is_given_up(
    worker: Worker, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that kills every child is quarantined."""
    monkeypatch.setattr(execute, "must_wait", lambda store, task: False)
    behave(worker, "die " * 9)
    ends = [execute.execute(worker, run.tasks[0]) for _ in range(7)]

    assert ends == ["failed"] * 5 + ["not ready"] * 2
    assert "last of 5 attempts" in str(
        (worker.store.failed(Task.parse(run.tasks[0])) or {})["message"]
    )


def test_a_task_that_lost_its_worker_is_recorded_as_lost(worker: Worker, run: Run) -> None:
    """The worker that claims the lease closes the attempt of the dead worker."""
    task = Task.parse(run.tasks[0])
    attempts.begin(
        worker.store, task, {"worker": "dead", "host": "h", "device": "cpu", "run": run.name}
    )
    execute.execute(worker, task.id)

    states = [(r["worker"], r["state"], r["failure"]) for r in attempts.records(worker.store, task)]
    assert states == [("dead", "lost", "worker-lost"), ("w1", "done", None)]


def test_a_stopped_worker_hands_its_task_back_at_once(worker: Worker, run: Run) -> None:
    """Stopping is not a failure: the lease is released and the task is ready again."""
    behave(worker, "slow")
    worker.stop = Soon(0.5)
    state = execute.execute(worker, run.tasks[0])

    assert state == "stopped"
    assert LeaseTracker(worker.store).free(Task.parse(run.tasks[0]).lease_key)
    assert plan.ready_tasks(worker.store, run)


def test_tending_sends_what_the_queue_has_lost(worker: Worker, run: Run) -> None:
    """With an empty queue an idle worker enqueues the ready task, but not again while the message
    waits.
    """
    drain(worker)
    reconciler = Reconciler(worker)
    first, second = reconciler.round(), reconciler.round()

    assert [task.id for task in first] == [run.tasks[0]]
    assert second == []
    assert broker.queue_length(worker.broker_url) == 1
    assert (worker.store.root / "workers" / "w1.json").exists()


def test_a_worker_that_still_loads_signs_and_does_no_more(worker: Worker, run: Run) -> None:
    """It enqueues nothing, is not idle for its peers, and does not exit for being idle."""
    drain(worker)
    reconciler, leave = Reconciler(worker), threading.Event()
    worker.loading, worker.idle_since = True, time.monotonic() - 1000
    sent = reconciler.round()
    sign = json.loads((worker.store.root / "workers" / "w1.json").read_text())
    threading.Timer(3.0, leave.set).start()
    began = time.monotonic()
    reconciler.forever(0.0, leave)

    assert sent == []
    assert sign["busy"]
    assert time.monotonic() - began > 2.5
    worker.loading = False
    assert [task.id for task in reconciler.round()] == [run.tasks[0]]
    assert not json.loads((worker.store.root / "workers" / "w1.json").read_text())["busy"]


def test_tending_leaves_held_tasks_and_ended_runs_alone(worker: Worker, run: Run) -> None:
    """A valid lease keeps other workers away. A run without open tasks is not scanned again."""
    drain(worker)
    lease = LeaseTracker(worker.store).claim(Task.parse(run.tasks[0]).lease_key, "another")
    reconciler = Reconciler(worker)
    held = reconciler.round()
    assert lease is not None
    lease.release()
    while ready := plan.ready_tasks(worker.store, run):
        execute.execute(worker, ready[0].id)
    drain(worker)
    ended = reconciler.round()

    assert held == ended == []
    assert len(reconciler.ended) == 1


def test_when_the_data_is_ready_the_training_begins_on_the_fastest_idle_worker(
    worker: Worker, run: Run
) -> None:
    """It is put into that worker's own queue; the worker that prepared the data is ten times
    slower.
    """
    drain(worker)
    kind, store = worker.handover.kind_of(Task("train", run.trials[0], 3)), worker.store
    fast = Handover(store, "fast", "host", "cuda:0", None)
    worker.handover.rates, fast.rates = {kind: 10.0}, {kind: 100.0}
    for at in (1.0, 2.0):
        sign = {"name": "fast", "at": at, "slots": 1, **fast.sign(busy=False)}
        atomic.write_json(store.root / "workers" / "fast.json", sign)
        worker.fleet.mates()
    worker.fleet._images[run.data] = 1000.0  # the fake work counts none
    done = execute.execute(worker, run.tasks[0])

    assert done == "done"
    assert (mailed(worker, "fast"), broker.queue_length(worker.broker_url)) == (1, 0)


def mailed(worker: Worker, to: str) -> int:
    """How many messages wait for one worker."""
    with broker._channel(worker.broker_url, 3.0) as channel:
        return int(
            Queue(broker.worker_queue(to))(channel).queue_declare(passive=True).message_count
        )


def test_an_attempt_that_was_lost_ended_when_it_was_last_heard_of(worker: Worker, run: Run) -> None:
    """Nobody noticed for an hour: this time is not work, and not time in the queue for the next
    attempt.
    """
    store, task, now = worker.store, Task.parse(run.tasks[0]), time.time()
    who = {"worker": "w0", "queued_at": now - 4000}
    atomic.write_json(
        store.attempts_folder(task) / "0001.json",
        {
            "task": task.id,
            "kind": "prepare",
            "attempt": 1,
            "state": "running",
            "failure": None,
            "started_at": now - 3700,
            "finished_at": None,
            "position": "",
            **who,
        },
    )
    atomic.write_json(store.progress_path(task), {"attempt": 1, "worker": "w0", "at": now - 3600})
    second = attempts.begin(store, task, {"worker": "w1", "queued_at": now - 4000})
    first, _ = attempts.records(store, task)

    assert first["state"] == "lost"
    assert first["finished_at"] == now - 3600
    assert second.record["queued_at"] == now - 3600


@pytest.mark.parametrize("ended", ["yesterday", [], {}, None])
def test_a_record_whose_end_is_no_time_keeps_no_attempt_from_beginning(
    worker: Worker, run: Run, ended: object
) -> None:
    """A user may have edited it."""
    store, task = worker.store, Task.parse(run.tasks[0])
    atomic.write_json(
        store.attempts_folder(task) / "0001.json",
        {
            "task": task.id,
            "kind": "prepare",
            "attempt": 1,
            "state": "stopped",
            "failure": "stopped",
            "worker": "w0",
            "started_at": 1.0,
            "finished_at": ended,
            "position": "",
            "queued_at": 1.0,
        },
    )

    assert execute.execute(worker, task.id) == "done"


def test_who_lost_the_lease_leaves_what_the_next_one_says(worker: Worker, run: Run) -> None:
    """Only the holder of the task may remove its progress record."""
    task = Task.parse(run.tasks[0])
    begun = attempts.begin(worker.store, task, {"worker": "w1"})
    lease = worker.watch.claim(task.lease_key, "w1")
    atomic.claim_json(worker.store.lease_folder(task.lease_key) / "00000002.json", {"holder": "w2"})
    atomic.write_json(worker.store.progress_path(task), {"attempt": 2, "worker": "w2"})
    assert lease is not None
    state = execute._record_failure(worker.store, task, begun, LeaseLost("lost"), lease)

    assert state == "lost"
    assert worker.store.progress_path(task).exists()


def test_what_was_stopped_is_not_shown_as_running(worker: Worker, run: Run) -> None:
    """A worker that stopped has removed its progress records."""
    behave(worker, "slow")
    threading.Timer(1.0, worker.stop.set).start()
    state = execute.execute(worker, run.tasks[0])

    assert state == "stopped"
    assert not worker.store.progress_path(Task.parse(run.tasks[0])).exists()


def drain(worker: Worker) -> None:
    """Empty the queue."""
    with broker._channel(worker.broker_url, 3.0) as channel:
        channel.client.flushall()


class Soon(threading.Event):
    """An event that is set after a while."""

    def __init__(self, after_s: float) -> None:
        super().__init__()
        self.at = time.monotonic() + after_s

    def is_set(self) -> bool:
        return time.monotonic() > self.at


def test_a_cancelled_run_stops_its_child_and_can_be_taken_up_again(
    worker: Worker, run: Run
) -> None:
    """Cancelling makes no task ready and stops the child. Reopening continues where the run
    stopped.
    """
    behave(worker, "slow")
    threading.Timer(0.3, worker.store.cancel, [run.name]).start()
    began = time.monotonic()
    state = execute.execute(worker, run.tasks[0])
    took_s = time.monotonic() - began
    while_cancelled = (plan.ready_tasks(worker.store, run), execute.execute(worker, run.tasks[0]))
    states = set(plan.task_states(worker.store, run).values())
    worker.store.reopen(run)

    assert state == "stopped"
    assert took_s < 10
    assert while_cancelled == ([], "not ready")
    assert states == {"cancelled"}
    assert execute.execute(worker, run.tasks[0]) == "done"


def test_a_full_disk_uses_up_no_attempts_and_is_tried_again_ever_more_seldom(
    worker: Worker, run: Run
) -> None:
    """A full disk is nobody's failure: the pauses grow, and nothing is quarantined."""
    behave(worker, "full " * 3 + "well")
    ends, pauses = [], []
    for _ in range(3):
        ends.append(execute.execute(worker, run.tasks[0]))
        record = attempts.records(worker.store, Task.parse(run.tasks[0]))[-1]
        atomic.write_json(
            worker.store.attempts_folder(Task.parse(run.tasks[0]))
            / f"{record['attempt']:04d}.json",
            record | {"finished_at": record["finished_at"] - 7.0},
        )
        pauses.append(execute.must_wait(worker.store, Task.parse(run.tasks[0])))

    assert ends == ["failed"] * 3
    assert pauses == [False, False, True]
    assert attempts.counted_failures(worker.store, Task.parse(run.tasks[0])) == []
    assert worker.store.failed(Task.parse(run.tasks[0])) is None


def test_a_worker_whose_gpu_fails_leaves_the_work_to_others_for_a_while(
    worker: Worker, run: Run
) -> None:
    """It would otherwise be the first to take retried tasks, and use up the attempts of all of
    them.
    """
    other = Worker(
        worker.store,
        worker.broker_url,
        "w2",
        "host",
        worker.device,
        None,
        LeaseTracker(worker.store),
        entry="support.fake_work:main",
    )
    behave(worker, "broken")
    failed, declined = execute.execute(worker, run.tasks[0]), execute.execute(worker, run.tasks[0])
    waits = execute.must_wait(worker.store, Task.parse(run.tasks[0]))
    time.sleep(2.1)
    done = execute.execute(other, run.tasks[0])
    record = attempts.records(worker.store, Task.parse(run.tasks[0]))[0]

    assert (failed, declined, waits, done) == ("failed", "paused", True, "done")
    assert record["failure"] == "device-failed"
    assert execute.execute(worker, run.tasks[1]) == "done"
    assert worker.pause.times == 0


def test_an_idle_worker_stays_as_long_as_a_task_waits_for_its_next_try(
    worker: Worker, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However short `--idle-exit` is. It exits when no failed task waits for a retry."""
    monkeypatch.setattr("workers.reconciler.RECONCILE_S", 0.1)
    monkeypatch.setattr("workers.reconciler.LEAST_IDLE_S", 0.5)
    behave(worker, "full well")
    reconciler, leave = Reconciler(worker), threading.Event()
    ended = execute.execute(worker, run.tasks[0])
    rounds = threading.Thread(target=reconciler.forever, args=(0.1, leave), daemon=True)
    rounds.start()
    stayed = not leave.wait(1.5)
    worker.store.cancel(run.name)
    left = leave.wait(10)
    leave.set()
    rounds.join(10)

    assert ended == "failed"
    assert stayed
    assert left


def test_a_store_that_the_worker_cannot_write_makes_it_pause(worker: Worker, run: Run) -> None:
    """Leases and records cannot be written: the worker stays alive, reports it, and tries again
    later.
    """
    leases = worker.store.root / "leases"
    leases.write_text("in the way")
    first, second = execute.execute(worker, run.tasks[0]), execute.execute(worker, run.tasks[0])
    leases.unlink()
    worker.pause.until = 0.0

    assert (first, second) == ("paused", "paused")
    assert worker.pause.times == 1
    assert worker.room.tasks == ()
    assert execute.execute(worker, run.tasks[0]) == "done"
    assert worker.pause.times == 0


def test_an_evaluation_that_meets_a_bad_checkpoint_has_the_training_done_again(
    worker: Worker, run: Run
) -> None:
    """The record of the training is removed with the damaged checkpoint; nothing is quarantined."""
    execute.execute(worker, run.tasks[0])
    execute.execute(worker, run.tasks[1])
    behave(worker, "rotten")
    state = execute.execute(worker, run.tasks[2])
    again = [task.id for task in plan.ready_tasks(worker.store, run)]
    execute.execute(worker, run.tasks[1])
    time.sleep(2.1)

    assert state == "failed"
    assert again == [run.tasks[1]]
    assert execute.execute(worker, run.tasks[2]) == "done"
    assert "failed" not in plan.task_states(worker.store, run).values()


def test_torn_records_of_attempts_are_counted_and_forgiven(worker: Worker, run: Run) -> None:
    """A truncated record keeps its number and does not count as a failure."""
    task = Task.parse(run.tasks[0])
    worker.store.attempts_folder(task).mkdir(parents=True)
    for number, text in enumerate(('{"att', "[]", "{}"), 1):
        (worker.store.attempts_folder(task) / f"{number:04d}.json").write_text(text)
    state = execute.execute(worker, task.id)

    assert state == "done"
    assert [(r["attempt"], r["state"]) for r in attempts.records(worker.store, task)] == [
        (1, "lost"),
        (2, "lost"),
        (3, "lost"),
        (4, "done"),
    ]


def test_cancelling_a_longer_run_stops_it_though_a_shorter_one_has_the_same_trial(
    worker: Worker, run: Run
) -> None:
    """A finished run of six epochs does not need the ninth."""
    store = worker.store
    longer = dataclasses.replace(
        run, name="longer", spec=run.spec.model_copy(update={"periods": 3})
    )
    store.save_trial(store.load_trial(run.trials[0]), [9], "longer")
    store.save_run(longer)
    sixth, ninth = (Task("train", run.trials[0], epoch) for epoch in (6, 9))
    before = (store.wanted_by(sixth), store.wanted_by(ninth))
    store.cancel("longer")

    assert [[r.name for r in wanting] for wanting in before] == [[run.name, "longer"], ["longer"]]
    assert ([r.name for r in store.wanted_by(sixth)], store.wanted_by(ninth)) == ([run.name], [])


def test_lost_workers_are_no_blame_until_twenty_were_lost_without_progress(
    worker: Worker, run: Run
) -> None:
    """Machines come and go. But a task on which 20 workers are lost is quarantined."""
    task = Task.parse(run.tasks[0])
    who = {"worker": "dead", "host": "h", "device": "cpu", "run": run.name}
    for _ in range(attempts.MAX_LOST):
        attempts.begin(worker.store, task, who)
    behave(worker, "die")
    still_tried = execute.execute(worker, task.id)
    attempts.begin(worker.store, task, who)
    attempts.begin(worker.store, task, who)
    blamed = [record["state"] for record in attempts.counted_failures(worker.store, task)]
    time.sleep(2.1)
    given_up = execute.execute(worker, task.id)

    assert still_tried == "failed"
    assert blamed == ["failed", "running"]
    assert given_up == "failed"
    assert "20 workers were lost" in str((worker.store.failed(task) or {})["message"])


def test_a_batch_that_must_be_split_uses_up_no_attempts_and_is_tried_again_at_once(
    worker: Worker, run: Run
) -> None:
    """Once for each possible halving of the batch; the attempts say why."""
    execute.execute(worker, run.tasks[0])
    behave(worker, "big " * 7 + "well")
    ends = [execute.execute(worker, run.tasks[1]) for _ in range(8)]
    failures = [
        record["failure"] for record in attempts.records(worker.store, Task.parse(run.tasks[1]))
    ]

    assert ends == ["failed"] * 7 + ["done"]
    assert failures == ["out-of-memory"] * 7 + [None]

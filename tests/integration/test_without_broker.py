"""Begin what follows one's own task; take ready tasks from the ledger; notice a deaf connection."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.quick_scene import small_run

from jobs import readiness
from jobs.errors import RequestError
from jobs.store.runs import Run
from jobs.task import Task
from workers import next_task, reconciler
from workers.devices.discovery import Device
from workers.execution import execute
from workers.lease_expiry import LeaseTracker
from workers.messaging import broker, messages, stores
from workers.reconciler import Reconciler
from workers.scheduling.rebalance import Peer
from workers.worker import Worker


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run of one backbone with three periods."""
    return small_run(tmp_path / "store", periods=3)[1]


@pytest.fixture
def worker(tmp_path: Path, redis_url: str, run: Run) -> Worker:
    """A worker whose children do the fake work; it notes what it is told to begin."""
    store = small_run(tmp_path / "store", periods=3)[0]
    device = Device("cpu", "cpu", "", 1)
    made = Worker(
        store,
        redis_url,
        "w1",
        "host",
        device,
        None,
        LeaseTracker(store),
        entry="support.fake_work:main",
    )
    BEGUN[id(made)] = []
    made.begin = lambda task: begun(made).append(task) or True
    return made


BEGUN: dict[int, list[Task]] = {}


def begun(worker: Worker) -> list[Task]:
    """The tasks that a worker has begun without a message."""
    return BEGUN[id(worker)]


def queued(worker: Worker) -> int:
    """Messages of the worker's store."""
    return broker.queue_length(worker.broker_url, store=worker.store_id, worker=worker.name)


def test_what_follows_ones_own_task_begins_without_the_broker(worker: Worker, run: Run) -> None:
    """The next training of the trial; its evaluation goes to whichever worker is free."""
    prepare, first = (Task.parse(name) for name in run.tasks[:2])
    execute.execute(worker, prepare.id)
    execute.execute(worker, first.id)

    assert Task("train", first.subject, 2) in begun(worker)
    assert Task("evaluate", first.subject, 1) not in begun(worker)
    assert queued(worker) >= 1


def test_a_worker_that_stops_begins_nothing_more(worker: Worker, run: Run) -> None:
    """What follows is left to the others, in the queue."""
    prepare, first = (Task.parse(name) for name in run.tasks[:2])
    execute.execute(worker, prepare.id)
    begun(worker).clear()
    finished = worker.run_child

    def stop_after(*args: object, **options: object) -> object:
        result = finished(*args, **options)  # type: ignore[arg-type]
        worker.stop.set()
        return result

    worker.run_child = stop_after  # type: ignore[assignment]
    execute.execute(worker, first.id)

    assert begun(worker) == []
    assert worker.store.is_done(first)


def test_an_idle_worker_takes_a_ready_task_from_the_ledger_while_the_broker_is_away(
    worker: Worker, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is asked of the broker, and nothing said again."""
    worker.broker_url = "redis+socket:///nowhere/r.sock"
    rounds = Reconciler(worker)
    first, second = rounds.round(), rounds.round()
    warned = [record for record in caplog.records if record.levelname == "WARNING"]

    assert [task.id for task in first] == [task.id for task in second] == [run.tasks[0]]
    assert [task.id for task in begun(worker)] == [run.tasks[0]] * 2
    assert not worker.link.up
    assert len(warned) == 1


def test_idle_workers_begin_with_different_tasks(worker: Worker, run: Run) -> None:
    """Each takes the one of its place among the idle."""
    names = [f"scratch-s{seed}-00000000" for seed in range(3)]
    unheld = [Task("train", name, 1) for name in names]
    worker.placement.peers._last = tuple(
        Peer(name, {}, name == "busy", None, True, "") for name in ("a", "b", "busy", "c", "d")
    )
    taken = []
    for worker.placement.handover.name in ("a", "b", "c", "d"):
        taken += next_task.begin_one(worker, unheld)

    assert taken == [*unheld, unheld[0]]


def test_ready_work_that_never_arrives_is_noticed_and_the_connection_made_anew(
    worker: Worker, run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The broker answers, the message lies there, and this idle worker does not receive it."""
    again: list[str] = []
    worker.reconnect = again.append
    rounds, now = Reconciler(worker), [100.0]
    monkeypatch.setattr(reconciler.time, "monotonic", lambda: now[0])
    for _ in range(10):  # 45 s
        now[0] += 5.0
        rounds.next_look = 0.0
        rounds.round()

    assert len(again) == 2  # after 10 s, and 20 s later
    assert [task.id for task in begun(worker)] == [run.tasks[0]] * 2
    assert "did not arrive for 10 s (1 message(s) wait)" in caplog.text


def test_a_busy_worker_waits_for_no_message(
    worker: Worker, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has no room for may lie in the queue as long as it likes."""
    again: list[str] = []
    worker.reconnect = again.append
    worker.admission._inside["train.other-s0-00000000.0001"] = execute.Requirement(alone=True)
    rounds, now = Reconciler(worker), [100.0]
    monkeypatch.setattr(reconciler.time, "monotonic", lambda: now[0])
    for _ in range(10):
        now[0] += 5.0
        rounds.next_look = 0.0
        rounds.round()

    assert again == begun(worker) == []


def test_two_stores_on_one_broker_never_hear_each_other(
    worker: Worker, run: Run, tmp_path: Path
) -> None:
    """Queues, events and remote control carry the id of the store."""
    other = small_run(tmp_path / "other", periods=1)[0]
    Reconciler(worker).round()
    ours, theirs = (broker.app(worker.broker_url, each) for each in (worker.store_id, other.id))
    keys = ("task_default_queue", "event_exchange", "control_exchange")

    assert queued(worker) == 1
    assert broker.queue_length(worker.broker_url, store=other.id) == 0
    assert all(ours.conf[key] != theirs.conf[key] for key in keys)


def test_a_message_for_another_store_is_refused(worker: Worker, run: Run) -> None:
    """Even in our own queue: the id is in the message too."""
    from workers.messaging.tasks import register_tasks

    application = broker.app(worker.broker_url, worker.store_id)
    called: list[str] = []
    register_tasks(application, lambda name, _: called.append(name) or "done", worker.store_id)
    execute_task = application.tasks["orch.train"]
    with pytest.raises(RequestError, match="another store"):
        execute_task("train.x.0001", store="0123456789ab")
    taken = [execute_task("a", store=worker.store_id), execute_task("b")]

    assert taken == ["done", "done"]
    assert called == ["a", "b"]


def test_the_broker_knows_which_stores_use_it(worker: Worker, tmp_path: Path) -> None:
    """`orch doctor` lists the others, and says where this one may be a copy."""
    url = worker.broker_url
    stores.register(url, worker.store_id, tmp_path / "store", "here")
    stores.register(url, "0123456789ab", Path("/srv/other"), "there")
    with broker.connected(url) as channel:
        channel.client.hset(stores.KEY, "broken", "{")
    known = [each for each in stores.others(url, worker.store_id) if each.host == "there"]

    assert [(each.id, each.folder) for each in known] == [("0123456789ab", "/srv/other")]
    assert worker.store_id not in {each.id for each in stores.others(url, worker.store_id)}
    assert stores.same_elsewhere(url, worker.store_id, tmp_path / "store") is None
    copied = stores.same_elsewhere(url, worker.store_id, tmp_path / "copy")
    assert copied is not None
    assert copied.folder == str(tmp_path / "store")


def test_bindings_of_workers_that_left_are_removed(worker: Worker) -> None:
    """A worker that was killed cannot do it; those of living workers and other stores stay."""
    common = broker.common_queue(worker.store_id)
    table = stores.BINDINGS.format(common)
    nodes = ("w1@box.cpu", "celery@w1", "dead@box.cpu", "celery@dead")
    members = [f"::{node}.{common}.control.pidbox" for node in nodes]
    with broker.connected(worker.broker_url) as channel:
        channel.client.sadd(table, *members, "::celery@other.orch.x.control.pidbox")
        stores.remove_bindings(worker.broker_url, worker.store_id, {"w1"})
        left = {member.decode() for member in channel.client.smembers(table)}
        channel.client.delete(table)

    assert left == {*members[:2], "::celery@other.orch.x.control.pidbox"}


def test_task_queues_have_no_bindings(worker: Worker, run: Run) -> None:
    """Nothing of them can be left behind."""
    with broker.connected(worker.broker_url) as channel:
        channel.client.flushall()
        messages.enqueue(worker.broker_url, [Task.parse(run.tasks[0])], "w1", worker.store_id)
        application = broker.app(worker.broker_url, worker.store_id, "w1")
        with application.connection_for_read() as connection:
            application.amqp.TaskConsumer(connection.default_channel)
        left = channel.client.keys("_kombu*")
        forgotten_s = channel.client.ttl(broker.worker_queue("w1", worker.store_id))

    assert left == []
    assert 0 < forgotten_s <= broker.FORGOTTEN_MS / 1000
    assert readiness.is_ready(worker.store, Task.parse(run.tasks[0]))

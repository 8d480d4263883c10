"""A drained worker takes no further task, across restarts, until that is undone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.fake_worker import fake_worker, saved_run
from support.refusals import Terminal, make_terminal

from jobs.store import drains
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from workers import heartbeat
from workers.execution import execute
from workers.execution.callbacks import StopCondition
from workers.messaging import broker
from workers.reconciler import Reconciler
from workers.worker import Worker


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run of one backbone with two periods, saved in a store."""
    return saved_run(Store(tmp_path / "store").open(create=True))


@pytest.fixture
def worker(tmp_path: Path, redis_url: str) -> Worker:
    """A worker whose children do the fake work."""
    return fake_worker(Store(tmp_path / "store").open(create=True), redis_url)


@pytest.fixture
def terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Terminal:
    """Where commands are typed."""
    return make_terminal(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("name", ["w1", "host"])
def test_a_drained_worker_takes_nothing_even_when_started_again(
    name: str, worker: Worker, run: Run
) -> None:
    """By its own name or its host's. It also stops reading the queue of all workers."""
    drains.drain(worker.store, name, "step")
    again = fake_worker(worker.store, worker.broker_url)
    heard: list[bool] = []
    again.listen = heard.append

    assert execute.execute(worker, run.tasks[0]) == "not ready"
    assert Reconciler(again).round() == []
    assert heard == [False]
    assert broker.queue_length(worker.broker_url, store=worker.store_id) == 0
    assert execute.execute(again, run.tasks[0]) == "not ready"
    drains.undrain(worker.store, name)
    assert execute.execute(again, run.tasks[0]) == "done"


def test_draining_another_worker_changes_nothing_here(worker: Worker, run: Run) -> None:
    """A name is a whole name."""
    drains.drain(worker.store, "w10", "step")

    assert execute.execute(worker, run.tasks[0]) == "done"


def test_peers_give_a_drained_worker_nothing(worker: Worker, run: Run) -> None:
    """Its heartbeat says so, and no training is placed there or exchanged with it."""
    drains.drain(worker.store, "w1", "task")
    peer = fake_worker(worker.store, worker.broker_url, "w2")
    for _ in range(2):
        worker.drain.look(())
        heartbeat.write(worker)
        heartbeat.write(peer)
        peer.placement.look()

    assert [each.name for each in peer.placement.peers.peers()] == ["w2"]


def test_a_running_task_stops_after_its_step_or_ends_first(worker: Worker, run: Run) -> None:
    """Without --after it stops with a checkpoint; then another worker continues it."""
    execute.execute(worker, run.tasks[0])
    training = Task.parse(run.tasks[1])
    stop = StopCondition(worker, training, 1)
    said = {}
    for after in ("task", "period", "step"):
        drains.drain(worker.store, "w1", after)
        stop.last -= 60
        said[after] = stop()

    assert said == {"task": False, "period": False, "step": True}


def test_after_a_period_only_its_evaluations_are_finished_here(worker: Worker, run: Run) -> None:
    """Those of the training that ran when the worker was drained, and no others."""
    drains.drain(worker.store, "w1", "period")
    training = next(Task.parse(each) for each in run.tasks if each.startswith("train"))
    worker.drain.look((training.id,))
    worker.drain.look(())
    here = Task("evaluate", training.subject, training.epoch)
    later = Task("evaluate", training.subject, training.epoch + 3)

    assert not worker.drain.declines(here)
    assert worker.drain.declines(later)
    assert worker.drain.declines(training)


def test_orch_workers_tells_who_is_drained(worker: Worker, run: Run, terminal: Terminal) -> None:
    """In a line for people, and as JSON."""
    store = ("--store", str(worker.store.root))
    heartbeat.write(worker)
    code, drained, _ = terminal.run("drain", "host", "--after", "task", "--json", *store)
    worker.drain.look(())
    heartbeat.write(worker)
    _, text, _ = terminal.run("workers", *store)
    _, document, _ = terminal.run("workers", "--json", *store)
    _, status, _ = terminal.run("status", run.name, *store)
    (found,) = json.loads(document)["workers"]

    assert (code, json.loads(drained)["workers"]) == (0, ["w1"])
    assert "w1  cpu  idle" in text
    assert "drained: host" in text
    assert (found["name"], found["drained"], found["state"]) == ("w1", "host", "idle")
    assert found["version"]
    assert "every live worker is drained (host)" in status
    assert "orch undrain host" in status
    assert "w1 (cpu, drained)" in status
    _, undrained, _ = terminal.run("undrain", "host", "--json", *store)
    assert json.loads(undrained)["workers"] == ["w1"]
    assert not list(worker.store.drains_folder.iterdir())


@pytest.mark.parametrize("command", ["drain", "undrain"])
@pytest.mark.parametrize("name", ["w2", "../w1", "", "x" * 300])
def test_a_name_that_no_worker_has_is_refused(
    command: str, name: str, worker: Worker, terminal: Terminal
) -> None:
    """A slip of the pen must not look like a drain."""
    heartbeat.write(worker)
    words = "is called" if command == "drain" else "is not drained"
    line = terminal.refuses((command, name, "--store", str(worker.store.root)), words)

    assert ("w1" in line) == (command == "drain" or name == "../w1")
    assert not worker.store.drains_folder.exists()

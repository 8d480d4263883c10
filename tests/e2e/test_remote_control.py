"""Celery's monitors: the rows say how attempts ended, workers answer, buttons lose nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.harness import redis_binary, working_child
from support.quick_scene import ROOT, Scene, small_run
from support.task_rows import TaskRows

from workers.messaging import broker
from workers.messaging.remote_control import REFUSED

pytestmark = [
    pytest.mark.whole,
    pytest.mark.skipif(redis_binary() is None, reason="no redis-server here"),
]
ARGUMENTS: dict[str, dict[str, Any]] = {
    "add_consumer": {"queue": "other"},
    "cancel_consumer": {"queue": "orch"},
    "rate_limit": {"task_name": "orch.train", "rate_limit": "1/h"},
    "time_limit": {"task_name": "orch.train", "hard": 1},
}


@pytest.fixture
def scene(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A broker, and a run of a number of periods whose tasks take a number of seconds."""
    periods, seconds, *seeds = request.param
    made = Scene(tmp_path, seconds=seconds)
    small_run(made.store.root, periods, *seeds)
    yield made
    made.close()


@pytest.fixture
def rows(scene: Scene) -> TaskRows:
    """The rows of the scene, from before the first worker on."""
    return TaskRows(scene.url, scene.store.id)


def celery(scene: Scene, *words: str) -> str:
    """Type a command of Celery's own program; its stdout."""
    named = {"ORCH_STORE": str(scene.store.root), "ORCH_BROKER_URL": scene.url}
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "orchestrator", *words],
        env={**os.environ, **named, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def started(rows: TaskRows) -> Callable[[], list[Any]]:
    """The trainings that run now."""
    return lambda: [row for row in rows.in_state("STARTED") if row.name.startswith("train")]


@pytest.mark.parametrize("scene", [(8, 4.0)], indirect=True)
def test_workers_answer_while_they_work_and_no_button_loses_a_task(
    scene: Scene, rows: TaskRows
) -> None:
    """Refused ones say what to do instead; a terminated attempt is revoked and tried again."""
    worker = scene.worker()
    control = broker.app(scene.url, scene.store.id).control
    scene.until(started(rows), what="the first training")
    ping, active = celery(scene, "inspect", "ping"), control.inspect(timeout=5).active() or {}
    answers = {
        name: control.broadcast(name, arguments=ARGUMENTS.get(name), reply=True, limit=1, timeout=5)
        for name in REFUSED
    }
    before = started(rows)()
    scene.until(lambda: set(started(rows)()) - set(before), what="another training")
    terminated = started(rows)()[-1]
    control.revoke(terminated.uuid, terminate=True)
    scene.until(lambda: terminated.state == "REVOKED", 10, "the end of the attempt")
    scene.until(lambda: "SUCCESS" in [row.state for row in rows.of(terminated.args)], 60)
    scene.until(started(rows), what="a training to shut down in")
    control.shutdown()
    code = worker.wait(20)
    stopped = rows.in_state("RETRY")

    assert "w0@" in ping
    assert "pong" in ping
    node = terminated.worker.hostname
    assert [each["name"][:20] for each in active[node]] == ["train scratch period"]
    assert {name: answer[0][node] for name, answer in answers.items()} == {
        name: {"error": reason} for name, reason in REFUSED.items()
    }
    assert "terminated by remote control" in terminated.exception
    assert code == 0
    assert [row.exception for row in stopped] == [
        "stopped: the worker stops; the task is tried again"
    ]
    assert not rows.in_state("STARTED")


@pytest.mark.parametrize("scene", [(2, 1.5)], indirect=True)
def test_killed_children_and_lost_workers_leave_no_row_that_says_started(
    scene: Scene, rows: TaskRows
) -> None:
    """The worker tells of its child; another worker of the lost one, under the lost one's name."""
    first = scene.worker()
    scene.until(started(rows), what="the first training")
    killed = started(rows)()[0]
    scene.until(lambda: working_child(first.pid), 10, "the child")
    working_child(first.pid).kill()
    scene.until(lambda: killed.state == "RETRY", 10, "news of the killed child")
    scene.until(lambda: started(rows)() not in ([], [killed]), 60, "the next training")
    lost = started(rows)()[0]
    first.send_signal(signal.SIGKILL)
    scene.worker()
    scene.until(lambda: lost.state == "RETRY", 90, "news of the lost worker")
    scene.until(lambda: "SUCCESS" in [row.state for row in rows.of(lost.args)], 60)

    assert "killed by SIGKILL" in killed.exception
    assert lost.exception == "worker lost: the worker w0 was lost."
    assert lost.worker.hostname.startswith("w0@")
    assert {row.worker.hostname[:3] for row in rows.of(lost.args) if row.state == "SUCCESS"} == {
        "w1@"
    }


@pytest.mark.parametrize("slots", [1, 2])
@pytest.mark.parametrize("scene", [(1, 3.0, 2)], indirect=True)
def test_a_message_revoked_before_it_began_is_begun_all_the_same_or_sent_again(
    scene: Scene, rows: TaskRows, slots: int
) -> None:
    """With a second slot it is received, and waits for room; else it lies in the queue."""
    scene.worker(slots=slots)
    state = "RECEIVED" if slots == 2 else "PENDING"

    def waits() -> list[Any]:
        return [row for row in rows.in_state(state) if row.name.startswith("train")]

    scene.until(lambda: started(rows)() and waits(), what="a training that waits for another")
    revoked = waits()[0]
    broker.app(scene.url, scene.store.id).control.revoke(revoked.uuid)
    scene.until(lambda: scene.done("train") == 2, 60, "both trainings")
    scene.until(lambda: "SUCCESS" in [row.state for row in rows.of(revoked.args)], 10)

    assert revoked.state == ("SUCCESS" if slots == 2 else "REVOKED")

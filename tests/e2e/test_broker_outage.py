"""A broker that is silent, or answers with errors: training goes on, and so does the worker."""

from __future__ import annotations

import contextlib
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from support.harness import redis_binary
from support.quick_scene import Scene, small_run

from workers.messaging import broker

pytestmark = [
    pytest.mark.whole,
    pytest.mark.skipif(redis_binary() is None, reason="no redis-server here"),
]


@pytest.fixture
def new_scene(tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    """Make a scene in a folder of its own."""
    made: list[Scene] = []

    def make(**options: Any) -> Scene:
        made.append(Scene(tmp_path, **options))
        return made[-1]

    yield make
    for scene in made:
        scene.close()


def test_training_goes_on_while_redis_is_silent_and_is_told_once(
    new_scene: Callable[..., Scene],
) -> None:
    """Four periods and more within a minute; one warning; within 5 s all is as before."""
    scene = new_scene()
    small_run(scene.store.root, periods=200)
    for _ in range(2):
        scene.worker()
    scene.until(lambda: scene.done("train") >= 2, what="the first trainings")
    scene.server.send_signal(signal.SIGSTOP)
    trained, evaluated = scene.done("train"), scene.done("evaluate")
    silent_s = scene.until(
        lambda: scene.done("train") >= trained + 10 and scene.done("evaluate") >= evaluated + 3
    )
    time.sleep(max(0.0, 12 - silent_s))  # longer than any connection waits
    scene.server.send_signal(signal.SIGCONT)
    back_s = scene.until(scene.all_receive, 20, "an answer of both workers")

    assert silent_s < 60
    assert back_s < 5
    assert [len(scene.complaints(number)) for number in (0, 1)] == [1, 1]
    assert "no answer in time" in scene.complaints(0)[0]


def test_a_worker_leaves_within_30_s_while_redis_is_silent(
    new_scene: Callable[..., Scene],
) -> None:
    """SIGTERM: the child stops, the exit code is 0, and the heartbeat is gone."""
    scene = new_scene()
    small_run(scene.store.root, periods=200)
    worker = scene.worker()
    scene.until(lambda: scene.done("train") >= 1, what="the first training")
    scene.server.send_signal(signal.SIGSTOP)
    time.sleep(1)
    began = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    code = worker.wait(60)

    assert code == 0
    assert time.monotonic() - began < 30
    assert not list((scene.store.root / "workers").iterdir())


def test_idle_workers_take_from_the_store_what_is_recorded_while_redis_is_silent(
    new_scene: Callable[..., Scene],
) -> None:
    """The ledger is the truth; the broker only speeds things up."""
    scene = new_scene(seconds=0.1)
    scene.store.open(create=True)
    scene.worker()
    scene.until(lambda: "takes tasks" in scene.log(), what="an idle worker")
    scene.server.send_signal(signal.SIGSTOP)
    _, run = small_run(scene.store.root, periods=2)
    scene.until(lambda: scene.done() == len(run.tasks), what="the whole run")


def deny(scene: Scene) -> None:
    """The user may no longer receive."""
    scene.client.execute_command("ACL SETUSER default -brpop -lpush")


def allow(client: redis.Redis) -> None:
    """The user may do everything again."""
    client.execute_command("ACL SETUSER default +@all")


def replica(scene: Scene) -> None:
    """A failover has made it a replica of another."""
    scene.client.execute_command("REPLICAOF 127.0.0.1 1")


def master(client: redis.Redis) -> None:
    """It is the one that is written to."""
    client.execute_command("REPLICAOF NO ONE")


def spoil(scene: Scene) -> None:
    """Somebody has put another thing where the queue is."""
    name = broker.common_queue(scene.store.id)
    scene.client.delete(name)
    scene.client.set(name, "no list")


def mend(client: redis.Redis) -> None:
    """It is gone again."""
    client.delete(*client.keys("orch.*"))


def fill_disk(scene: Scene) -> None:
    """It cannot save what it is configured to save."""
    shutil.rmtree(scene.folder / "redis")


def free_disk(client: redis.Redis) -> None:
    """It takes writes again."""
    client.config_set("stop-writes-on-bgsave-error", "no")


FAULTS = {
    "NOPERM": (deny, allow, "no permissions"),
    "READONLY": (replica, master, "read only replica"),
    "WRONGTYPE": (spoil, mend, "WRONGTYPE"),
    "MISCONF": (fill_disk, free_disk, "MISCONF"),  # last: the server's folder is gone after it
}


def all_know(scene: Scene) -> bool:
    """Whether each worker that complained knows that the broker can be used again."""
    return all(
        scene.log(number).count("are taken from the store") == scene.log(number).count("used again")
        for number in (0, 1)
    )


def test_an_error_reply_ends_no_worker_and_is_told_in_the_words_of_redis(
    new_scene: Callable[..., Scene],
) -> None:
    """Work goes on, and a worker that was idle receives messages again once it is mended."""
    scene = new_scene(options=("--save", "1", "1"))
    client = scene.client  # connected before the socket's folder may go
    client.ping()
    small_run(scene.store.root, periods=400)
    for _ in range(2):
        scene.worker()
    scene.until(lambda: scene.done("train") >= 2, what="the first trainings")
    trained = {}
    for fault, (begin, end, words) in FAULTS.items():
        begin(scene)
        scene.until(lambda words=words: words in scene.log(0) + scene.log(1), 30, words)
        before = scene.done("train")
        time.sleep(4)
        trained[fault] = scene.done("train") - before
        end(client)
        scene.until(lambda: all_know(scene), 60, f"news that {fault} has ended")
        scene.until(scene.all_receive, 60, f"an answer of both workers after {fault}")

    assert [worker.poll() for worker in scene.workers] == [None, None]
    assert min(trained.values()) >= 2, trained
    for fault, (_, _, words) in FAULTS.items():
        told = [len([line for line in scene.complaints(n) if words in line]) for n in (0, 1)]
        assert max(told) == 1, fault  # a worker that was busy all the time may have met no error


def test_flower_sees_what_a_worker_begins_by_itself(new_scene: Callable[..., Scene]) -> None:
    """Received, started and succeeded, for each task, as if its message had been received."""
    scene = new_scene(seconds=0.1)
    _, run = small_run(scene.store.root, periods=3)
    seen: list[tuple[str, str]] = []
    names: dict[str, str] = {}

    def note(event: dict[str, Any]) -> None:
        names.setdefault(event["uuid"], event.get("args", ""))
        seen.append((event["type"], names[event["uuid"]]))

    def listen() -> None:
        application = broker.app(scene.url, scene.store.id)
        with (
            contextlib.suppress(redis.RedisError, OSError),
            application.connection_for_read() as connection,
        ):
            handlers = {f"task-{what}": note for what in ("received", "started", "succeeded")}
            receiver = application.events.Receiver(connection, handlers=handlers)
            receiver.capture(limit=None, timeout=None, wakeup=False)

    threading.Thread(target=listen, daemon=True).start()
    time.sleep(1)
    scene.worker()
    scene.until(lambda: scene.done() == len(run.tasks), what="the whole run")
    scene.until(lambda: len(seen) >= 3 * len(run.tasks), 10, "all events")

    for task in run.tasks:
        assert [what for what, args in seen if task in args][:3] == [
            "task-received",
            "task-started",
            "task-succeeded",
        ]

"""Faults that strike the queue: Redis killed or emptied, messages doubled or nonsense."""

from __future__ import annotations

import random
import time

from chaos.pulse import Blow
from chaos.scene import Scene
from chaos.victims import Strike
from jobs.task import Task
from workers.messaging import broker, messages


def kill_redis(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """Redis is gone for some seconds and loses everything it held."""
    away_s = rng.uniform(0.5, 8)
    scene.broker.kill()
    blow.detail = f"away for {away_s:.1f} s"
    time.sleep(away_s)
    scene.broker.start()
    return True


def flush(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """All messages are lost."""
    scene.broker.client().flushall()
    return True


def doubled(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """Every task of the run, done or not, three times, shuffled."""
    both = (*scene.rankings, scene.run)
    tasks = [Task.parse(task_id) for run in both for task_id in run.tasks] * 3
    rng.shuffle(tasks)
    messages.enqueue(scene.broker.url, tasks[:60], store=scene.lab.store.id)
    return True


def foolish(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """Invalid messages: no task id, pickled, huge, unknown, or not a message at all."""
    words = [
        "",
        "train.../../../etc/passwd.0001",
        "x" * 1_000_000,
        "train.nobody-s0-00000000.0001",
        None,
        {"a": 1},
    ]
    with broker.app(scene.broker.url, scene.lab.store.id) as application:
        for word in words:
            application.send_task("orch.train", args=[word])
        application.send_task("orch.train", args=[])
        application.send_task("os.system", args=["true"])
        application.send_task("orch.train", args=[scene.run.tasks[0]], serializer="pickle")
    rubbish = rng.choice(
        [b"\xff\xfe rubbish", b"{}", b"[1, 2]", b'"a"', b'{"body": "!", "headers": 3}']
    )
    scene.broker.client().lpush(broker.common_queue(scene.lab.store.id), rubbish)
    blow.detail = f"and {rubbish!r}"
    return True


QUEUE_FAULTS: dict[str, Strike] = {
    "Redis killed, back without its file": kill_redis,
    "FLUSHALL": flush,
    "messages doubled and reordered": doubled,
    "invalid messages": foolish,
}

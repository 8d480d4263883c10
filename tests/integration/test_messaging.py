"""Messages: ids in JSON, large networks first."""

from __future__ import annotations

import base64
import contextlib
import json

from jobs.catalog.backbones import relative_cost
from jobs.task import Task
from workers.messaging import broker, messages
from workers.messaging.probe import Probe


def cost(task: Task) -> float:
    """That of the network in the task's name."""
    return relative_cost(task.subject.partition("-s0")[0])


def test_a_message_carries_a_task_id_and_nothing_more(redis_url: str) -> None:
    """A message in Redis is JSON with one argument."""
    with broker.connected(redis_url, 3.0) as channel:
        channel.client.flushall()
        messages.enqueue(redis_url, [Task("train", "vgg16-s0-00000000", 10)], cost=cost)
        message = json.loads(channel.client.lpop("orch:1"))
    task, about, _ = json.loads(base64.b64decode(message["body"]))

    assert (task, about) == (["train.vgg16-s0-00000000.0010"], {"store": ""})
    assert message["headers"]["argsrepr"] == "train.vgg16-s0-00000000.0010"
    assert message["headers"]["id"].startswith("train.vgg16-s0-00000000.0010-")
    assert message["content-type"] == "application/json"


def test_big_networks_come_out_first(redis_url: str) -> None:
    """The queue's order is by cost, not by arrival."""
    names = ["squeezenet-finetuned", "scratch", "vgg16", "resnet34"]
    with broker.connected(redis_url, 3.0) as channel:
        channel.client.flushall()
        tasks = [Task("train", f"{name}-s0-00000000", 10) for name in names]
        messages.enqueue(redis_url, tasks, cost=cost)
        keys = sorted(key.decode() for key in channel.client.keys("orch*"))
        first = json.loads(channel.client.lpop(keys[0]))["headers"]["argsrepr"]
        last = json.loads(channel.client.lpop(keys[-1]))["headers"]["argsrepr"]

    assert "vgg16" in first
    assert "s" in last
    assert broker.queue_length(redis_url) == 2


def test_a_worker_asks_on_one_connection_whether_the_broker_answers(redis_url: str) -> None:
    """A new one every two seconds is a TLS handshake each; one that is cut off is replaced."""
    probe = Probe(redis_url)
    with broker.connected(redis_url, 3.0) as channel:

        def connections() -> int:
            return int(channel.client.info("stats")["total_connections_received"])

        before = connections()
        for _ in range(5):
            probe()
        kept = connections() - before
        channel.client.client_kill_filter(_type="normal", skipme=True)
        probe()
        after = connections() - before
    probe.close()

    assert (kept, after) == (1, 2)


def test_what_is_no_message_is_dropped_and_the_next_one_is_taken(redis_url: str) -> None:
    """Invalid content in the list that workers read does not end a worker."""
    task = Task("train", "scratch-s0-00000000", 10)
    with broker.connected(redis_url, 3.0) as channel:
        channel.client.flushall()
    with broker.app(redis_url) as application, application.connection_for_read() as connection:
        taken: list[str] = []
        consumer = connection.Consumer(
            queues=application.amqp.queues.values(),
            accept=["json"],
            on_message=(lambda message: taken.append(message.headers["argsrepr"])),
        )
        rubbish = (
            b"\xff\xfe",
            b"{",
            b"{}",
            b"[1, 2]",
            b'"a"',
            b"null",
            b'{"body": "!", "headers": 3}',
            b'{"body": "", "properties": 7, "headers": {}}',
        )
        for each in rubbish:
            consumer.channel.client.lpush("orch", each)
        messages.enqueue(redis_url, [task])
        with consumer:
            for _ in range(40):
                with contextlib.suppress(TimeoutError):
                    connection.drain_events(timeout=0.2)
                if taken:
                    break
            left = consumer.channel.client.llen("orch")

    assert left == 0
    assert taken == [task.id]

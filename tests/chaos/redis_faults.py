"""Faults of a Redis that runs: silent for a while, or it answers with an error."""

from __future__ import annotations

import contextlib
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from chaos.pulse import Blow
from chaos.scene import Scene
from chaos.victims import Strike, signal_if_alive
from workers.messaging import broker

TAKES_S = 10.0


def silence(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """It is frozen for longer than any connection waits; its connections stay open."""
    silent_s = rng.uniform(6, 14)
    server = scene.broker.process()
    server.send_signal(signal.SIGSTOP)
    blow.detail = f"for {silent_s:.1f} s"
    try:
        time.sleep(silent_s)
    finally:
        signal_if_alive(server, signal.SIGCONT)
        scene.broker.start()
    return True


def _refuse(
    begin: Callable[[Scene, Any], None], end: Callable[[Scene, Any], None], words: str
) -> Strike:
    """A strike that makes Redis answer with these words for some seconds.

    A worker that starts meanwhile replaces an embedded Redis that does not answer a ping.
    """

    def strike(scene: Scene, rng: random.Random, blow: Blow) -> bool:
        held_s = rng.uniform(4, 9)
        client = scene.broker.client()
        begin(scene, client)
        try:
            blow.detail = f"for {held_s:.1f} s: {_said(scene, client, words)}"
            time.sleep(held_s)
        finally:
            try:
                end(scene, client)
            except redis.ConnectionError:  # replaced by a worker that started meanwhile
                scene.broker.start()
        return True

    return strike


def _said(scene: Scene, client: Any, words: str) -> str:
    """What it answers to somebody who enqueues; notes a trouble if it is not the error."""
    try:
        client.lpush(broker.common_queue(scene.lab.store.id), "not a message")
    except Exception as error:
        if words in str(error):
            return words
        scene.troubles.append(f"Redis said {error!r} instead of {words}")
        return str(error)
    scene.troubles.append(f"Redis took a message instead of saying {words}")
    return "nothing"


def _deny(scene: Scene, client: Any) -> None:
    client.execute_command("ACL SETUSER default -brpop -lpush")


def _allow(scene: Scene, client: Any) -> None:
    client.execute_command("ACL SETUSER default +@all")


def _demote(scene: Scene, client: Any) -> None:
    client.execute_command("REPLICAOF 127.0.0.1 1")


def _promote(scene: Scene, client: Any) -> None:
    client.execute_command("REPLICAOF NO ONE")


def _spoil(scene: Scene, client: Any) -> None:
    name = broker.common_queue(scene.lab.store.id)
    client.delete(name)
    client.set(name, "no list")


def _mend(scene: Scene, client: Any) -> None:
    client.delete(broker.common_queue(scene.lab.store.id))


def _block_saving(scene: Scene, client: Any) -> None:
    """A folder where the file of its data would be: saving fails as on a full disk."""
    _data_file(client).mkdir(exist_ok=True)
    client.config_set("save", "1 1")
    with contextlib.suppress(Exception):
        client.bgsave()
    deadline = time.monotonic() + TAKES_S
    while client.info("persistence")["rdb_last_bgsave_status"] != "err":
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)


def _allow_saving(scene: Scene, client: Any) -> None:
    client.config_set("save", "")
    _data_file(client).rmdir()


def _data_file(client: Any) -> Path:
    return Path(client.config_get("dir")["dir"]) / client.config_get("dbfilename")["dbfilename"]


REDIS_FAULTS: dict[str, Strike] = {
    "Redis silent": silence,
    "Redis answers NOPERM": _refuse(_deny, _allow, "no permissions"),
    "Redis answers READONLY": _refuse(_demote, _promote, "read only replica"),
    "Redis answers WRONGTYPE": _refuse(_spoil, _mend, "wrong kind of value"),
    "Redis answers MISCONF": _refuse(_block_saving, _allow_saving, "configured to save"),
}

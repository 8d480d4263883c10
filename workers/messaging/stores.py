"""The stores that use a broker, and the bindings that dead workers have left on it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from jobs.errors import BrokerUnreachable
from workers.messaging.broker import QUEUE, common_queue, connected

KEY = f"{QUEUE}.stores"
BINDINGS = "_kombu.binding.{}.control.pidbox"


@dataclass(frozen=True, slots=True)
class KnownStore:
    """A store that messages were sent for: its id, its folder there, and when (Unix time)."""

    id: str
    folder: str
    host: str
    at: float


def register(broker_url: str, store: str, folder: Path, host: str) -> None:
    """Note on the broker that a store uses it; raises `BrokerUnreachable`."""
    noted = {"folder": str(folder), "host": host, "at": time.time()}
    with connected(broker_url) as channel:
        channel.client.hset(KEY, store, json.dumps(noted))


def others(broker_url: str, store: str) -> list[KnownStore]:
    """The other stores that have used this broker, newest first; raises `BrokerUnreachable`."""
    return sorted(
        (known for known in _known(broker_url) if known.id != store), key=lambda known: -known.at
    )


def same_elsewhere(broker_url: str, store: str, folder: Path) -> KnownStore | None:
    """This store as it was last used in another folder, where the one or the other is a copy.

    Raises `BrokerUnreachable`.
    """
    for known in _known(broker_url):
        if known.id == store and known.folder != str(folder):
            return known
    return None


def _known(broker_url: str) -> list[KnownStore]:
    known_stores = list[KnownStore]()
    with connected(broker_url) as channel:
        noted = channel.client.hgetall(KEY)
    for name, value in noted.items():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            said = json.loads(value)
            known_stores.append(
                KnownStore(name.decode(), str(said["folder"]), str(said["host"]), float(said["at"]))
            )
    return known_stores


def remove_bindings(broker_url: str, store: str, alive: Collection[str]) -> None:
    """Remove what workers that are not `alive` have left on the broker, if it can be reached.

    That is the binding of their remote control, which is never removed for one that was killed.
    """
    table = BINDINGS.format(common_queue(store))
    ours = f".{common_queue(store)}.control.pidbox"
    with contextlib.suppress(BrokerUnreachable), connected(broker_url) as channel:
        for member in channel.client.smembers(table):
            queue = member.decode(errors="replace").rsplit(":", 1)[-1]
            worker = queue.removesuffix(ours).partition("@")  # an older one: celery@WORKER
            if queue.endswith(ours) and not {worker[0], worker[2]} & set(alive):
                channel.client.srem(table, member)

"""The workers that would do a run's work, with what was measured on their devices."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from socket import gethostname

from jobs.errors import OrchError
from jobs.settings import Settings
from jobs.store import codec
from jobs.store.records import RatesRecord
from jobs.store.store import Store
from orchestrator import preflight
from orchestrator.local import stack
from orchestrator.monitoring import heartbeats
from workers.devices import discovery


@dataclass(frozen=True, slots=True)
class PlannedWorker:
    """A worker: its host and device, and the images per second measured there by kind."""

    host: str
    device: str
    rates: Mapping[str, float]


def expected(
    store: Store, settings: Settings, workers: int | None, device: str | None
) -> list[PlannedWorker]:
    """The workers that are alive, one entry a slot; else those that a submission would start."""
    signs = heartbeats.read_heartbeats(store.root, time.time())
    alive = [sign for sign in signs if sign.fresh and not sign.drained]
    if alive:
        return [
            PlannedWorker(sign.host, sign.device, _rates(store, sign.host, sign.device))
            for sign in alive
            for _ in range(sign.slots)
        ]
    gpus = [] if device == "cpu" else discovery.gpus()
    wanted = preflight.local_workers(settings, workers)
    if wanted is None:
        wanted = stack.default_workers(discovery.available_cores(), len(gpus))
    host = gethostname()
    devices = [f"cuda:{index % len(gpus)}" if gpus else "cpu" for index in range(wanted)]
    return [PlannedWorker(host, each, _rates(store, host, each)) for each in devices]


def _rates(store: Store, host: str, device: str) -> dict[str, float]:
    """What was measured on a device; nothing where the record is missing or unreadable."""
    with contextlib.suppress(OrchError, OSError):
        values = codec.read_values(store.pace_path(host, device), RatesRecord.FORMAT) or {}
        return {
            kind: float(rate)
            for kind, rate in values.items()
            if "@" in kind and isinstance(rate, (int, float)) and rate > 0
        }
    return {}

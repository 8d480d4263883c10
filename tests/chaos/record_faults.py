"""Faults that strike leases and other records: torn, of another time, taken by a stranger."""

from __future__ import annotations

import contextlib
import os
import random
import time
from pathlib import Path

from chaos.pulse import Blow
from chaos.scene import Scene
from chaos.victims import Strike, pick_victim
from jobs import atomic
from jobs.errors import StorageFull


def _lease_file(scene: Scene, rng: random.Random, blow: Blow, newer: bool) -> Path | None:
    victim = pick_victim(scene, rng, blow, newer)
    if victim is None or blow.task is None:
        return None
    folder = scene.lab.store.lease_folder(blow.task.lease_key)
    names = atomic.list_names(folder)
    return folder / names[-1] if names else None


def push_clock(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """The lease file is dated yesterday or tomorrow."""
    path = _lease_file(scene, rng, blow, newer=False)
    if path is None:
        return False
    there = time.time() + rng.choice([-86_400, 86_400])
    with contextlib.suppress(FileNotFoundError):
        os.utime(path, (there, there))
    return True


def tear_lease(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """The lease file is truncated."""
    path = _lease_file(scene, rng, blow, newer=False)
    if path is None:
        return False
    with contextlib.suppress(FileNotFoundError):
        path.write_bytes(path.read_bytes()[:9])
    return True


def stranger(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """A higher token that never beats: the holder stops, and after the lease's time another goes
    on.
    """
    path = _lease_file(scene, rng, blow, newer=True)
    if path is None:
        return False
    token = int(path.stem) + rng.choice([1, 7])
    try:
        return atomic.create_json(
            path.with_name(f"{token:08d}.json"), {"holder": "stranger", "beats": 0}
        )
    except StorageFull:  # the disk is still full from a fault before
        return False


def tear_record(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """A record of an attempt, of progress or a heartbeat is truncated."""
    root = scene.lab.store.root
    there = [
        *root.glob("attempts/*/*.json"),
        *root.glob("progress/*.json"),
        *root.glob("workers/*.json"),
    ]
    if not there:
        return False
    path = rng.choice(sorted(there))
    blow.detail = path.relative_to(root).as_posix()
    with contextlib.suppress(FileNotFoundError):
        path.write_bytes(path.read_bytes()[: rng.randrange(30)])
    return True


LEASE_FAULTS: dict[str, Strike] = {
    "clock of the lease pushed": push_clock,
    "lease file truncated": tear_lease,
    "an unknown process takes the lease and is silent": stranger,
}
RECORD_FAULTS: dict[str, Strike] = {
    "a record truncated": tear_record,
}

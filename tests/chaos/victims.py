"""Who is struck: a worker at work, chosen at random."""

from __future__ import annotations

import contextlib
import random
import signal
from collections.abc import Callable

import psutil

from chaos.pulse import Blow
from chaos.scene import Scene

Strike = Callable[[Scene, random.Random, Blow], bool]


def pick_victim(
    scene: Scene, rng: random.Random, blow: Blow, newer: bool = True
) -> tuple[str, psutil.Process] | None:
    """A worker at work and its child, noted as struck; with `newer` only another attempt counts as
    recovery.
    """
    at_work = scene.at_work()
    if not at_work:
        return None
    name = rng.choice(sorted(at_work))
    busy = at_work[name]
    blow.task, blow.detail = busy.task, f"{name}: {busy.task.id}"
    blow.attempt = busy.attempt if newer else None
    return name, busy.child


def signal_if_alive(process: psutil.Process, number: signal.Signals) -> None:
    """Send a signal; a process that has ended is passed over."""
    with contextlib.suppress(psutil.Error):
        process.send_signal(number)

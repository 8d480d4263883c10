"""Faults that a user causes: a run cancelled in the middle."""

from __future__ import annotations

import random
import time

from chaos.pulse import Blow
from chaos.scene import Scene
from chaos.victims import Strike


def cancel(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """Its children end within 10 s; then the run is resumed."""
    if scene.over() or not scene.at_work():
        return False
    run, frozen = scene.run, [t for t in scene.timers if t.is_alive()]
    scene.orch("cancel", run.name)
    began = time.monotonic()
    while scene.at_work() and time.monotonic() - began < 10.0:
        time.sleep(0.1)
    took_s = time.monotonic() - began
    if scene.at_work() and not frozen:
        scene.troubles.append(f"children of the cancelled run {run.name} still ran after 10 s")
    scene.broker.wait()
    scene.orch("resume", run.name)
    blow.detail = f"children gone after {took_s:.1f} s"
    return True


USER_FAULTS: dict[str, Strike] = {
    "orch cancel, then orch resume": cancel,
}

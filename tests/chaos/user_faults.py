"""Faults that people cause: a run cancelled in the middle, a host renamed, an unreadable run."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import time
from pathlib import Path

from chaos.pulse import Blow
from chaos.scene import Scene
from chaos.surroundings import HOST_RENAMED
from chaos.victims import Strike, signal_if_alive
from jobs.task import Task

COLLEAGUE = 54321
MEASURING_S = 20.0


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
    scene.resume()
    blow.detail = f"children gone after {took_s:.1f} s"
    return True


def rename_host(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """As a laptop in another network; then the run is resumed, with the Redis that runs."""
    before, name = socket.gethostname(), f"host-{rng.randrange(10_000)}"
    socket.sethostname(name)
    blow.detail = f"{before} is now {name}"
    scene.broker.wait()
    scene.resume()
    if len(running := scene.broker.servers()) != 1:
        scene.troubles.append(f"{len(running)} servers run after {blow.detail}")
    return True


def hide_run(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """A colleague with umask 077 has submitted a run: it is named, and stops nobody."""
    store, held_s = scene.lab.store, rng.uniform(4, 10)
    hidden = store.root / "runs" / f"colleague-{blow.number}"
    try:
        shutil.copytree(store.root / "runs" / scene.run.name, hidden)
    except (OSError, shutil.Error):  # the disk is still full from a fault before
        shutil.rmtree(hidden, ignore_errors=True)
        return False
    _make_private(hidden)
    if hidden.name not in scene.lab.orch("status", code=1):
        scene.troubles.append(f"'orch status' did not name {hidden.name}")
    blow.detail = f"for {held_s:.1f} s"
    scene.later(held_s, lambda: shutil.rmtree(hidden))
    return True


def benchmark(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """A network is benchmarked meanwhile, and the process that does it is killed once."""
    store, run = scene.lab.store, scene.run
    tested = {task.subject for task in map(Task.parse, scene.done()) if task.is_test}
    known = sorted(tested & set(run.trials))
    if not known:
        return False
    name = store.load_trial(rng.choice(known)).backbone
    scene.broker.wait()
    words = ("--backbone", name, "--runtime", "torch", "--no-wait", "--no-workers")
    scene.orch("bench", run.name, *words)
    scene.benchmarks |= {task for task in store.load_run(run.name).tasks if is_bench(task)}
    began = time.monotonic()
    while time.monotonic() - began < MEASURING_S:
        for worker, busy in scene.at_work().items():
            if busy.task.kind == "bench":
                signal_if_alive(busy.child, signal.SIGKILL)
                blow.task, blow.attempt = busy.task, busy.attempt
                blow.detail = f"{worker}: {busy.task.id}"
                return True
        time.sleep(0.1)
    blow.detail = f"{name}, not struck"
    return True


def is_bench(task: str) -> bool:
    """Whether a task is a benchmark."""
    return task.startswith("bench.")


def _make_private(folder: Path) -> None:
    if os.geteuid() == 0:
        os.chown(folder, COLLEAGUE, COLLEAGUE)
        folder.chmod(0o700)
    else:
        folder.chmod(0)


USER_FAULTS: dict[str, Strike] = {
    "orch cancel, then orch resume": cancel,
}
PEOPLES_FAULTS: dict[str, Strike] = {
    HOST_RENAMED: rename_host,
    "a run that nobody else may read": hide_run,
    "orch bench, then its process is killed": benchmark,
}

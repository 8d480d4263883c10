"""Faults that strike processes: killed, asked to leave, frozen for a while."""

from __future__ import annotations

import random
import signal

import psutil

from chaos.processes import descendants, runs
from chaos.pulse import Blow
from chaos.scene import Scene
from chaos.victims import Strike, pick_victim, signal_if_alive


def kill_child(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """As the kernel does when memory runs out."""
    victim = pick_victim(scene, rng, blow)
    if victim:
        signal_if_alive(victim[1], signal.SIGKILL)
    return victim is not None


def kill_worker(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """Only the worker; its child must end by itself."""
    victim = pick_victim(scene, rng, blow)
    if victim:
        _kill(scene, [victim[0]], blow)
    return victim is not None


def kill_all(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """As when a machine fails."""
    if pick_victim(scene, rng, blow) is None:
        return False
    _kill(scene, list(scene.crew.running), blow)
    return True


def _kill(scene: Scene, names: list[str], blow: Blow) -> None:
    processes = [scene.crew.running[name] for name in names]
    orphans = [child for process in processes for child in descendants(process.pid)]
    for process in processes:
        process.send_signal(signal.SIGKILL)

    def look() -> None:
        # One that was frozen until now gets as long as the others had.
        _, left = psutil.wait_procs([process for process in orphans if runs(process)], timeout=6)
        still = [f"{process.name()} ({process.status()})" for process in left if runs(process)]
        if still:
            scene.troubles.append(
                f"outlived their worker, killed as fault {blow.number}: {', '.join(still)}"
            )

    scene.later(6.0, look)


def stop_worker(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """As systemd and Slurm do; the worker must exit within 30 s."""
    victim = pick_victim(scene, rng, blow)
    if victim is None:
        return False
    process = scene.crew.running[victim[0]]
    process.send_signal(signal.SIGTERM)

    def look() -> None:
        if process.poll() is None and psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
            scene.troubles.append(f"worker {victim[0]} did not leave within 30 s of SIGTERM")

    scene.later(30.0, look)
    return True


def stop_both(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """A machine that freezes. When it continues, it must not publish anything."""
    victim = pick_victim(scene, rng, blow)
    if victim:
        worker = psutil.Process(scene.crew.running[victim[0]].pid)
        _freeze(scene, [worker, *descendants(worker.pid)], rng.uniform(11, 16))
    return victim is not None


def stop_worker_only(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """Its child continues for a while, but not beyond the lease."""
    victim = pick_victim(scene, rng, blow)
    if victim:
        _freeze(scene, [psutil.Process(scene.crew.running[victim[0]].pid)], rng.uniform(11, 16))
    return victim is not None


def stop_child(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """A short interruption: no other worker may take the task."""
    victim = pick_victim(scene, rng, blow, newer=False)
    if victim:
        _freeze(scene, [victim[1]], rng.uniform(2, 5))
    return victim is not None


def _freeze(scene: Scene, processes: list[psutil.Process], seconds: float) -> None:
    for process in processes:
        signal_if_alive(process, signal.SIGSTOP)
    scene.later(seconds, lambda: _thaw(processes))


def _thaw(processes: list[psutil.Process]) -> None:
    for process in processes:
        signal_if_alive(process, signal.SIGCONT)


PROCESS_FAULTS: dict[str, Strike] = {
    "SIGKILL of a child": kill_child,
    "SIGKILL of a worker": kill_worker,
    "SIGKILL of all workers": kill_all,
    "SIGTERM of a worker": stop_worker,
    "SIGSTOP of worker and child beyond the lease": stop_both,
    "SIGSTOP of a worker beyond the lease": stop_worker_only,
    "SIGSTOP of a child for a while": stop_child,
}

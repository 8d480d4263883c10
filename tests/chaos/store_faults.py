"""Faults that strike the store: checkpoints and rows damaged, the disk full; and their repair."""

from __future__ import annotations

import contextlib
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

from chaos import surroundings
from chaos.pulse import Blow
from chaos.scene import Scene, patiently
from chaos.victims import Strike, signal_if_alive
from jobs import atomic
from jobs.maintenance import verify
from jobs.task import Task


def truncate_checkpoint(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """The previous checkpoint must be used."""
    return _damage_checkpoint(scene, rng, blow, _truncate)


def flip_checkpoint(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """Same size, other contents: only the checksum shows it."""
    return _damage_checkpoint(scene, rng, blow, _flip)


def _damage_checkpoint(
    scene: Scene, rng: random.Random, blow: Blow, damage: Callable[[Path, random.Random], None]
) -> bool:
    training = {name: busy for name, busy in scene.at_work().items() if busy.task.kind == "train"}
    for name in rng.sample(sorted(training), len(training)):
        child, task = training[name].child, training[name].task
        folder = scene.lab.store.trial_folder(task.subject) / "checkpoints"
        whole = [
            folder / n
            for n in atomic.list_names(folder)
            if n.endswith(".pt") and (folder / n[:-3]).with_suffix(".json").exists()
        ]
        if whole:
            damage(whole[-1], rng)
            scene.damaged.add(whole[-1].relative_to(scene.lab.store.root).as_posix())
            blow.task, blow.attempt, blow.detail = task, training[name].attempt, whole[-1].name
            signal_if_alive(child, signal.SIGKILL)
            return True
    return False


def truncate_rows(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """Detected by its checksum, and created again by `orch resume`."""
    return _damage_rows(scene, rng, blow, _truncate)


def flip_rows(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """Detected by its checksum, and created again by `orch resume`."""
    return _damage_rows(scene, rng, blow, _flip)


def _damage_rows(
    scene: Scene, rng: random.Random, blow: Blow, damage: Callable[[Path, random.Random], None]
) -> bool:
    store = scene.lab.store
    done = [
        Task.parse(name.removesuffix(".json"))
        for name in atomic.list_names(store.root / "ledger" / "done")
    ]
    with_rows = [
        (task, file.path)
        for task in done
        if (result := store.done(task))
        for file in result.files or ()
        if task.kind != "prepare" and file.path.endswith(".parquet")
    ]
    if not with_rows:
        return False
    task, place = rng.choice(with_rows)
    damage(store.root / place, rng)
    blow.task, blow.detail = task, place
    scene.damaged.add(place)
    if place not in repair(scene):
        scene.troubles.append(f"the audit did not notice damage to {place}")
    return True


def repair(scene: Scene) -> list[str]:
    """Take what is damaged out of the ledger and have it made again, as `orch verify --repair` and
    `orch resume` do.
    """
    store = scene.lab.store
    findings = [
        finding
        for run in (*scene.runs, *scene.rankings)
        for finding in verify.verify_files(store, run)
        if finding.problem
    ]
    unstruck = [finding for finding in findings if finding.path not in scene.damaged]
    scene.troubles += [
        f"{finding.path} {finding.problem}, though nobody struck it" for finding in unstruck
    ]
    patiently(lambda: verify.remove_damaged(store, findings))
    scene.broker.wait()
    scene.resume()
    return [finding.path for finding in findings]


def _truncate(path: Path, rng: random.Random) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.truncate(path, rng.randrange(path.stat().st_size))


def _flip(path: Path, rng: random.Random) -> None:
    with contextlib.suppress(FileNotFoundError), path.open("r+b") as handle:
        for _ in range(8):
            where = rng.randrange(path.stat().st_size)
            handle.seek(where)
            byte = handle.read(1)[0]
            handle.seek(where)
            handle.write(bytes([byte ^ rng.randrange(1, 256)]))


def fill_disk(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """No byte can be written for some seconds: not to the store, nor by the embedded Redis."""
    disk, held_s = scene.lab.folder, rng.uniform(3, 8)
    if not surroundings.fill_disk(disk):  # more was written meanwhile
        return False
    blow.detail = f"for {held_s:.1f} s"
    scene.later(held_s, lambda: surroundings.free_disk(disk))
    return True


STORE_FAULTS: dict[str, Strike] = {
    "newest checkpoint truncated, its child killed": truncate_checkpoint,
    "bytes flipped in a checkpoint, its child killed": flip_checkpoint,
    "published Parquet file truncated": truncate_rows,
    "bytes flipped in a published Parquet file": flip_rows,
    surroundings.DISK_FULL: fill_disk,
}

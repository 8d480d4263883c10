"""The faults. Each returns a description of what it hit, or None if there was nothing to hit."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from chaos.pulse import Blow
from chaos.scene import Scene, descendants, patiently, runs
from jobs import atomic
from jobs.maintenance import verify
from jobs.task import Task
from workers.messaging import broker

Strike = Callable[[Scene, random.Random, Blow], bool]
KINDS: dict[str, Strike] = {}
NEEDS_DISK = {"disk full"}


def kind(name: str) -> Callable[[Strike], Strike]:
    """Register a fault under its name."""

    def enter(strike: Strike) -> Strike:
        KINDS[name] = strike
        return strike

    return enter


@dataclass(frozen=True)
class Drawn:
    """A planned fault: its kind, the pause before it, and the seed of its random numbers."""

    number: int
    kind: str
    pause_s: float
    seed: str


def draw(count: int, seed: int, with_disk: bool, pause_s: float = 3.25) -> list[Drawn]:
    """The faults of a seed: each kind about equally often, in a new order in each round of
    kinds.
    """
    rng = random.Random(seed)
    kinds: list[str] = []
    while len(kinds) < count:
        names = [name for name in KINDS if with_disk or name not in NEEDS_DISK]
        kinds += rng.sample(names, len(names))
    return [
        Drawn(n, name, pause_s * rng.uniform(0.6, 1.4), f"{seed}-{n}")
        for n, name in enumerate(kinds[:count], 1)
    ]


def _victim(
    scene: Scene, rng: random.Random, blow: Blow, newer: bool = True
) -> tuple[str, psutil.Process] | None:
    """A busy worker and its child, recorded as the target. With `newer`, only another attempt
    counts as recovery.
    """
    at_work = scene.at_work()
    if not at_work:
        return None
    name = rng.choice(sorted(at_work))
    busy = at_work[name]
    blow.task, blow.detail = busy.task, f"{name}: {busy.task.id}"
    blow.attempt = busy.attempt if newer else None
    return name, busy.child


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.Error):
        process.send_signal(number)


# Processes


@kind("SIGKILL of a child")
def kill_child(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """As the kernel does when memory runs out."""
    victim = _victim(scene, rng, blow)
    if victim:
        _signal(victim[1], signal.SIGKILL)
    return victim is not None


@kind("SIGKILL of a worker")
def kill_worker(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """Only the worker; its child must end by itself."""
    victim = _victim(scene, rng, blow)
    if victim:
        _kill(scene, [victim[0]], blow)
    return victim is not None


@kind("SIGKILL of all workers")
def kill_all(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """As when a machine fails."""
    if _victim(scene, rng, blow) is None:
        return False
    _kill(scene, list(scene.crew.running), blow)
    return True


def _kill(scene: Scene, names: list[str], blow: Blow) -> None:
    processes = [scene.crew.running[name] for name in names]
    orphans = [child for process in processes for child in descendants(process.pid)]
    for process in processes:
        process.send_signal(signal.SIGKILL)

    def look() -> None:
        # A process that was frozen until now gets as much time as the others had.
        _, left = psutil.wait_procs([process for process in orphans if runs(process)], timeout=6)
        still = [f"{process.name()} ({process.status()})" for process in left if runs(process)]
        if still:
            scene.troubles.append(
                f"outlived their worker, killed as fault {blow.number}: {', '.join(still)}"
            )

    scene.later(6.0, look)


@kind("SIGTERM of a worker")
def stop_worker(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """As systemd and Slurm do; the worker must exit within 30 s."""
    victim = _victim(scene, rng, blow)
    if victim is None:
        return False
    process = scene.crew.running[victim[0]]
    process.send_signal(signal.SIGTERM)

    def look() -> None:
        if process.poll() is None and psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
            scene.troubles.append(f"worker {victim[0]} did not leave within 30 s of SIGTERM")

    scene.later(30.0, look)
    return True


@kind("SIGSTOP of worker and child beyond the lease")
def stop_both(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """A machine that freezes. When it continues, it must not publish anything."""
    victim = _victim(scene, rng, blow)
    if victim:
        worker = psutil.Process(scene.crew.running[victim[0]].pid)
        _freeze(scene, [worker, *descendants(worker.pid)], rng.uniform(11, 16))
    return victim is not None


@kind("SIGSTOP of a worker beyond the lease")
def stop_worker_only(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """Its child continues for a while, but not beyond the lease."""
    victim = _victim(scene, rng, blow)
    if victim:
        _freeze(scene, [psutil.Process(scene.crew.running[victim[0]].pid)], rng.uniform(11, 16))
    return victim is not None


@kind("SIGSTOP of a child for a while")
def stop_child(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """A short interruption: no other worker may take the task."""
    victim = _victim(scene, rng, blow, newer=False)
    if victim:
        _freeze(scene, [victim[1]], rng.uniform(2, 5))
    return victim is not None


def _freeze(scene: Scene, processes: list[psutil.Process], seconds: float) -> None:
    for process in processes:
        _signal(process, signal.SIGSTOP)
    scene.later(seconds, lambda: _thaw(processes))


def _thaw(processes: list[psutil.Process]) -> None:
    for process in processes:
        _signal(process, signal.SIGCONT)


# The queue


@kind("Redis killed, back without its file")
def kill_redis(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """Redis is gone for some seconds and loses everything it held."""
    away_s = rng.uniform(0.5, 8)
    scene.broker.kill()
    blow.detail = f"away for {away_s:.1f} s"
    time.sleep(away_s)
    scene.broker.start()
    return True


@kind("FLUSHALL")
def flush(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """All messages are lost."""
    scene.broker.client().flushall()
    return True


@kind("messages doubled and reordered")
def doubled(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """Every task of the run, done or not, three times, shuffled."""
    tasks = [Task.parse(task_id) for task_id in scene.run.tasks] * 3
    rng.shuffle(tasks)
    broker.enqueue(scene.broker.url, tasks[:60])
    return True


@kind("foolish messages")
def foolish(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """Invalid messages: no task id, pickled, huge, unknown, or not a message at all."""
    words = [
        "",
        "train.../../../etc/passwd.0001",
        "x" * 1_000_000,
        "train.nobody-s0-00000000.0001",
        None,
        {"a": 1},
    ]
    with broker.app(scene.broker.url) as application:
        for word in words:
            application.send_task("orch.train", args=[word])
        application.send_task("orch.train", args=[])
        application.send_task("os.system", args=["true"])
        application.send_task("orch.train", args=[scene.run.tasks[0]], serializer="pickle")
    rubbish = rng.choice(
        [b"\xff\xfe rubbish", b"{}", b"[1, 2]", b'"a"', b'{"body": "!", "headers": 3}']
    )
    scene.broker.client().lpush("orch", rubbish)
    blow.detail = f"and {rubbish!r}"
    return True


# The store


@kind("newest checkpoint truncated, its child killed")
def truncate_checkpoint(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """The previous checkpoint must be used."""
    return _damage_checkpoint(scene, rng, blow, _truncate)


@kind("bytes flipped in a checkpoint, its child killed")
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
            _signal(child, signal.SIGKILL)
            return True
    return False


@kind("published Parquet file truncated")
def truncate_rows(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """Detected by its checksum, and created again by `orch resume`."""
    return _damage_rows(scene, rng, blow, _truncate)


@kind("bytes flipped in a published Parquet file")
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
        (task, entry["path"])
        for task in done
        for entry in (store.done(task) or {"files": []})["files"]
        if task.kind != "prepare" and entry["path"].endswith(".parquet")
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
    """Remove damaged files from the ledger and have them created again, like `orch verify --repair`
    and `orch resume`.
    """
    store = scene.lab.store
    findings = [
        finding
        for run in scene.runs
        for finding in verify.verify_files(store, run)
        if finding.problem
    ]
    unstruck = [finding for finding in findings if finding.path not in scene.damaged]
    scene.troubles += [
        f"{finding.path} {finding.problem}, though nobody struck it" for finding in unstruck
    ]
    patiently(lambda: verify.remove_damaged(store, findings))
    scene.broker.wait()
    scene.orch("resume", scene.run.name)
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


@kind("disk full")
def fill_disk(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """No byte can be written for some seconds."""
    filler = scene.lab.store.root / "filler"
    held_s = rng.uniform(3, 8)
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as handle:
        while handle.write(b"\0" * (1 << 22)):
            pass
    blow.detail = f"for {held_s:.1f} s"
    scene.later(held_s, lambda: filler.unlink(missing_ok=True))
    return True


# The lease


def _lease_file(scene: Scene, rng: random.Random, blow: Blow, newer: bool) -> Path | None:
    victim = _victim(scene, rng, blow, newer)
    if victim is None or blow.task is None:
        return None
    folder = scene.lab.store.lease_folder(blow.task.lease_key)
    names = atomic.list_names(folder)
    return folder / names[-1] if names else None


@kind("clock of the lease pushed")
def push_clock(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """The lease file is dated yesterday or tomorrow."""
    path = _lease_file(scene, rng, blow, newer=False)
    if path is None:
        return False
    there = time.time() + rng.choice([-86_400, 86_400])
    with contextlib.suppress(FileNotFoundError):
        os.utime(path, (there, there))
    return True


@kind("lease file torn")
def tear_lease(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """The lease file is truncated."""
    path = _lease_file(scene, rng, blow, newer=False)
    if path is None:
        return False
    with contextlib.suppress(FileNotFoundError):
        path.write_bytes(path.read_bytes()[:9])
    return True


@kind("a stranger takes the lease and is silent")
def stranger(scene: Scene, rng: random.Random, blow: Blow) -> bool:
    """A higher token without heartbeats: the holder stops, and another worker continues when the
    lease expires.
    """
    path = _lease_file(scene, rng, blow, newer=True)
    if path is None:
        return False
    token = int(path.stem) + rng.choice([1, 7])
    return atomic.create_json(
        path.with_name(f"{token:08d}.json"), {"holder": "stranger", "beats": 0}
    )


# The user


@kind("orch cancel, then orch resume")
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


@kind("a record torn")
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

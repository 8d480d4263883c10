"""Which devices a machine has, who holds them, and how many threads a lone trial gets."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from support.fakes import fill_store
from support.users import COLLEAGUE, as_user

from jobs import atomic
from jobs.errors import DamagedFile
from jobs.settings import Settings
from jobs.store.store import Store
from orchestrator import preflight
from orchestrator.doctor import checks
from workers import main
from workers.devices import device_lock, discovery, room
from workers.devices.discovery import Device, DeviceTaken, DriverFailed, NoSuchDevice
from workers.lease_expiry import LeaseTracker
from workers.worker import Worker

LISTED = """GPU 0: NVIDIA H100 (UUID: GPU-aaaa1111-0000)
GPU 1: NVIDIA H100 (UUID: GPU-bbbb2222-0000)
  MIG 3g.20gb     Device  0: (UUID: MIG-cccc3333-0000)
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give this machine a driver that lists this (None: none), and so many device files."""
    monkeypatch.setattr(device_lock, "SHARED_MEMORY", tmp_path / "shm")
    (tmp_path / "shm").mkdir()
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(discovery, "DEVICE_FILES", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def has(listed: str | None, files: int = 0) -> None:
        for number in range(files):
            (tmp_path / f"nvidia{number}").touch()
        if listed is not None:
            program = tmp_path / "bin" / "nvidia-smi"
            answer = f"cat <<'END'\n{listed}END" if listed else "echo mismatch; exit 9"
            program.write_text(f'#!/bin/sh\ncase "$*" in -L) {answer}\n;; *) exit 6 ;; esac\n')
            program.chmod(0o755)

    return has


@pytest.mark.parametrize(
    ("visible", "found"),
    [
        ("1, 0", ["1", "0"]),
        ("GPU-aaaa1111-0000", ["GPU-aaaa1111-0000"]),
        ("GPU-aaaa", ["GPU-aaaa"]),
        ("MIG-cccc3333-0000", ["MIG-cccc3333-0000"]),
        ("0,7,1", ["0"]),
        ("0,0", ["0"]),
        ("7", []),
        ("GPU-dddd", []),
        ("NoDevFiles", []),
        ("void", []),
        ("-1", []),
        ("", []),
        ("0,-1,1", ["0"]),
    ],
)
def test_only_devices_that_the_driver_lists_are_devices(
    visible: str, found: list[str], machine: Callable[..., None]
) -> None:
    """The first that it does not list ends the list, as in CUDA."""
    machine(LISTED)

    assert discovery.gpus({"CUDA_VISIBLE_DEVICES": visible}) == found


@pytest.mark.parametrize("visible", ["0", "NoDevFiles", "GPU-aaaa"])
def test_without_a_driver_no_variable_makes_a_gpu(
    visible: str, machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker then works on the processor; the doctor says what the variable names."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = checks._devices()

    assert discovery.choose_device(None, 1)[0].kind == "cpu"
    assert f"CUDA_VISIBLE_DEVICES={visible} names no GPU" in found.found
    with pytest.raises(NoSuchDevice, match=f"CUDA_VISIBLE_DEVICES={visible}"):
        discovery.choose_device("cuda:0", 1)


def test_device_files_stand_in_for_a_driver_without_its_program(
    machine: Callable[..., None],
) -> None:
    """A container may have the devices and no nvidia-smi."""
    machine(None, files=2)

    assert discovery.gpus({}) == ["0", "1"]
    assert discovery.gpus({"CUDA_VISIBLE_DEVICES": "1,2"}) == ["1"]


def test_gpus_whose_driver_does_not_answer_are_no_processor(machine: Callable[..., None]) -> None:
    """Never a CPU worker that nobody asked for."""
    machine("", files=1)
    with pytest.raises(DriverFailed, match="mismatch"):
        discovery.choose_device(None, 1)

    assert checks._devices().state == "broken"
    assert discovery.choose_device("cpu", 1)[0].kind == "cpu"


def test_an_explicit_device_takes_the_same_lock_as_an_automatic_one(
    machine: Callable[..., None],
) -> None:
    """In either order, under any of its names."""
    machine(LISTED.replace("  MIG", "# MIG"))
    first, lock = discovery.choose_device("cuda:0", 1)
    second, other = discovery.choose_device(None, 1)
    with pytest.raises(DeviceTaken, match="cuda:1 has a worker already"):
        discovery.choose_device("cuda:1", 1)
    with pytest.raises(DeviceTaken, match=r"all 2 GPU\(s\)"):
        discovery.choose_device(None, 1)
    assert lock is not None
    assert other is not None
    lock.close()
    again, lock = discovery.choose_device(None, 1)
    assert lock is not None
    lock.close()
    other.close()

    assert [each.name for each in (first, second, again)] == ["cuda:0", "cuda:1", "cuda:0"]


def test_a_lock_holds_against_another_user(tmp_path: Path) -> None:
    """And one left by another user can be taken."""
    name = f"test-{os.getpid()}-{tmp_path.name}"
    path = device_lock._path(name)
    lock = device_lock.take(name)
    assert lock is not None
    try:
        theirs = as_user(COLLEAGUE, lambda: device_lock.take(name) is not None)
        lock.close()
        left = as_user(COLLEAGUE, lambda: device_lock.take(name) is not None)
    finally:
        path.unlink()

    assert (theirs, left) == (False, True)


def test_a_link_in_place_of_a_lock_is_not_followed(machine: Callable[..., None]) -> None:
    """Nothing is created where it leads."""
    path = device_lock._path("0")
    path.symlink_to(path.parent / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        device_lock.take("0")

    assert not (path.parent / "elsewhere").exists()


@pytest.mark.parametrize(
    ("workers", "device", "refused"),
    [
        (8, None, False),
        (9, None, True),
        (2, "cuda:0", True),
        (1, "cuda:7", False),
        (8, "cpu", False),
    ],
)
def test_the_ninth_worker_on_eight_gpus_is_refused(
    workers: int, device: str | None, refused: bool
) -> None:
    """Before anything is started, with what to give instead."""
    found = [str(number) for number in range(8)]
    if not refused:
        room.require_room(workers, device, found)
        return

    with pytest.raises(DeviceTaken, match="--slots"):
        room.require_room(workers, device, found)


def test_more_workers_than_the_memory_holds_are_refused() -> None:
    """Hundreds would stop the machine before they start; one is always tried."""
    room.require_room(6, "cpu", [], 3 * 10**9)
    room.require_room(1, None, [], 10**8)

    with pytest.raises(DeviceTaken, match="3 GB of memory at most 6 are started"):
        room.require_room(7, None, [], 3 * 10**9)
    with pytest.raises(DeviceTaken, match=f"at most {max(8, 4 * discovery.available_cores())} are"):
        room.require_room(2000, None, [], 10**13)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_terminal_that_closes_stops_a_worker_as_sigterm_does(
    number: signal.Signals, tmp_path: Path
) -> None:
    """Between two steps; under `nohup` it is ignored as before."""
    device = Device("cpu", "cpu", "", 1)
    before = {
        each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    }
    stops = []
    try:
        for ignored in (False, True):
            signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
            store = Store(tmp_path)
            worker = Worker(store, "b", "w", "h", device, None, LeaseTracker(store))
            main._leave_on_signals(worker, None, leave := threading.Event())
            signal.raise_signal(number)
            stops.append((worker.stop.is_set(), leave.is_set()))
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)

    assert stops == [(True, True), (number != signal.SIGHUP,) * 2]


def test_the_threads_of_a_lone_trial_are_decided_at_submit_and_kept(tmp_path: Path) -> None:
    """The first choice stays, and one that has begun keeps what it began with."""
    numerics = pytest.importorskip("models.training.numerics")
    store, run = fill_store(
        tmp_path, backbones=["scratch"], seeds=2, pixels=False, finished=lambda task: False
    )
    fresh, begun = run.trials
    atomic.write_json(store.trial_folder(begun) / "numerics.json", {})
    for trial in run.trials:
        store.plan_threads(trial, 6)
        store.plan_threads(trial, 3)

    assert numerics.planned_threads(store.threads_path(fresh)) == 6
    assert numerics.planned_threads(store.threads_path(begun)) is None
    atomic.write_json(store.trial_folder(fresh) / "threads.json", {"threads": 0})
    with pytest.raises(DamagedFile, match="threads"):
        numerics.planned_threads(store.threads_path(fresh))


def test_a_trial_begins_with_the_threads_that_were_decided(tmp_path: Path) -> None:
    """Whatever its worker has; without a decision the worker's count."""
    torch = pytest.importorskip("torch")
    numerics = pytest.importorskip("models.training.numerics")
    store, run = fill_store(
        tmp_path, backbones=["scratch"], seeds=2, pixels=False, finished=lambda task: False
    )
    store.plan_threads(run.trials[0], 2)
    network, before = torch.nn.Linear(1, 1), torch.get_num_threads()
    try:
        settled = [
            numerics.settle(
                store, store.load_trial(name), torch.device("cpu"), 1, None, network
            ).threads
            for name in run.trials
        ]
    finally:
        torch.set_num_threads(before)

    assert settled == [2, 1]


def test_only_processors_of_this_machine_are_given_to_a_lone_trial(
    machine: Callable[..., None], tmp_path: Path
) -> None:
    """Elsewhere nobody knows the cores; on a GPU they do not matter."""
    here, named = Settings(tmp_path, None, None), Settings(tmp_path, "redis://x", None)
    cores = discovery.available_cores()

    assert preflight.threads_of_a_lone_trial(here, None, None) == cores
    assert preflight.threads_of_a_lone_trial(here, 0, None) is None
    assert preflight.threads_of_a_lone_trial(named, 2, None) is None
    machine(LISTED)
    assert preflight.threads_of_a_lone_trial(here, None, None) is None
    assert preflight.threads_of_a_lone_trial(here, None, "cpu") == cores

"""`orch worker --device all`: one worker for each GPU, by UUID, started again when it fails."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobs.errors import BadBrokerAddress, BrokerUnreachable, OrchError, StoreUnusable
from jobs.settings import Settings
from jobs.spec import size
from orchestrator import cli, state_folder
from orchestrator.local import supervisor
from orchestrator.local.supervisor import SupervisedWorker, Supervisor
from workers.devices import discovery
from workers.devices.discovery import Device, DeviceTaken, DriverFailed, NoSuchDevice
from workers.process import shared_imports

FIRST, SECOND = "GPU-aaaa1111-0000", "GPU-bbbb2222-0000"
LISTED = f"GPU 0: NVIDIA H100 (UUID: {FIRST})\nGPU 1: NVIDIA H100 (UUID: {SECOND})\n"
STEADY = "import signal, sys; signal.signal(15, lambda *_: sys.exit(0)); print('up', flush=True)"


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the driver list these GPUs."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return lambda text: monkeypatch.setattr(discovery, "_listing", lambda: text)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The signal handlers of the tests come back afterwards."""
    kept = {number: signal.getsignal(number) for number in (15, 2, 1, signal.SIGUSR1)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def worker(folder: Path, name: str, program: str) -> SupervisedWorker:
    """A worker that is a short Python program."""
    return SupervisedWorker(name, [sys.executable, "-c", program], folder / f"{name}.log")


def until(true: Callable[[], bool], look: Callable[[], None] = lambda: None) -> None:
    """Wait until something is true; fails after ten seconds."""
    deadline = time.monotonic() + 10
    while not true():
        look()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_gpu_keeps_its_uuid_when_gpus_are_numbered_anew(listed: Callable[[str], None]) -> None:
    """The worker is pinned to the same GPU, whatever its number is today."""
    listed(LISTED)
    assert discovery.gpu_uuids() == [FIRST, SECOND]
    listed(f"GPU 0: NVIDIA H100 (UUID: {SECOND})\nGPU 1: NVIDIA H100 (UUID: {FIRST})\n")
    chosen, lock = discovery.choose_device(SECOND, 1)
    assert lock is not None
    lock.close()

    assert chosen.environment()["CUDA_VISIBLE_DEVICES"] == SECOND
    assert chosen.name == "cuda:0"


def test_only_visible_gpus_get_a_worker(
    listed: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA_VISIBLE_DEVICES chooses by number, and the UUIDs follow."""
    listed(LISTED)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")

    assert discovery.gpu_uuids() == [SECOND]
    with pytest.raises(NoSuchDevice, match=SECOND):
        discovery.choose_device(FIRST, 1)


def test_a_machine_without_uuids_is_supervised_by_number(
    listed: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver's device files tell numbers alone; parts of a GPU (MIG) have UUIDs."""
    listed("GPU 0: (UUID: unknown)\nGPU 1: A100 (UUID: GPU-c)\n  MIG 3g (UUID: MIG-cccc3333-1)\n")
    made: list[list[str]] = []
    monkeypatch.setattr(state_folder, "_root", lambda: tmp_path / "state")
    monkeypatch.setattr(
        Supervisor, "run", lambda self: made.extend(w.command for w in self.workers)
    )
    supervisor.supervise(
        Settings(tmp_path, None, None), discovery.gpu_uuids(), "host", ["--slots", "1"], 1
    )

    assert [words[words.index("--device") + 1] for words in made] == ["cuda:0", "MIG-cccc3333-1"]
    assert [words[words.index("--name") + 1] for words in made] == [
        "host-gpu0",
        "host-MIG-cccc3333",
    ]


def test_device_all_without_a_gpu_is_refused(
    listed: Callable[[str], None], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It never becomes a CPU worker silently, and writes nothing."""
    listed("")
    code = cli.run(["worker", "--device", "all", "--store", str(tmp_path / "store")])

    assert code == 2
    assert "shows no GPU. Give --device cpu" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_failing_worker_is_started_again_after_growing_waits(tmp_path: Path) -> None:
    """5, 10, 20 seconds and so on up to five minutes; a steady worker begins anew."""
    failing, waits, now = worker(tmp_path, "w", ""), list[float](), 1000.0
    for _ in range(9):
        failing.started_at = now
        failing.ended(75, now)
        waits.append(failing.start_at - now)
    failing.started_at = now - 3600
    failing.ended(-9, now)

    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert failing.start_at - now == 5


def test_a_permanent_failure_is_not_tried_again_and_stops_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each worker has a log of its own. The exit code is the worst."""
    caplog.set_level(logging.INFO)
    both = [
        worker(tmp_path, "gone", "print('no such device'); raise SystemExit(2)"),
        worker(tmp_path, "idle", "print('idle')"),
    ]
    code = Supervisor(both).run()

    assert code == 2
    assert (tmp_path / "gone.log").read_text() == "no such device\n"
    assert (tmp_path / "idle.log").read_text() == "idle\n"
    assert [each.failures for each in both] == [0, 0]
    assert f"worker gone ended: see {tmp_path / 'gone.log'}" in caplog.text


def test_a_signal_stops_every_worker_gently(tmp_path: Path) -> None:
    """Each gets SIGTERM once, and the supervisor ends after them, with exit code 0."""
    program = STEADY + "\nwhile True: signal.pause()"
    keeper = Supervisor([worker(tmp_path, name, program) for name in "ab"])
    began = list[bool]()

    def signal_once(seconds: float) -> None:
        up = all(each.log.exists() and each.log.read_text() for each in keeper.workers)
        if up and not began:
            began.append(True)
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.02)

    keeper.sleep = signal_once

    assert keeper.run() == 0
    assert keeper.passed_on == 1
    assert all(each.process is None for each in keeper.workers)


def test_a_warning_of_the_cluster_is_passed_on_once(tmp_path: Path) -> None:
    """As SIGUSR1, which a worker may also get itself; SIGTERM would end it at once."""
    program = (
        "import signal, sys\nsignal.signal(10, lambda *_: sys.exit(0))\n"
        "print('up', flush=True)\nwhile True: signal.pause()"
    )
    keeper = Supervisor([worker(tmp_path, name, program) for name in "ab"])
    began = list[bool]()

    def warn_twice(seconds: float) -> None:
        up = all(each.log.exists() and each.log.read_text() for each in keeper.workers)
        if up and not began:
            began.append(True)
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.02)

    keeper.sleep = warn_twice

    assert keeper.run() == 0
    assert keeper.passed_on == 1
    assert all(each.process is None for each in keeper.workers)


def test_what_workers_share_is_loaded_once_and_not_after_an_upgrade(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker that starts with the new version must not fork children of the old one."""
    (tmp_path / "imported.py").write_text("A = 1")
    stamps = shared_imports.stamps([str(tmp_path / "imported.py")])
    given = list[bool]()
    monkeypatch.setattr(
        SupervisedWorker, "start", lambda self, environment, now, shared: given.append(shared)
    )
    keeper = Supervisor(
        [worker(tmp_path, "w", "")],
        load=lambda: shared_imports.SharedImports(stamps),
        sleep=lambda seconds: keeper._on_signal(15, None),
    )
    keeper.run()
    keeper.stop_at, keeper.signals = None, 0
    (tmp_path / "imported.py").write_text("A = 2 # newer")
    keeper.look()

    assert given == [True, False]
    assert "orch or torch was replaced" in caplog.text


def test_a_killed_worker_is_started_again(tmp_path: Path) -> None:
    """A kill is no request to stop."""
    one = worker(tmp_path, "w", STEADY + "\nwhile True: signal.pause()")
    keeper = Supervisor([one])
    until(lambda: one.process is not None, keeper.look)
    assert one.process is not None
    one.process.kill()
    until(lambda: one.failures == 1, keeper.look)
    one.start_at = 0.0
    until(lambda: one.process is not None, keeper.look)
    keeper._pass_on(signal.SIGKILL)

    assert one.process is not None
    assert one.exit_code is None


@pytest.mark.parametrize(
    ("error", "temporary"),
    [
        (BrokerUnreachable, True),
        (StoreUnusable, True),
        (DeviceTaken, True),
        (DriverFailed, True),
        (BadBrokerAddress, False),
        (NoSuchDevice, False),
    ],
)
def test_exit_codes_of_a_worker_tell_whether_waiting_helps(
    error: type[OrchError], temporary: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """75 where a later start may succeed, else 2, which no supervisor starts again."""

    def fails(*given: object) -> None:
        raise error("it fails.")

    monkeypatch.setattr("orchestrator.preflight.require_writable", fails)

    assert cli.run(["worker", "--device", "cpu"]) == (75 if temporary else 2)


@pytest.mark.parametrize(("free_mib", "starts"), [("40000", True), ("9000", False)])
def test_a_gpu_that_other_programs_use_is_left_to_them(
    free_mib: str, starts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--min-free is asked before anything is loaded; it fails for a while, not for good."""
    monkeypatch.setattr(discovery, "query_gpu", lambda visible, what: free_mib)
    gpu = Device("cuda", "cuda:0", FIRST, 1)
    refused = pytest.raises(DeviceTaken, match=r"9\.4 GB free, and --min-free is 20\.0 GB")
    with contextlib.nullcontext() if starts else refused:
        discovery.require_free(gpu, 20 * 10**9)


def test_min_free_needs_a_gpu_whose_memory_is_known() -> None:
    """A processor's is not asked."""
    with pytest.raises(NoSuchDevice, match="free memory of cpu is unknown"):
        discovery.require_free(Device("cpu", "cpu", "", 1), 1)


@pytest.mark.parametrize(
    ("text", "found"), [("20GB", 20 * 10**9), ("1.5 gb", 15 * 10**8), ("512MiB", 2**29)]
)
def test_sizes_of_memory_are_read(text: str, found: int) -> None:
    """Decimal and binary units."""
    assert size.to_bytes(text) == found


@pytest.mark.parametrize("text", ["20", "GB", "-1GB", "0GB", "1TB", "nan GB", ""])
def test_what_is_no_size_of_memory_is_refused(text: str) -> None:
    """Without a unit it could be meant in bytes."""
    with pytest.raises(ValueError, match="not a size of memory"):
        size.to_bytes(text)

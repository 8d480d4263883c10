"""Local workers and their broker: started once, found again, put down for good."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from support.local_stack import PATIENT, ensure, own_store, wait_for

from jobs import atomic
from jobs.settings import Settings
from orchestrator import state_folder
from orchestrator.local import daemon, stack
from orchestrator.local.daemon import DaemonProcess
from workers.devices.discovery import DeviceTaken

STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {PATIENT}"


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """A separate store; processes started for it are ended."""
    with own_store(tmp_path / "a store") as chosen:
        yield chosen


def test_what_runs_is_found_and_not_started_again(settings: Settings) -> None:
    """The second call starts nothing, and `look` finds the same processes."""
    first = ensure(settings, workers=2)

    second = ensure(settings, workers=2)

    assert len(first.started) == 3
    assert second.started == ()
    assert (second.redis, second.workers) == (first.redis, first.workers)
    assert (stack.look(settings).redis, stack.look(settings).workers) == (
        first.redis,
        first.workers,
    )


def test_commands_that_race_start_one_broker_and_the_workers_once(settings: Settings) -> None:
    """Four processes that ask at the same time."""
    program = (
        "import sys; from pathlib import Path; from jobs.settings import Settings; from "
        "orchestrator.local import stack\n"
        "here = stack.ensure(Settings(Path(sys.argv[1]), None, None), 2, cores=4, gpus=0,\n"
        f"    command=lambda *asked: [sys.executable, '-c', {PATIENT!r}])\n"
        "print(here.redis.process.pid, *[worker.process.pid for worker in here.workers])"
    )
    command = [sys.executable, "-c", program, str(settings.store)]

    def race(number: int) -> str:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=True
        ).stdout

    with ThreadPoolExecutor(4) as pool:
        seen = set(pool.map(race, range(4)))

    assert len(seen) == 1
    assert len(seen.pop().split()) == 3


def test_only_missing_workers_are_started(settings: Settings) -> None:
    """One of two has died. The living one is kept, and the new one takes the free name."""
    first = ensure(settings, workers=2)
    first.workers[0].process.kill()
    assert wait_for(lambda: not first.workers[0].process.alive())

    second = ensure(settings, workers=2)

    assert second.started == (f"worker {first.workers[0].name} on cpu",)
    assert first.workers[1] in second.workers
    assert len({worker.name for worker in second.workers}) == 2


def test_a_worker_started_by_hand_counts(settings: Settings) -> None:
    """Its heartbeat is fresh and from this machine, so one more worker makes two."""
    atomic.write_json(
        settings.store / "workers" / "hand.json",
        {
            "name": "hand",
            "host": stack.host(),
            "pid": os.getpid(),
            "device": "cpu",
            "task": None,
            "at": time.time(),
        },
    )

    here = ensure(settings, workers=2)

    assert len(here.workers) == 1


def test_down_ends_everything_and_leaves_no_socket(settings: Settings) -> None:
    """Workers first, then Redis; a second call has nothing to stop."""
    here = ensure(settings, workers=2)
    assert here.redis is not None

    stopped = stack.down(settings)
    again = stack.down(settings)

    assert len(stopped.workers) == 2
    assert not any(worker.process.alive() for worker in here.workers)
    assert not here.redis.process.alive()
    assert not Path(here.redis.socket).parent.exists()
    assert (again.redis, again.workers) == (None, ())


def test_a_worker_that_does_not_listen_is_killed_in_the_end(settings: Settings) -> None:
    """SIGTERM first, SIGKILL after the grace period."""
    worker = ensure(settings, workers=1, program=STUBBORN).workers[0]
    log = state_folder.state_folder(settings.store) / f"{stack.host()}-1.log"
    assert wait_for(lambda: "ready" in log.read_text())

    began = time.monotonic()
    stack.down(settings, gentle_s=0.5)

    assert time.monotonic() - began >= 0.5
    assert wait_for(lambda: not worker.process.alive())


def test_a_process_that_was_given_an_old_number_is_left_alone() -> None:
    """Its start time differs from the recorded one."""
    child = subprocess.Popen([sys.executable, "-c", PATIENT], stdout=subprocess.DEVNULL)
    mistaken = DaemonProcess(child.pid, psutil.Process(child.pid).create_time() - 60)

    daemon.end([mistaken], gentle_s=0.1)
    alive = child.poll() is None
    child.kill()
    child.wait()

    assert not mistaken.alive()
    assert alive


def test_with_a_broker_of_its_own_no_redis_is_started(settings: Settings) -> None:
    """Only the workers. The address, which may contain a password, is not recorded."""
    named = Settings(settings.store, "redis://:geheim@broker/0", None)

    here = ensure(named, workers=1)
    written = "".join(
        path.read_text()
        for path in state_folder.state_folder(settings.store).rglob("*")
        if path.is_file()
    )

    assert here.redis is None
    assert here.broker_url(named) == "redis://:geheim@broker/0"
    assert len(here.workers) == 1
    assert "geheim" not in written


def test_a_worker_is_told_store_broker_device_and_threads(settings: Settings) -> None:
    """By environment and options, so that it finds both from any folder."""
    program = (
        "import os, sys; print(*sys.argv[1:], os.environ['ORCH_STORE'], "
        "os.environ['ORCH_BROKER_URL'])"
    )

    here = ensure(settings, workers=1, program=program)
    log = state_folder.state_folder(settings.store) / f"{stack.host()}-1.log"
    assert wait_for(lambda: log.read_text().endswith("\n"))

    assert (
        log.read_text().strip()
        == f"{stack.host()}-1 cpu 2 {settings.store} {here.broker_url(settings)}"
    )


def test_each_gpu_gets_a_worker_by_default(settings: Settings) -> None:
    """Without GPUs two share the CPU; more workers than GPUs are refused."""
    three = ensure(settings, workers=None, gpus=3)
    with pytest.raises(DeviceTaken, match="4 workers were asked for"):
        ensure(settings, workers=4, gpus=3)

    assert [worker.device for worker in three.workers] == ["cuda:0", "cuda:1", "cuda:2"]


@pytest.mark.parametrize(
    ("cores", "workers", "threads"),
    [(1, 1, 1), (2, 1, 1), (2, 2, 1), (8, 1, 4), (8, 2, 4), (8, 4, 2), (8, 16, 1)],
)
def test_one_and_two_workers_use_the_same_number_of_threads(
    cores: int, workers: int, threads: int
) -> None:
    """Sums depend on the number of threads, so one worker and two must agree."""
    assert stack.worker_threads(cores, workers) == threads


@pytest.mark.parametrize(
    ("cores", "gpus", "workers"), [(1, 0, 1), (2, 0, 2), (64, 0, 2), (64, 8, 8)]
)
def test_the_default_number_of_workers(cores: int, gpus: int, workers: int) -> None:
    """One per GPU, else two on a CPU."""
    assert stack.default_workers(cores, gpus) == workers

"""The embedded broker and local workers: started once, found again, put down for good."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from jobs import atomic
from jobs.errors import BrokerUnreachable, MissingExtra
from jobs.settings import Settings
from orchestrator.local import daemon, embedded_redis, stack, state_folder
from orchestrator.local.daemon import DaemonProcess
from workers.devices.discovery import DeviceTaken

PATIENT = "import time; print('ready', flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {PATIENT}"


def sleeper(program: str = PATIENT) -> Callable[[str, str, int], Sequence[str]]:
    """A worker's command line that runs a small program instead."""
    return lambda name, device, threads: [sys.executable, "-c", program, name, device, str(threads)]


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """A store of its own; whatever was started for it is ended."""
    try:
        embedded_redis.binary()
    except MissingExtra as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    chosen = Settings(tmp_path / "a store", None, None)
    chosen.store.mkdir()
    yield chosen
    stack.down(chosen, gentle_s=0.1)


def ensure(
    settings: Settings, workers: int | None = 0, program: str = PATIENT, gpus: int = 0
) -> stack.Stack:
    """The stack with workers that only sleep, on a machine of four cores."""
    return stack.ensure(settings, workers, command=sleeper(program), cores=4, gpus=gpus)


def wait_for(condition: Callable[[], bool], patience_s: float = 10.0) -> bool:
    """Whether something came true in time."""
    deadline = time.monotonic() + patience_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def test_redis_answers_on_a_socket_that_only_its_user_can_open(settings: Settings) -> None:
    """No port, a folder of mode 0700, an append-only file, a session of its own."""
    redis = ensure(settings).redis

    assert redis is not None
    assert redis.answers()
    assert stat.S_IMODE(Path(redis.socket).parent.stat().st_mode) == 0o700
    assert psutil.Process(redis.process.pid).net_connections("inet") == []
    assert os.getsid(redis.process.pid) == redis.process.pid
    assert list(state_folder.state_folder(settings.store).rglob("appendonly*"))


def test_celery_reaches_the_embedded_broker(settings: Settings) -> None:
    """The address is one that the queue understands."""
    queue = pytest.importorskip("workers.messaging.broker")

    here = ensure(settings)

    queue.ping(here.broker_url(settings))
    assert queue.queue_length(here.broker_url(settings)) == 0


def test_what_runs_is_found_and_not_started_again(settings: Settings) -> None:
    """The second call starts nothing, and looking sees the same processes."""
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
    """One of two has died; the one that lives is kept, and the new one takes the free name."""
    first = ensure(settings, workers=2)
    first.workers[0].process.kill()
    assert wait_for(lambda: not first.workers[0].process.alive())

    second = ensure(settings, workers=2)

    assert second.started == (f"worker {first.workers[0].name} on cpu",)
    assert first.workers[1] in second.workers
    assert len({worker.name for worker in second.workers}) == 2


def test_a_worker_started_by_hand_counts(settings: Settings) -> None:
    """Its sign of life is fresh and of this machine, so one more makes two."""
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


def test_a_broker_that_died_is_started_again_with_its_messages(settings: Settings) -> None:
    """The append-only file outlives a kill; the address stays the same, so workers find it
    again.
    """
    first = ensure(settings, workers=1)
    assert first.redis is not None
    raw(first.redis, "RPUSH bell task")
    raw(first.redis, "BGREWRITEAOF")
    assert wait_for(lambda: b"aof_rewrite_in_progress:0" in raw(first.redis, "INFO persistence"))
    first.redis.process.kill()
    assert wait_for(lambda: not first.redis.process.alive())

    second = ensure(settings, workers=1)

    assert second.started == ("Redis",)
    assert second.redis is not None
    assert second.redis.socket == first.redis.socket
    assert b":1" in raw(second.redis, "LLEN bell")
    assert second.workers == first.workers


def raw(server: embedded_redis.EmbeddedRedis | None, command: str) -> bytes:
    """What Redis answers to a command."""
    import socket

    assert server is not None
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(server.socket)
        line.sendall(command.encode() + b"\r\n")
        return line.recv(65536)


def test_down_ends_everything_and_leaves_no_socket(settings: Settings) -> None:
    """Workers first, then Redis; a second time there is nothing to end."""
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
    """SIGTERM first, SIGKILL when the patience is over."""
    worker = ensure(settings, workers=1, program=STUBBORN).workers[0]
    log = state_folder.state_folder(settings.store) / f"{stack.host()}-1.log"
    assert wait_for(lambda: "ready" in log.read_text())

    began = time.monotonic()
    stack.down(settings, gentle_s=0.5)

    assert time.monotonic() - began >= 0.5
    assert wait_for(lambda: not worker.process.alive())


def test_a_process_that_was_given_an_old_number_is_left_alone() -> None:
    """The time of birth tells it from the one on record."""
    child = subprocess.Popen([sys.executable, "-c", PATIENT], stdout=subprocess.DEVNULL)
    mistaken = DaemonProcess(child.pid, psutil.Process(child.pid).create_time() - 60)

    daemon.end([mistaken], gentle_s=0.1)
    alive = child.poll() is None
    child.kill()
    child.wait()

    assert not mistaken.alive()
    assert alive


def test_with_a_broker_of_its_own_no_redis_is_started(settings: Settings) -> None:
    """Workers only; the address, which may hold a password, is not written down."""
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
    """One a GPU, else two on a CPU."""
    assert stack.default_workers(cores, gpus) == workers


def test_a_folder_that_others_can_open_is_refused(settings: Settings) -> None:
    """Somebody else may have made it in the shared folder for temporary files."""
    folder = embedded_redis.socket_path(settings.store).parent
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)

    with pytest.raises(BrokerUnreachable, match="only you can open"):
        ensure(settings)
    folder.rmdir()


def test_a_deep_folder_for_temporary_files_does_not_make_the_socket_too_long(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket's path holds about a hundred bytes."""
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(deep))

    path = embedded_redis.socket_path(settings.store)

    assert len(str(path)) <= embedded_redis.LONGEST_SOCKET_PATH


def test_a_broker_that_cannot_start_says_why(settings: Settings) -> None:
    """The last line of its log is in the message."""
    folder = settings.store / "stack"
    folder.mkdir()
    (folder / "appendonly.aof").write_bytes(b"this is no append-only file\r\n")

    with pytest.raises(BrokerUnreachable, match="Bad file format"):
        embedded_redis.start(folder, embedded_redis.socket_path(settings.store))

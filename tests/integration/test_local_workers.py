"""Local workers: restarted with a new environment, awaited, and found whatever the host's name."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from jobs import atomic
from jobs.errors import MissingExtra
from jobs.settings import Settings
from orchestrator import state_folder
from orchestrator.doctor import checks
from orchestrator.local import daemon, embedded_redis, environment, stack, startup
from orchestrator.local.stopped import PATIENCE_S, StackStopped, StoppedStack

PATIENT = "import time; print('ready', flush=True); time.sleep(60)"
READY = """
import json, os, pathlib, sys, time
folder = pathlib.Path(os.environ["ORCH_STORE"]) / "workers"
folder.mkdir(exist_ok=True)
(folder / f"{sys.argv[1]}.json").write_text(json.dumps({
    "name": sys.argv[1], "host": "h", "pid": os.getpid(), "device": "cpu", "task": None,
    "at": time.time(), "loading": False}))
time.sleep(60)
"""


def program(text: str) -> Callable[[str, str, int], Sequence[str]]:
    """A worker's command line that runs a small program instead."""
    return lambda name, device, threads: [sys.executable, "-c", text, name, device, str(threads)]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A store and a state folder of its own; whatever was started for it is ended."""
    try:
        embedded_redis.binary()
    except MissingExtra as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    chosen = Settings(tmp_path / "store", None, None)
    chosen.store.mkdir()
    yield chosen
    stack.down(chosen, gentle_s=0.1)


def ensure(settings: Settings, workers: int = 0, text: str = PATIENT) -> stack.Stack:
    """The stack on a machine of four cores."""
    return stack.ensure(settings, workers, command=program(text), cores=4, gpus=0)


def test_workers_with_another_weights_folder_are_restarted(
    settings: Settings, tmp_path: Path
) -> None:
    """Under the same name, and with the reason; the same settings again restart nothing."""
    before = ensure(settings, 2)
    changed = replace(settings, weights_dir=tmp_path / "weights")
    named = checks._workers(changed)
    after = ensure(changed, 2)
    again = ensure(changed, 2)

    assert "ORCH_WEIGHTS_DIR" in named.found
    assert {worker.name for worker in after.workers} == {worker.name for worker in before.workers}
    assert not any(worker.process.alive() for worker in before.workers)
    assert all("ORCH_WEIGHTS_DIR" in line for line in after.started)
    assert again.started == ()


def test_a_variable_of_orch_or_of_the_gpus_counts_and_a_store_does_not(
    settings: Settings,
) -> None:
    """What only says where to look from is given to each worker in full."""
    here = environment.environment_of(settings, {"ORCH_CUDA_GRAPHS": "1", "PWD": "/a"})
    there = environment.environment_of(
        settings, {"CUDA_VISIBLE_DEVICES": "1", "ORCH_STORE": "x", "PWD": "/b"}
    )

    assert environment.difference(there, here) == "CUDA_VISIBLE_DEVICES, ORCH_CUDA_GRAPHS changed"
    assert environment.difference(here, here) == ""
    assert "older version" in environment.difference({}, here)


def test_no_workers_asked_for_restarts_none(settings: Settings) -> None:
    """`orch worker` and `orch flower` only need the broker."""
    before = ensure(settings, 1)
    after = ensure(replace(settings, weights_dir=Path("/elsewhere")), 0)

    assert after.workers == before.workers


def test_a_worker_that_dies_at_birth_is_named_with_its_last_line(settings: Settings) -> None:
    """Only with what it wrote itself: the log of an earlier one of that name comes before."""
    earlier = ensure(settings, 1, "print('an earlier line')").workers[0].process
    deadline = time.monotonic() + 10
    while earlier.alive() and time.monotonic() < deadline:
        time.sleep(0.02)
    here = ensure(settings, 1, "import sys; sys.exit('error: no memory is left.')")
    with pytest.raises(startup.WorkersDied) as caught:
        startup.Startup(settings.store, list(here.new_workers)).wait()

    assert caught.value.exit_code == 1
    assert f"({here.workers[0].name}): no memory is left." in str(caught.value)
    assert here.workers[0].log in str(caught.value)


def test_who_waits_is_told_when_all_were_stopped(settings: Settings) -> None:
    """A while after `orch down`; not where `orch up` follows, or where workers may join."""
    now = [0.0]
    waiting, named = (
        StoppedStack(each, "study", lambda: now[0])
        for each in (settings, replace(settings, broker_url="redis://elsewhere"))
    )
    ensure(settings)
    waiting.look(alone=True)
    stack.down(settings)
    waiting.look(alone=True)
    ensure(settings)
    now[0] = PATIENCE_S
    waiting.look(alone=True)
    stack.down(settings)
    for each in (waiting, named):
        each.look(alone=True)
    now[0] += PATIENCE_S
    named.look(alone=True)

    with pytest.raises(StackStopped, match="resume study"):
        waiting.look(alone=True)


def test_a_worker_is_awaited_until_it_takes_tasks(settings: Settings) -> None:
    """Its heartbeat says so; one that still loads is not waited for without end."""
    ready = startup.Startup(settings.store, list(ensure(settings, 1, READY).new_workers))
    ready.wait()
    slow = startup.Startup(settings.store, list(ensure(settings, 2).new_workers))
    slow.wait(patience_s=0.3)

    assert (len(ready.ready), ready.loading) == (1, [])
    assert (slow.ready, len(slow.loading)) == ([], 1)


def test_a_host_name_that_changes_changes_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A laptop on another network: the same Redis, the same workers."""
    before = ensure(settings, 2)
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere.example.org")
    after = ensure(settings, 2)

    assert after.started == ()
    assert (after.redis, after.workers) == (before.redis, before.workers)


def test_a_redis_that_answers_is_adopted_though_nothing_is_recorded(settings: Settings) -> None:
    """Never a second one on the same socket; `orch down` ends the one that was found."""
    before = ensure(settings)
    (state_folder.state_folder(settings.store) / "stack.json").unlink()
    after = ensure(settings)
    stopped = stack.down(settings)

    assert before.redis is not None
    assert (after.redis, after.started) == (before.redis, ())
    assert stopped.redis == before.redis
    assert not before.redis.process.alive()


def test_the_store_holds_nothing_of_this_machine(settings: Settings) -> None:
    """Another person may use the same store on the same machine."""
    ensure(settings, 1)

    assert not (settings.store / "stack").exists()
    assert state_folder.state_folder(settings.store).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("host", [state_folder.host(), "an-older-name"])
def test_down_stops_what_version_0_1_0_recorded_in_the_store(host: str, settings: Settings) -> None:
    """Under today's host name or an older one, if the command line agrees."""
    old = settings.store / "stack" / host
    old.mkdir(parents=True, mode=0o700)
    worker = daemon.start(
        [sys.executable, "-c", PATIENT, f"{host}-1"], old / "worker-1.log", os.environ
    )
    stranger = subprocess.Popen([sys.executable, "-c", PATIENT], stdout=subprocess.DEVNULL)
    strange = daemon.process(stranger.pid)
    atomic.write_json(
        old / "stack.json",
        {
            "redis": None,
            "workers": [
                {"name": f"{host}-1", "device": "cpu", "broker": "b", "process": asdict(worker)},
                {"name": "other-1", "device": "cpu", "broker": "b", "process": asdict(strange)},
            ],
        },
    )
    stopped = stack.down(settings, gentle_s=1)
    left = stranger.poll() is None
    stranger.kill()
    stranger.wait()

    assert [each.name for each in stopped.workers] == [f"{host}-1"]
    assert not worker.alive()
    assert left


def test_a_living_worker_of_that_name_gets_a_neighbour(settings: Settings) -> None:
    """Two people on one machine, or two machines of one name, share a store."""
    (settings.store / "workers").mkdir()
    name = f"{stack.host()}-1"
    sign = {"name": name, "host": "h", "pid": 1, "device": "cpu", "task": None, "at": time.time()}
    (settings.store / "workers" / f"{name}.json").write_text(json.dumps(sign))

    assert [worker.name for worker in ensure(settings, 1).workers] == [f"{stack.host()}-2"]

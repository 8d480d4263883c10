"""Who is alive, judged by change on one's own clock; and why tasks wait."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.fakes import fill_store

from jobs import atomic
from jobs.errors import AccessDenied, StorageFull
from jobs.settings import Settings
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.commands import status as status_command
from orchestrator.monitoring import heartbeats, status
from orchestrator.monitoring.heartbeats import Observer
from orchestrator.terminal import follow
from workers import heartbeat
from workers.devices.discovery import Device
from workers.execution import attempts
from workers.lease_expiry import LeaseTracker
from workers.worker import Worker

START = 1_800_000_000.0


@dataclass
class Clock:
    """A machine's clock; `beats` happen as it is slept away."""

    now: float = 0.0
    beats: list[Callable[[float], None]] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        for beat in self.beats:
            beat(self.now + seconds)
        self.now += seconds

    def observer(self, ahead_s: float = 0.0) -> Observer:
        """An observer whose wall clock is ahead of the others by so much."""
        return Observer(lambda: self.now, self.sleep, lambda: START + self.now + ahead_s)


def beat(store: Path, name: str, at: float, file_at: float | None = None, **more: Any) -> None:
    """A heartbeat that states this time, in a file of another."""
    path = store / "workers" / f"{name}.json"
    said = {"name": name, "host": "far", "pid": 1, "device": "cpu", "task": None, "at": START + at}
    atomic.write_json(path, said | more)
    os.utime(path, (START + (at if file_at is None else file_at),) * 2)


def alive(observer: Observer, store: Path) -> list[str]:
    """Names of the workers that count as alive."""
    return [each.name for each in observer.read(store) if each.fresh]


@pytest.mark.parametrize("skew_s", [20.0, -20.0, 3600.0, -7200.0])
def test_a_worker_whose_clock_differs_is_alive(skew_s: float, tmp_path: Path) -> None:
    """It is seen to change within a moment."""
    clock = Clock()
    beat(tmp_path, "w", skew_s, 0.0)
    clock.beats.append(lambda now: beat(tmp_path, "w", skew_s + now, now))

    assert alive(clock.observer(), tmp_path) == ["w"]
    assert clock.now <= heartbeats.WATCH_S


@pytest.mark.parametrize("ahead_s", [20.0, -20.0])
def test_an_observer_whose_own_clock_is_wrong_sees_who_is_alive(
    ahead_s: float, tmp_path: Path
) -> None:
    """All heartbeats look old, or of the future."""
    clock = Clock()
    beat(tmp_path, "w", 0.0)
    clock.beats.append(lambda now: beat(tmp_path, "w", now))

    assert alive(clock.observer(ahead_s), tmp_path) == ["w"]


def test_a_dead_worker_ahead_of_time_does_not_live_on(tmp_path: Path) -> None:
    """Its last heartbeat states a time to come, and never changes."""
    clock = Clock()
    beat(tmp_path, "w", 20.0, 0.0)
    seen = clock.observer()
    first = alive(seen, tmp_path)
    clock.now += 15.0

    assert first == []
    assert alive(seen, tmp_path) == []


def test_who_falls_silent_is_listed_as_silent_until_forgotten(tmp_path: Path) -> None:
    """Counted on this clock from the last change."""
    clock = Clock()
    seen = clock.observer()
    beat(tmp_path, "w", 0.0)
    found = []
    for pause_s in (0.0, 14.0, 2.0, 3600.0, heartbeats.FORGOTTEN_S):
        clock.now += pause_s
        (sign,) = seen.read(tmp_path)
        found.append((sign.fresh, sign.silent))

    assert found == [(True, False), (True, False), (False, True), (False, True), (False, False)]


def test_recent_heartbeats_and_old_ones_beside_them_are_not_waited_for(tmp_path: Path) -> None:
    """`orch status` answers at once where the clocks agree, and asks each file once."""
    clock = Clock()
    seen = clock.observer()
    beat(tmp_path, "old", -500.0)
    beat(tmp_path, "new", -1.0)
    first = alive(seen, tmp_path)
    beat(tmp_path, "new", -300.0)
    (tmp_path / "workers" / "new.json").unlink()
    alive(seen, tmp_path)

    assert first == ["new"]
    assert clock.now == 0.0


def test_a_silent_worker_and_the_reason_are_shown_beside_waiting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For one run and for all, and for programs."""
    store, run = fill_store(
        tmp_path, backbones=["scratch"], pixels=False, finished=lambda task: False
    )
    beat(tmp_path, "gone-1", time.time() - START - 300)
    settings = Settings(tmp_path, None, None)
    status_command._one(settings, store, run.name, False, False, False)
    one = capsys.readouterr().out
    status_command._all(settings, store, False, False)
    every = capsys.readouterr().out

    assert f"run {run.name}: waiting (no worker is alive);" in one
    assert "silent: gone-1 (cpu) on far, last heard of 5m" in one
    assert "(no worker is alive)" in every
    assert "silent: gone-1" in every
    assert status.run_status(store, run).waits_for == "no worker is alive"


@pytest.mark.parametrize(
    ("heartbeat", "shown"),
    [
        (
            {"trouble": "paused: cannot write /s/{}: No space left on device."},
            "v and 1 more: paused: cannot write /s/v: No",
        ),
        ({"loading": True}, "workers load torch"),
        ({}, None),
    ],
)
def test_why_workers_that_live_take_nothing(
    heartbeat: dict[str, Any], shown: str | None, tmp_path: Path
) -> None:
    """As their heartbeats say, the same of several once; a watcher hears of it after a while."""
    store, run = fill_store(
        tmp_path, backbones=["scratch"], pixels=False, finished=lambda task: False
    )
    for name in ("v", "w"):
        said = {
            key: value if value is True else value.format(name) for key, value in heartbeat.items()
        }
        beat(tmp_path, name, time.time() - START, **said)
    found = status.run_status(store, run)
    clock = Clock()
    teller = follow.ChangeReporter(Settings(tmp_path, None, None), lambda: clock.now)
    first, clock.now = teller.no_worker(found), follow.PATIENCE_S + 1
    later = teller.no_worker(found)

    assert (found.waits_for or "").startswith(shown or "")
    assert (found.waits_for is None) == (shown is None)
    assert first is None
    assert (later is None) == (shown is None)


def test_what_a_task_failed_with_that_will_be_tried_again_is_shown(tmp_path: Path) -> None:
    """Its workers are idle until then, and none of them is hindered."""
    store, run = fill_store(
        tmp_path, backbones=["scratch"], pixels=False, finished=lambda task: task.kind == "prepare"
    )
    beat(tmp_path, "w", time.time() - START)
    task = Task.parse(run.tasks[1])
    attempt = attempts.begin(attempts.read_history(store, task), {"worker": "w"})
    attempt.finish("failed", StorageFull("cannot write there: No space left on device."))
    found = status.run_status(store, run).waits_for

    assert found == f"{task.id} will be tried again: cannot write there: No space left on device."


def full(*_: Any, **__: Any) -> None:
    """A disk without space for another file."""
    raise StorageFull("cannot write there: No space left on device.")


def test_a_worker_says_in_its_heartbeat_what_hinders_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pause, a task put off, a broker that is away.

    On a full disk the last heartbeat is written over.
    """
    worker = Worker(
        Store(tmp_path),
        "b",
        "w",
        "h",
        Device("cpu", "cpu", "", 1),
        None,
        LeaseTracker(Store(tmp_path)),
    )

    def said() -> str | None:
        heartbeat.write(worker)
        return str(atomic.read_json(tmp_path / "workers" / "w.json")["trouble"])

    told = [said()]
    worker.put_off.longer(Task("prepare", "d"), AccessDenied("x belongs to alice"))
    told.append(said())
    worker.trouble = "no broker answers at b"
    told.append(said())
    worker.pause.longer("the GPU is gone")
    told.append(said())
    worker.pause.over()
    monkeypatch.setattr(atomic, "write_json", full)
    told.append(said())

    assert told == [
        "None",
        "x belongs to alice",
        "no broker answers at b",
        "paused: the GPU is gone",
        "cannot write there: No space left on device.",
    ]


def test_an_outage_of_the_disk_is_told_once_and_its_end_ends_the_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A line every two seconds would hide all others; a pause of another cause stays."""
    store = Store(tmp_path)
    worker = Worker(store, "b", "w", "h", Device("cpu", "cpu", "", 1), None, LeaseTracker(store))
    caplog.set_level("INFO", "orch.worker")
    heartbeat.write_or_warn(worker)
    for reason in (StorageFull("cannot write there: Read-only file system."), "the GPU is gone"):
        worker.pause.over()
        worker.pause.longer(reason)
        with monkeypatch.context() as disk:
            disk.setattr(atomic, "write_json", full)
            disk.setattr(atomic, "rewrite_json", full)
            for _ in range(3):
                heartbeat.write_or_warn(worker)
        paused = worker.pause.active
        heartbeat.write_or_warn(worker)

        assert paused
        assert worker.pause.active == (reason == "the GPU is gone")

    said = [record.message for record in caplog.records]
    assert said == 2 * [
        "cannot write the heartbeat: cannot write there: No space left on device.",
        "the store can be written again, after 0 s",
    ]

"""What workers write while they live, when it is wrong: passed over, for it is no result."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.records import REMEDY, TORN
from support.refusals import Terminal, refusal

from jobs.errors import DamagedFile, RequestError
from jobs.settings import Settings
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.local import stack
from orchestrator.monitoring import heartbeats, progress
from workers import heartbeat
from workers.process import identity

TASK = Task("evaluate", "scratch-s0-75d66956", 2)
HEARTBEAT = {"name": "w1", "host": "h", "pid": 3, "device": "cpu", "task": None, "at": 9e9}
REPORT = {
    "worker": "w1",
    "device": "cpu",
    "at": 9e9,
    "attempt": 1,
    "phase": "train",
    "done": 1,
    "total": 2,
    "loss": 0.5,
}

HEARTBEATS: list[tuple[str, Any]] = [
    *((key, value) for key in HEARTBEAT for value in (..., [], {})),
    ("at", "now"),
    ("at", None),
    ("pid", "3"),
    ("name", 3),
    ("host", None),
    ("device", 0),
    ("task", 7),
]
REPORTS: list[tuple[str, Any]] = [
    *((key, []) for key in REPORT),
    ("at", "now"),
    ("at", ...),
    ("worker", ...),
    ("device", ...),
    ("loss", "x"),
    ("done", "x"),
    ("epoch", "x"),
    ("images_per_second", "x"),
    ("val_accuracy", "x"),
    ("eta_s", "x"),
    ("phase", 3),
    ("total", {}),
]

STACKS: dict[str, tuple[bytes, str]] = {
    **TORN,
    **{
        text: (text.encode(), "is damaged: ")
        for text in (
            '{"redis": 3}',
            '{"redis": {"socket": "x"}}',
            '{"workers": {}}',
            '{"workers": [3]}',
            '{"workers": [{}]}',
            '{"workers": [{"name": "w", "process": 3}]}',
            '{"workers": [{"name": "w", "device": "cpu", "broker": "b", "process": {"pid": 1}}]}',
            '{"redis": {"socket": "x", "process": {"pid": 1, "born": 1, "more": 1}}}',
        )
    },
}


def put(path: Path, values: dict[str, Any], key: str = "", value: Any = ...) -> None:
    """Write a record with another value under a key; `...` leaves the key out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    others = {name: each for name, each in values.items() if name != key}
    path.write_text(json.dumps(others if value is ... else others | {key: value}))


def stack_record(store: Path) -> Path:
    """Where this machine's part of a store's local processes is recorded."""
    folder = store / "stack" / stack.host()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lock").touch()
    return folder / "stack.json"


def test_a_right_heartbeat_and_report_are_read(tmp_path: Path) -> None:
    """Which the rows below change in one value each."""
    store = Store(tmp_path)
    put(store.progress_path(TASK), REPORT)

    view = progress.read_view(store, now=9e9)
    put(store.root / "workers" / "w1.json", HEARTBEAT)

    assert [worker.name for worker in heartbeats.read_heartbeats(store.root)] == ["w1"]
    assert [each.task for each in view.progress[TASK.subject]] == [TASK.id]


@pytest.mark.parametrize(
    ("key", "value"), HEARTBEATS, ids=[f"{row[0]}: {row[1]!r}" for row in HEARTBEATS]
)
def test_a_wrong_heartbeat_is_passed_over(key: str, value: Any, tmp_path: Path) -> None:
    """Its worker does not count as alive."""
    put(tmp_path / "workers" / "w1.json", HEARTBEAT, key, value)

    assert heartbeats.read_heartbeats(tmp_path) == []


@pytest.mark.parametrize(
    ("key", "value"), REPORTS, ids=[f"{row[0]}: {row[1]!r}" for row in REPORTS]
)
def test_a_wrong_report_of_progress_is_passed_over(key: str, value: Any, tmp_path: Path) -> None:
    """Its task does not count as under way."""
    store = Store(tmp_path)
    put(store.progress_path(TASK), REPORT, key, value)

    assert progress.read_view(store, now=9e9).progress == {}


@pytest.mark.parametrize("value", ["x", []], ids=repr)
def test_status_passes_over_what_workers_wrote_wrongly(
    value: Any, terminal_with_failure: Terminal
) -> None:
    """It shows what it can read, and says nothing of the rest."""
    store = Store(terminal_with_failure.folder / "orch-store")
    evaluating = Task.parse(store.load_run("study").tasks[-1])
    store.failed_path(evaluating).unlink()
    put(store.root / "workers" / "w1.json", HEARTBEAT, "at", value)
    put(store.progress_path(evaluating), REPORT, "loss", value)

    code, stdout, stderr = terminal_with_failure.run("status", "study")

    assert code == 0
    assert stderr == ""
    assert "run study" in stdout


@pytest.mark.parametrize(("contents", "words"), STACKS.values(), ids=STACKS)
def test_a_torn_record_of_local_processes_is_named(
    contents: bytes, words: str, tmp_path: Path
) -> None:
    """Nothing is ended by guesswork."""
    path = stack_record(tmp_path)
    path.write_bytes(contents)

    line = refusal(DamagedFile, stack.down, Settings(tmp_path, None, None))

    assert f"{path} is damaged" in line
    assert words in line
    assert REMEDY in line
    assert path.read_bytes() == contents


@pytest.mark.parametrize("contents", [b"rubbish", b'{"redis": 3}'], ids=str)
def test_down_names_a_torn_record_of_local_processes(
    contents: bytes, terminal_with_run: Terminal
) -> None:
    """Exit code 1, and the record stays as it is."""
    path = stack_record(terminal_with_run.folder / "orch-store")
    path.write_bytes(contents)

    terminal_with_run.refuses(("down",), str(path), code=1)


def test_a_second_worker_of_a_name_is_refused_while_the_first_one_lives(tmp_path: Path) -> None:
    """On one machine; of another, or of a damaged heartbeat, nobody can tell at once."""
    store = Store(tmp_path).open(create=True)
    path, known = store.heartbeat_path("w1"), identity.process_identity(os.getppid())
    elsewhere = "another-boot pid:[1] 3 4"
    ended = f"{str(known).rpartition(' ')[0]} 1"
    path.parent.mkdir()
    for process in (None, elsewhere, ended, identity.process_identity()):
        path.write_text(json.dumps(HEARTBEAT | {"process": process}))
        heartbeat.refuse_namesake(store, "w1")
    path.write_bytes(b"{")
    heartbeat.refuse_namesake(store, "w1")
    path.write_text(json.dumps(HEARTBEAT | {"process": known}))

    assert "--name w1: the worker of that name runs" in refusal(
        RequestError, heartbeat.refuse_namesake, store, "w1"
    )
    heartbeat.refuse_namesake(store, "w2")

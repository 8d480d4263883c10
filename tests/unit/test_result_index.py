"""`orch status RUN` opens each finished result once, and never shows what is no longer so."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.large_fleet import study

from jobs import atomic
from jobs.store.records import TaskResult
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator import cli, state_folder
from orchestrator.monitoring.result_index import MIN_NEW, ResultIndex
from orchestrator.monitoring.status import run_status

SEEDS = MIN_NEW + 2


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose trials are trained and evaluated, but for the last one."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("ORCH_STORE", str(tmp_path / "store"))
    store = Store(tmp_path / "store").open(create=True)
    made = study(store, seeds=SEEDS)
    for trial in made.trials[:-1]:
        publish(store, Task("train", trial, 1), epoch=1, seconds=1.0)
        publish(store, Task("evaluate", trial, 1), accuracy=0.5)
    return made


@pytest.fixture
def store(tmp_path: Path, run: Run) -> Store:
    """Its store; opening a result of it counts in `OpenedStore.opened`."""
    OpenedStore.opened = 0
    return OpenedStore(tmp_path / "store")


class OpenedStore(Store):
    """A store that counts the results of trainings and evaluations that are read."""

    opened = 0

    def done(self, task: Task) -> TaskResult | None:
        """The published result."""
        OpenedStore.opened += task.kind != "prepare"
        return Store.done(self, task)


def publish(store: Store, task: Task, **facts: Any) -> None:
    """Record a task as done."""
    atomic.write_json(store.done_path(task), facts, durable=False)


def looked(store: Store, run: Run) -> Any:
    """A look at the run with its index, which is kept."""
    index = ResultIndex(store, run.name)
    seen = run_status(store, run, now=0.0, result_of=index.done)
    index.keep()
    return seen


def index_file(store: Store) -> Path:
    """The file of the index."""
    return next(state_folder.state_folder(store.root).glob("results-*"))


def test_a_later_look_opens_what_was_published_meanwhile_and_nothing_else(
    store: Store, run: Run
) -> None:
    """It shows the same as a look at the results themselves."""
    first = looked(store, run)
    opened = OpenedStore.opened
    publish(store, Task("train", run.trials[-1], 1), epoch=1, seconds=2.0)
    second = looked(store, run)

    assert opened == 2 * (SEEDS - 1)
    assert OpenedStore.opened == opened + 1
    assert first != second == run_status(store, run, now=0.0)


def test_results_that_are_removed_or_made_anew_are_never_shown_as_they_were(
    store: Store, run: Run
) -> None:
    """Of equal size and with the same times, as on a disk with coarse ones."""
    looked(store, run)
    again, gone = (Task("evaluate", trial, 1) for trial in run.trials[:2])
    times = store.done_path(again).stat()
    publish(store, again, accuracy=0.7)
    os.utime(store.done_path(again), ns=(times.st_atime_ns, times.st_mtime_ns))
    store.done_path(gone).unlink()
    seen = looked(store, run).trials

    assert [trial.accuracy for trial in seen[:3]] == [0.7, None, 0.5]
    assert [trial.state for trial in seen[:3]] == ["done", "waiting", "done"]


@pytest.mark.parametrize("contents", [b"", b"null", b'[["epoch"], {}]', b"\xff", b"[[1], 2]"])
def test_an_index_that_cannot_be_used_changes_nothing_and_is_written_anew(
    store: Store, run: Run, contents: bytes
) -> None:
    """Such as one of another version of orch, or of a disk that was full."""
    first = looked(store, run)
    whole = index_file(store).read_bytes()
    index_file(store).write_bytes(contents)

    assert looked(store, run) == first
    assert index_file(store).read_bytes() == whole


def test_the_command_uses_it_and_goes_without_where_it_cannot_be_kept(
    store: Store, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file in the place of the folder; and an index of a run that is gone is removed."""
    cli.run(["status", run.name, "--json"])
    told = json.loads(capsys.readouterr().out)
    kept = index_file(store)
    stray = kept.with_name("results-gone.json")
    kept.rename(stray)
    cli.run(["status", run.name, "--json"])
    capsys.readouterr()
    shutil.rmtree(kept.parent)
    kept.parent.write_text("not a folder")
    code = cli.run(["status", run.name, "--json"])
    last = json.loads(capsys.readouterr().out)

    assert not stray.exists()
    assert code == 0
    assert last["trials"] == told["trials"]
    assert last["tasks"] == told["tasks"]

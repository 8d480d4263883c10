"""Records that a newer orch has written: named, with what to do, and left as they are."""

from __future__ import annotations

import inspect
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.newer_records import KINDS, make_newer
from support.records import changed
from support.refusals import Terminal, refusal

from jobs import atomic
from jobs.errors import DamagedFile, NewerRecord
from jobs.store import codec, drains, features, records
from jobs.store.records import Record, RunRecord, ThreadsRecord
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.local import stack_record
from orchestrator.monitoring import progress

ADVICE = "It is left as it is. Upgrade orch on this machine."

STATUS, REPORT = ("status", "study"), ("report", "study")
REPAIR = ("verify", "study", "--repair")
RETRY, RESUME, CANCEL = ("retry", "study"), ("resume", "study"), ("cancel", "study")
ROWS: list[tuple[str, str, tuple[str, ...]]] = [
    *(
        ("run", "train", command)
        for command in (STATUS, (*STATUS, "--json"), REPORT, REPAIR, RETRY, RESUME, CANCEL)
    ),
    ("run", "train", ("prune", "study")),
    ("run", "train", ("prune",)),
    *(("cancelled", "train", command) for command in (CANCEL, RETRY, RESUME)),
    *(("trial", "train", command) for command in (REPORT, REPAIR)),
    *(("data set", "train", command) for command in (REPORT, REPAIR)),
    *(("result", "train", command) for command in (STATUS, CANCEL, REPORT, REPAIR)),
    *(("result", "prepare", command) for command in (STATUS, REPORT, REPAIR)),
    *(("failure", "failed", command) for command in (STATUS, CANCEL, REPORT, RETRY, REPAIR)),
    *(("attempt", "failed", command) for command in (RETRY, (*STATUS, "--attempts"))),
    ("reset", "failed", RETRY),
    ("checkpoint", "train", REPAIR),
]
"""A kind of record, the task that it is of, and a command that reads or would change it."""


def task_of(run: Run, which: str) -> Task:
    """A task of the run with a failure."""
    tasks = {"prepare": 0, "train": 1, "failed": -1}
    return Task.parse(run.tasks[tasks[which]])


@pytest.mark.parametrize(
    ("kind", "which", "command"), ROWS, ids=[f"{row[0]}: {' '.join(row[2])}" for row in ROWS]
)
def test_a_command_names_a_newer_record_and_changes_nothing(
    kind: str, which: str, command: tuple[str, ...], terminal_with_failure: Terminal
) -> None:
    """Exit code 2 and one line: the file, and what to do."""
    store = Store(terminal_with_failure.folder / "orch-store")
    run = store.load_run("study")
    path = make_newer(kind, store, run, task_of(run, which))

    line = terminal_with_failure.refuses(command, str(path))

    known = KINDS[kind].record.FORMAT
    assert f"has format {known + 1}, and this orch reads up to format {known}." in line
    assert ADVICE in line


def test_prune_removes_nothing_beside_a_newer_record(terminal_with_run: Terminal) -> None:
    """Neither a checkpoint of which only a newer orch can tell what it is, nor anything else."""
    store = Store(terminal_with_run.folder / "orch-store")
    run = store.load_run("study")
    path = make_newer("checkpoint", store, run, Task.parse(run.tasks[1]))
    path.with_suffix(".pt").write_bytes(b"weights")
    draft = store.root / ".left.json.0.draft"
    draft.touch()
    os.utime(draft, (1.0, 1.0))

    terminal_with_run.refuses(("prune", "study", "--keep", "last"), str(path))


def test_prune_leaves_the_work_of_a_newer_attempt(terminal_with_failure: Terminal) -> None:
    """It may still be running."""
    store = Store(terminal_with_failure.folder / "orch-store")
    run = store.load_run("study")
    path = make_newer("attempt", store, run, task_of(run, "failed"))
    path.with_suffix("").mkdir()
    os.utime(path.with_suffix(""), (1.0, 1.0))

    terminal_with_failure.refuses(("prune",), str(path))


def test_status_lists_the_other_runs_beside_a_newer_one(terminal_with_failure: Terminal) -> None:
    """The newer one is named; exit code 1, for programs too."""
    store = Store(terminal_with_failure.folder / "orch-store")
    run = store.load_run("study")
    shutil.copytree(store.run_folder("study"), store.run_folder("later"))
    path = store.run_path("later")
    path.write_bytes(changed(path, codec.FORMAT_KEY, RunRecord.FORMAT + 1))

    code, stdout, stderr = terminal_with_failure.run("status")

    assert code == 1
    assert f"{run.name}  failed" in stdout
    assert "later  newer" in stdout
    assert ADVICE in stderr
    assert [each.name for each in store.whole_runs(store.run_names())] == ["study"]


@pytest.mark.parametrize("kind", ["heartbeat", "progress"])
def test_status_passes_over_what_newer_workers_say_and_says_so(
    kind: str, terminal_with_failure: Terminal
) -> None:
    """The run itself is shown."""
    store = Store(terminal_with_failure.folder / "orch-store")
    run = store.load_run("study")
    task = task_of(run, "failed")
    store.failed_path(task).unlink()
    path = make_newer(kind, store, run, task)
    before = path.read_bytes()

    code, stdout, _ = terminal_with_failure.run("status", "study")
    told = json.loads(terminal_with_failure.run("status", "study", "--json")[1])

    assert code == 0
    assert f"caution: {path} has format 2" in stdout
    assert [str(path) in line and ADVICE in line for line in told["newer"]] == [True]
    assert path.read_bytes() == before
    assert progress.read_view(store).progress == {}


def test_the_record_of_local_processes_is_left_alone_too(tmp_path: Path) -> None:
    """Nothing is started or stopped by guesswork."""
    path = tmp_path / stack_record.FILE
    atomic.write_json(path, {codec.FORMAT_KEY: 2, "workers": "many"})

    line = refusal(NewerRecord, stack_record.write, tmp_path, stack_record.Stack(None, ()))

    assert str(path) in line
    assert atomic.read_json(path)["workers"] == "many"


def test_a_newer_store_says_what_to_do(terminal: Terminal) -> None:
    """Nothing in it is opened."""
    folder = terminal.folder / "orch-store"
    folder.mkdir()
    (folder / "store.json").write_text('{"format": 2}')

    line = terminal.refuses(("status",), "has a format that this version of orch cannot read")

    assert "Upgrade orch on this machine." in line


@pytest.mark.parametrize("version", ["1", 0, -1, True, None, 1.0, []], ids=repr)
def test_a_format_that_is_no_version_is_damage(version: Any, tmp_path: Path) -> None:
    """Not a newer record."""
    path = tmp_path / "threads.json"
    path.write_text(json.dumps({"format": version, "threads": 1}))

    line = refusal(DamagedFile, codec.read, path, ThreadsRecord)

    assert f"'format' is {str(version)!r}" in line


def test_a_record_without_a_format_has_the_first_one(tmp_path: Path) -> None:
    """As all of 0.1.0 are."""
    path = tmp_path / "threads.json"
    path.write_text('{"threads": 3}')

    assert codec.read(path, ThreadsRecord) == ThreadsRecord(3)
    assert codec.encode(ThreadsRecord(3)) == {"format": 1, "threads": 3}


def test_every_kind_of_record_is_tested_here() -> None:
    """A new class of records needs a row in `KINDS`."""
    kinds = {
        each
        for module in (records, drains, features)
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, Record) and each is not Record
    }

    assert kinds == {kind.record for kind in KINDS.values()}

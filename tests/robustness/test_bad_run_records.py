"""Records of runs, torn or with wrong values: named, and nothing in them is taken on trust."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.records import PATHS, REMEDY, TORN, changed, copied
from support.refusals import Terminal, refusal

from jobs.errors import DamagedFile, OrchError, UnknownRun
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task

NOT_ITS_OWN = "it names data or trials of another run"
NO_TASK = "is not a task id"

VALUES: list[tuple[str, Any, str]] = [
    *(
        (key, ..., f"it lacks '{key}'")
        for key in ("name", "spec", "data", "trials", "tasks", "submitted_at", "provenance")
    ),
    ("name", "another", NOT_ITS_OWN),
    ("name", "../../up", NOT_ITS_OWN),
    ("name", 3, "'name' is '3'"),
    ("name", None, "'name' is 'None'"),
    ("spec", [], "'spec' is '[]'"),
    ("spec", "all", "'spec' is 'all'"),
    ("data", "../../etc", NOT_ITS_OWN),
    ("data", "/etc", NOT_ITS_OWN),
    ("data", "", NOT_ITS_OWN),
    ("data", 7, "'data' is '7'"),
    ("data", None, "'data' is 'None'"),
    ("data", "a\0b", NOT_ITS_OWN),
    ("trials", "scratch", "'trials' is 'scratch'"),
    ("trials", [1], "'trials' holds '1'"),
    ("trials", ["../../x"], NOT_ITS_OWN),
    ("trials", [None], "'trials' holds 'None'"),
    ("trials", {}, "'trials' is '{}'"),
    ("trials", ["/etc"], NOT_ITS_OWN),
    ("trials", ["x" * 300], NOT_ITS_OWN),
    ("trials", [["a"]], "'trials' holds "),
    ("tasks", "x", "'tasks' is 'x'"),
    ("tasks", [1], "'tasks' holds '1'"),
    ("tasks", ["train"], NO_TASK),
    ("tasks", ["train.../../x.0001"], NO_TASK),
    ("tasks", [None], "'tasks' holds 'None'"),
    ("tasks", [], "it lacks a task to prepare "),
    ("tasks", ["explode.scratch-s0-00000000.0001"], NO_TASK),
    ("tasks", {}, "'tasks' is '{}'"),
    ("tasks", ["train.x.1"], NO_TASK),
    ("submitted_at", "yesterday", "'submitted_at' is 'yesterday'"),
    ("submitted_at", None, "'submitted_at' is 'None'"),
    ("submitted_at", [1], "'submitted_at' is '[1]'"),
    ("submitted_at", True, "'submitted_at' is 'True'"),
    ("provenance", None, "'provenance' is 'None'"),
    ("provenance", "me", "'provenance' is 'me'"),
    ("provenance", [], "'provenance' is '[]'"),
]
SPECS: list[tuple[dict[str, Any], str]] = [
    ({}, "backbones: a list of backbone names, or 'all', is needed"),
    ({"backbones": "nobody"}, "unknown backbone 'nobody'"),
    ({"period": 3}, "backbones: a list of backbone names, or 'all', is needed"),
    ({"backbones": "scratch", "periods": "many"}, "periods: a whole number from 1 to 10,000"),
]
NAMES = [
    "nobody",
    "",
    "..",
    ".",
    "../study",
    "study/",
    "study/.",
    "/etc",
    "stu\ndy",
    "*",
    "~",
    "\x1b[31mstudy",
    "study\0",
    "STUDY",
    "-study",
    "\udcff",
    "study/../study",
    "x" * 300,
]
COMMANDS = ("status", "report", "watch", "resume", "retry", "cancel", "verify", "prune")


def read_both(store: Store) -> list[str]:
    """The lines for a run's record when it is read whole, and without its specification."""
    return [refusal(DamagedFile, read, "study") for read in (store.load_run, store.outline)]


@pytest.mark.parametrize(("contents", "words"), TORN.values(), ids=TORN)
def test_a_torn_record_of_a_run_is_named(
    contents: bytes, words: str, one_failed: tuple[Store, Run], tmp_path: Path
) -> None:
    """With its path and what to do."""
    store = copied(one_failed[0], PATHS["run"](*one_failed), contents, tmp_path / "store")

    lines = read_both(store)

    assert all(str(store.run_path("study")) in line for line in lines)
    assert all(words in line and REMEDY in line for line in lines)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    VALUES,
    ids=[f"{key} {str(value)[:30]!r}" for key, value, _ in VALUES],
)
def test_a_record_of_a_run_with_a_wrong_value_is_named(
    key: str, value: Any, words: str, one_failed: tuple[Store, Run], tmp_path: Path
) -> None:
    """Whether it is read for a report or for its status."""
    path = PATHS["run"](*one_failed)
    store = copied(one_failed[0], path, changed(path, key, value), tmp_path / "store")

    lines = read_both(store)

    assert all(f"{store.run_path('study')} is damaged: " in line for line in lines)
    assert all(words in line and REMEDY in line for line in lines)


@pytest.mark.parametrize(("spec", "words"), SPECS, ids=[str(row[0]) for row in SPECS])
def test_a_record_of_a_run_with_a_wrong_spec_is_named(
    spec: dict[str, Any], words: str, one_failed: tuple[Store, Run], tmp_path: Path
) -> None:
    """Its status does not need the spec."""
    path = PATHS["run"](*one_failed)
    store = copied(one_failed[0], path, changed(path, "spec", spec), tmp_path / "store")

    line = refusal(DamagedFile, store.load_run, "study")

    assert f"{store.run_path('study')} is damaged: {words}" in line
    assert store.outline("study").name == "study"


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:30])
def test_a_run_that_is_not_there_is_refused(name: str, finished: Path) -> None:
    """Names that lead elsewhere are names of no run; the runs there are named."""
    store = Store(finished)
    shown = name[:99] if name.isprintable() else ""

    for read in (store.load_run, store.outline):
        line = refusal(UnknownRun, read, name)

        assert f"has no run '{shown}" in line
        assert "Its runs: study" in line


@pytest.mark.parametrize("name", ["nobody", "", "../study"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_refuses_a_run_that_is_not_there(
    command: str, name: str, terminal_with_run: Terminal
) -> None:
    """Exit code 2 and one line; an empty name is not the latest run."""
    line = terminal_with_run.refuses((command, "--", name), f"has no run '{name}'")

    assert "Its runs: study" in line


def test_a_misspelt_run_is_answered_with_the_likeliest(terminal_with_run: Terminal) -> None:
    """Whatever the command."""
    line = terminal_with_run.refuses(("report", "stduy"), "Did you mean 'study'?")

    assert "Its runs: study" in line


def tear_another(store: Store) -> None:
    """Put half a record of a run `torn` beside the run."""
    (store.root / "runs" / "torn").mkdir()
    (store.root / "runs" / "torn" / "run.json").write_text('{"name": "to')


def test_a_damaged_run_keeps_no_other_waiting(terminal_with_run: Terminal) -> None:
    """Workers tend the whole runs; what the damaged one wants is not known."""
    store = Store(terminal_with_run.folder / "orch-store")
    tear_another(store)
    data = store.load_run("study").data

    assert [each.name for each in store.whole_runs(store.run_names())] == ["study"]
    assert [each.name for each in store.wanted_by(Task("prepare", data))] == ["study"]


def test_a_damaged_run_keeps_no_other_from_being_listed(terminal_with_failure: Terminal) -> None:
    """The others are shown; the damaged one is named, and what to do; exit code 1, for programs
    too.
    """
    tear_another(Store(terminal_with_failure.folder / "orch-store"))

    code, stdout, stderr = terminal_with_failure.run("status")
    code_json, document, _ = terminal_with_failure.run("status", "--json")
    listed = json.loads(document)

    assert code == code_json == 1
    assert "study  failed" in stdout
    assert "torn   damaged" in stdout
    assert "torn/run.json is damaged" in stderr
    assert "Restore it from a copy, or remove it" in stderr
    assert [each["run"] for each in listed["runs"]] == ["study"]
    assert [each["run"] for each in listed["damaged"]] == ["torn"]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_bytes_for_a_run_are_a_run_or_damaged(
    finished: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Bytes turned, cut or put in; the run is read as it was asked for, or the file is named."""
    good = (finished / "runs" / "study" / "run.json").read_bytes()
    at = data.draw(st.integers(0, len(good)))
    bad = good[:at] + data.draw(st.binary(max_size=3)) + good[at + data.draw(st.integers(0, 3)) :]
    root = tmp_path_factory.getbasetemp() / "any-run"
    (root / "runs" / "study").mkdir(parents=True, exist_ok=True)
    (root / "runs" / "study" / "run.json").write_bytes(bad)

    try:
        run = Store(root).load_run("study")
    except OrchError as error:
        assert "run.json" in str(error)  # noqa: PT017
        return

    assert run.name == "study"
    assert all(Task.parse(each) for each in run.tasks)

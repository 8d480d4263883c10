"""Versions are recorded with each attempt, and differing ones are found."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.fakes import fill_store

from jobs import atomic
from jobs.store import tables
from jobs.task import Task
from jobs.versions import result_versions, version_of
from orchestrator import cli
from orchestrator.analysis.versions import differing_in_attempts
from workers.execution import attempts


def test_an_attempt_records_the_versions_it_ran_with(tmp_path: Path) -> None:
    """In its record and in its table row; what is not installed is null."""
    from jobs.store.store import Store

    store = Store(tmp_path).open(create=True)
    task = Task("train", "scratch-s0-0123abcd", 1)
    who = {"worker": "w1", "host": "alpha", "device": "cpu", "versions": {"orch": "9.9"}}
    attempts.begin(attempts.read_history(store, task), who).finish("done")
    (row,) = tables.read_rows(store.root, "attempts", [task.subject]).to_pylist()

    assert row["orch_version"] == "9.9"
    assert row["torch_version"] is None


def test_a_table_of_the_first_version_is_read_with_nulls(tmp_path: Path) -> None:
    """Its files lack the columns; any other missing column is damage."""
    path = tmp_path / "old.parquet"
    whole = tables.build_table(
        "attempts", [{"task": "a", "kind": "train", "attempt": 1, "state": "done"}]
    )
    later = tables.ADDED_LATER & {*whole.column_names}
    pq.write_table(whole.drop_columns(sorted(later)), path)
    read = tables.read_table(path, tables.SCHEMAS["attempts"])

    assert read.column_names == whole.column_names
    assert read["torch_version"].null_count == 1


def test_installed_packages_have_versions_and_others_have_none() -> None:
    """Only installed ones are recorded."""
    assert result_versions()["orch"] == version_of("orch")
    assert version_of("no-such-package") is None
    assert None not in result_versions().values()


def test_versions_that_differ_among_finished_attempts_are_named() -> None:
    """Failed attempts and those without versions say nothing."""
    rows = [
        {"state": "done", "torch_version": "2.11.0", "orch_version": "0.2.0"},
        {"state": "done", "torch_version": "2.14.1", "orch_version": "0.2.0"},
        {"state": "failed", "torch_version": "2.14.1", "orch_version": "0.3.0"},
        {"state": "done", "torch_version": None},
    ]

    assert differing_in_attempts(rows) == {"torch": ["2.11.0", "2.14.1"]}


def test_a_result_records_the_versions_it_was_made_with(tmp_path: Path) -> None:
    """Not only its attempt: `orch status` reads results."""
    store, run = fill_store(tmp_path, backbones=["scratch"], pixels=False)
    result = store.done(Task.parse(run.tasks[1]))

    assert result is not None
    assert result.versions == result_versions()


@pytest.mark.parametrize("which", [0, 1, -1], ids=["data set", "training", "evaluation"])
def test_status_names_versions_that_differ_within_a_run(
    which: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For people and for programs; it says nothing where all are the same."""
    store, run = fill_store(tmp_path, backbones=["scratch"], pixels=False, name="study")
    path = store.done_path(Task.parse(run.tasks[which]))
    recorded = json.loads(path.read_text())

    cli.run(["--store", str(tmp_path), "status", "study"])
    same = capsys.readouterr().out
    atomic.write_json(path, recorded | {"versions": recorded["versions"] | {"torch": "2.0.1"}})
    cli.run(["--store", str(tmp_path), "status", "study"])
    shown = capsys.readouterr().out
    cli.run(["--store", str(tmp_path), "status", "study", "--json"])
    told = json.loads(capsys.readouterr().out)
    both = sorted(["2.0.1", recorded["versions"]["torch"]])

    assert "different versions" not in same
    assert f"results of this run used different versions of torch ({', '.join(both)})" in shown
    assert told["versions"] == {"torch": both}


def test_status_with_attempts_names_versions_of_every_attempt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those of evaluations of earlier periods too, which `orch status` alone does not read."""
    store, run = fill_store(tmp_path, backbones=["scratch"], pixels=False, name="study", periods=2)
    for number, version in ((1, "0.2.0"), (2, "0.3.0")):
        task = Task.parse(run.tasks[number])
        who = {"worker": "w1", "host": "alpha", "device": "cpu", "versions": {"orch": version}}
        attempts.begin(attempts.read_history(store, task), who).finish("done")

    cli.run(["--store", str(tmp_path), "status", "study", "--attempts", "--json"])
    told = json.loads(capsys.readouterr().out)

    assert told["versions"] == {"orch": ["0.2.0", "0.3.0"]}
    assert {each["versions"]["orch"] for each in told["attempts"]} == {"0.2.0", "0.3.0"}

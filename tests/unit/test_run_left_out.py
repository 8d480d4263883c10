"""Commands without RUN: the latest run that fits, and cancel only what is certain."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.fakes import fill_store
from support.refusals import listing

from jobs.store.store import Store
from orchestrator import cli
from orchestrator.terminal import latest


def add(root: Path, name: str, periods: int = 2, **more: object) -> None:
    """A run called so, of one network, with a recipe of its own."""
    fill_store(
        root,
        backbones=["scratch"],
        pixels=False,
        name=name,
        periods=periods,
        recipe={"momentum": len(name) / 10},
        **more,  # type: ignore[arg-type]
    )


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with a run that is open, and a later one that is done."""
    add(tmp_path / "store", "open", finished=lambda task: task.epoch <= 2)
    add(tmp_path / "store", "finished")
    monkeypatch.setenv("ORCH_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("ORCH_BROKER_URL", raising=False)
    return Store(tmp_path / "store")


def test_cancel_takes_the_only_open_run(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """And says which, with the tasks as they are then; the second time nothing is open."""
    codes = [cli.run(["cancel", "--json"]), cli.run(["cancel"])]
    said = capsys.readouterr()
    document = json.loads(said.out)

    assert codes == [0, 2]
    assert (document["run"], document["cancelled"]) == ("open", True)
    assert {*document["tasks"]} == {"done", "cancelled"}
    assert "is open; there is nothing to cancel" in said.err
    assert store.is_cancelled("open")
    assert not store.is_cancelled("finished")


def test_cancel_lists_several_open_runs_and_cancels_none(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the commands that cancel one."""
    add(store.root, "another", finished=lambda task: task.epoch <= 2)
    theirs = store.load_run("another")
    store.save_run(replace(theirs, provenance={**theirs.provenance, "user": "anna"}))
    before = listing(store.root)

    code = cli.run(["cancel"])
    said = capsys.readouterr().err

    assert code == 2
    assert "2 runs are open" in said
    assert "orch cancel open; orch cancel another (of anna)." in said
    assert listing(store.root) == before


def test_cancel_chooses_no_run_of_somebody_else(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has to be named; then the line says whose it was."""
    run = store.load_run("open")
    store.save_run(replace(run, provenance={**run.provenance, "user": "anna"}))

    codes = [cli.run(["cancel"]), cli.run(["cancel", "open"])]
    said = capsys.readouterr()

    assert codes == [2, 0]
    assert "was submitted by anna" in said.err
    assert "orch cancel open" in said.err
    assert "run open of anna is cancelled" in said.out


def test_the_latest_run_that_fits_is_taken_and_said(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is left to do, or done; a cancelled run has something left."""
    names = [latest.latest_in(store, states, "it") for states in (("open",), ("done",))]
    store.cancel("open")
    names.append(latest.latest_in(store, ("open", "cancelled"), "anything left to do"))
    said = capsys.readouterr().err

    assert names == ["open", "finished", "open"]
    assert "run open is used: it is the latest with anything left to do" in said


def test_verify_takes_the_latest_run_with_anything_done(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a report does."""
    cli.run(["verify"])

    assert "run finished" in capsys.readouterr().out


def test_retry_without_a_failure_says_so(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is changed; exit code 2."""
    before = listing(store.root)

    code = cli.run(["retry"])

    assert code == 2
    assert "has a failed task" in capsys.readouterr().err
    assert listing(store.root) == before


def test_rm_wants_a_name(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """What is removed is named."""
    assert cli.run(["rm"]) == 2
    assert "Missing argument 'RUN'" in capsys.readouterr().err
    assert store.run_names() == ["open", "finished"]


def test_the_list_of_runs_names_who_submitted_those_of_others(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """One's own runs need no name."""
    run = store.load_run("open")
    store.save_run(replace(run, provenance={**run.provenance, "user": "anna"}))

    cli.run(["status"])
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}

    assert " ago by anna" in lines["open"]
    assert " by " not in lines["finished"]

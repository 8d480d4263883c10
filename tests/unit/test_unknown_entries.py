"""Runs that name what this orch does not have: said so, and in nobody's way."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.fakes import fill_store
from support.refusals import listing

import orchestrator
from jobs import atomic, readiness
from jobs.errors import DamagedFile, UnknownEntry
from jobs.store.store import Store
from jobs.task import Task
from orchestrator import cli
from orchestrator.terminal import latest

STRANGE = [
    ("optimiser", "lion", "the optimiser 'lion'"),
    ("schedule", "wavy", "the schedule 'wavy'"),
    ("augment", "rain", "the augmentation 'rain'"),
    ("preset", "next", "the preset 'next'"),
    ("metric", "surprise", "the metric 'surprise'"),
    ("corruptions", ["snowfall"], "the corruption 'snowfall'"),
    ("backbones", ["newnet"], "the backbone 'newnet'"),
    ("networks", {"resnet34": {"optimiser": "lion"}}, "the optimiser 'lion'"),
]
NEED_THE_ENTRY = ("report", "resume", "retry", "verify", "bench", "rank")


def rewrite(path: Path, **values: Any) -> None:
    """Other values in the specification of a run, or in the recipe of a trial."""
    record = json.loads(path.read_bytes())
    record["spec" if "spec" in record else "recipe"] |= values
    atomic.write_json(path, record)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs on one data set; the later one, half done, has an optimiser of a newer orch."""
    root = tmp_path_factory.mktemp("unknown") / "store"
    fill_store(root, backbones=["scratch"], pixels=False, name="ours")
    store, run = fill_store(
        root,
        backbones=["resnet34", "squeezenet"],
        pixels=False,
        name="theirs",
        recipe={"momentum": 0.8},
        finished=lambda task: "squeezenet" not in task.id or task.epoch <= 2,
    )
    rewrite(store.run_path("theirs"), optimiser="lion")
    for trial in run.trials:
        rewrite(store.trial_path(trial), optimiser="lion")
    return root


@pytest.fixture
def store(both: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A copy of that store, which commands use."""
    shutil.copytree(both, tmp_path / "store")
    monkeypatch.setenv("ORCH_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("ORCH_BROKER_URL", raising=False)
    return Store(tmp_path / "store")


@pytest.mark.parametrize(("key", "value", "words"), STRANGE, ids=[row[2] for row in STRANGE])
def test_an_unknown_entry_is_named_with_what_to_do(
    key: str, value: Any, words: str, store: Store
) -> None:
    """Whatever kind it is of; it is no damage."""
    rewrite(store.run_path("ours"), **{key: value})

    with pytest.raises(UnknownEntry) as refused:
        store.load_run("ours")

    assert f"the run ours names {words}, which this orch does not know: upgrade" in str(
        refused.value
    )


def test_what_can_be_no_name_is_damage(store: Store) -> None:
    """As is a number of periods that is none, beside names that are known."""
    for values in ({"optimiser": "LI\non"}, {"optimiser": "sgd", "periods": "many"}):
        rewrite(store.run_path("ours"), **values)

        with pytest.raises(DamagedFile):
            store.load_run("ours")


@pytest.mark.parametrize("command", NEED_THE_ENTRY)
def test_what_needs_the_entry_refuses_and_changes_nothing(
    command: str, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, one line."""
    before = listing(store.root)

    code = cli.run([command, "theirs"])
    told = capsys.readouterr().err

    assert code == 2
    assert "the run theirs names the optimiser 'lion', which this orch does not know" in told
    assert listing(store.root) == before


def test_status_shows_such_a_run_and_the_others(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the list and alone, with its sizes too; the exit code is 0."""
    codes = [cli.run(["status", "--sizes"]), cli.run(["status", "theirs"])]
    told = capsys.readouterr().out

    assert codes == [0, 0]
    assert "ours    done" in told
    assert "it names the optimiser 'lion'" in told
    assert "caution: the run theirs names the optimiser 'lion'" in told


@pytest.mark.parametrize("from_python", [False, True])
def test_such_a_run_can_be_cancelled_and_removed(store: Store, from_python: bool) -> None:
    """What the other run shares stays; nothing of its own is left."""
    data = store.load_run("ours").data
    trials = store.outline("theirs").trials

    if from_python:
        run = orchestrator.open_store().run("theirs")
        with pytest.raises(UnknownEntry, match="the optimiser 'lion'"):
            run.results("epochs")
        run.cancel()
        run.remove()
    else:
        assert [cli.run(["cancel", "theirs"]), cli.run(["rm", "theirs"])] == [0, 0]

    assert store.run_names() == ["ours"]
    assert store.data_folder(data).exists()
    assert not any(store.trial_folder(name).exists() for name in trials)


def test_only_what_was_asked_for_later_is_cancelled_of_such_a_run(store: Store) -> None:
    """Where the rest is done; the record stays as it was but for these tasks."""
    path = store.run_path("ours")
    record = json.loads(path.read_bytes())
    later = f"bench.{record['trials'][0]}.0006.onnx-t1-alpha"
    record["spec"] |= {"optimiser": "lion", "novelty": 3}
    atomic.write_json(path, record | {"tasks": [*record["tasks"], later], "format": 3})

    code = cli.run(["cancel", "ours"])

    assert code == 0
    assert json.loads(path.read_bytes()) == record | {"format": 3}
    assert not store.is_cancelled("ours")


def test_the_other_run_is_cancelled_and_removed_beside_it(store: Store) -> None:
    """Its data set, which the unknown run needs, stays."""
    data = store.load_run("ours").data

    codes = [cli.run(["cancel", "ours"]), cli.run(["rm", "ours"])]

    assert codes == [0, 0]
    assert store.run_names() == ["theirs"]
    assert store.data_folder(data).exists()


@pytest.mark.parametrize("named", [[], ["ours"], ["theirs"]], ids=" ".join)
def test_prune_leaves_all_that_such_a_run_may_need(
    named: list[str], store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are pruned, and leftovers too."""
    checkpoint = store.checkpoints_folder(store.outline("theirs").trials[0]) / "e0002-x.pt"
    own = store.checkpoints_folder(store.outline("ours").trials[0]) / "e0002-x.pt"
    for path in (checkpoint, own):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"weights")
        atomic.write_json(path.with_suffix(".json"), {"sha256": "0", "bytes": 7})
    draft = store.root / ".left.json.0.draft"
    draft.touch()
    os.utime(draft, (1.0, 1.0))

    code = cli.run(["prune", *named, "--keep", "last"])
    told = capsys.readouterr().err

    assert code == 0
    assert checkpoint.exists()
    assert own.exists() == (named == ["theirs"])
    assert not draft.exists()
    assert ("which this orch does not know" in told) == (named != ["ours"])


def test_commands_without_a_run_take_the_latest_that_they_know(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """And say why they passed the later one over."""
    run = latest.latest_with(store, "evaluate")
    told = capsys.readouterr().err

    assert run.name == "ours"
    assert "run ours is used: theirs is later, but names the optimiser 'lion'" in told


def test_workers_go_on_with_the_other_runs(store: Store) -> None:
    """The unknown one is told apart from damage, so that its tasks are put off and not failed."""
    said: list[Exception] = []

    runs = store.whole_runs(store.run_names(), said.append)

    assert [run.name for run in runs] == ["ours"]
    assert [type(each) for each in said] == [UnknownEntry]
    assert readiness.ready_tasks(store, runs[0]) == []
    assert [r.name for r in store.wanted_by(Task("prepare", runs[0].data))] == ["ours"]

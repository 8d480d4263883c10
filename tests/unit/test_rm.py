"""Removing a run: what other runs share stays, and an interrupted removal is finished."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from support.command_lines import ROOT
from support.fakes import fill_store
from support.half_done import NOW, half_done_run, say, training
from support.refusals import listing

from jobs import atomic
from jobs.maintenance import prune, removal
from jobs.store.runs import Run
from jobs.store.store import Store
from orchestrator import cli
from orchestrator.analysis import load
from orchestrator.monitoring import idle


@pytest.fixture
def two(tmp_path: Path) -> tuple[Store, Run, Run]:
    """Two finished runs on one data set that share a network."""
    store, first = fill_store(
        tmp_path / "store", backbones=["scratch", "resnet34"], pixels=False, name="first"
    )
    _, second = fill_store(
        tmp_path / "store", backbones=["resnet34", "vgg16"], pixels=False, name="second"
    )
    return store, first, second


def names_of(store: Store, word: str) -> list[str]:
    """The paths in the store that hold a word."""
    return [path for path in listing(store.root) if word in Path(path).relative_to(store.root).name]


def test_only_what_no_other_run_shares_is_removed(
    two: tuple[Store, Run, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    """The other run's results read as before; nothing with the removed trial's name is left."""
    store, first, second = two
    (own,) = set(first.trials) - set(second.trials)
    before = load.load_results(store, second).epochs

    code = cli.run(["--store", str(store.root), "rm", "first"])
    said = capsys.readouterr().out

    assert code == 0
    assert store.run_names() == ["second"]
    assert names_of(store, own) == names_of(store, "first") == []
    assert load.load_results(store, store.load_run("second")).epochs.equals(before)
    assert "kB removed; 2 trial(s) and data set(s) that other runs share are kept" in said


def test_the_last_run_takes_everything_along(two: tuple[Store, Run, Run]) -> None:
    """Data sets, ledger, attempts and results: only the store itself remains."""
    store, _, _ = two
    (store.report_folder("second")).mkdir(parents=True)
    for name in ("first", "second"):
        assert cli.run(["--store", str(store.root), "rm", name]) == 0

    files = [path for path in store.root.rglob("*") if path.is_file()]

    assert {path.name for path in files} <= {"store.json", ".store-id.json"}


def test_a_dry_run_shows_what_would_go_and_changes_nothing(
    two: tuple[Store, Run, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    """With the bytes, and the trials that stay."""
    store, first, second = two
    before = listing(store.root)

    code = cli.run(["--store", str(store.root), "rm", "first", "--dry-run", "--json"])
    told = json.loads(capsys.readouterr().out)

    assert code == 0
    assert listing(store.root) == before
    assert told["removed"] is False
    assert told["bytes"] == sum(item["bytes"] for item in told["items"]) > 0
    assert set(told["shared"]) == {*(set(first.trials) & set(second.trials)), first.data}


def test_a_run_at_work_is_refused_until_it_is_cancelled_and_has_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says what to do; nothing is removed."""
    monkeypatch.setattr(idle, "STOPPING_S", 0.0)
    store, run = half_done_run(tmp_path)
    say(store, training(run), age_s=NOW - time.time())  # now, whenever that is
    before = names_of(store, run.trials[0])

    codes, lines = [], []
    for prepare in (lambda: None, lambda: store.cancel(run.name)):
        prepare()
        codes.append(cli.run(["--store", str(store.root), "rm", run.name]))
        lines += capsys.readouterr().err.splitlines()

    assert codes == [2, 2]
    assert "are running. Cancel it first: orch" in lines[0]
    assert "still stopping, such as train." in lines[1]
    assert names_of(store, run.trials[0]) == before
    (store.root / "workers" / "alpha-1.json").unlink()
    assert cli.run(["--store", str(store.root), "rm", run.name]) == 0
    assert store.run_names() == []


def test_prune_finishes_what_an_interrupted_removal_left(two: tuple[Store, Run, Run]) -> None:
    """After an hour, because a run that is being submitted looks the same until then."""
    store, first, second = two
    (own,) = set(first.trials) - set(second.trials)
    os.rename(store.run_folder("first"), removal._aside(store, "first"))
    shutil.rmtree(store.root / "results" / "epochs" / f"trial={own}")
    later = time.time() + 2 * prune.DEAD_AFTER_S
    for path in store.root.glob("trials/*/runs/first"):
        os.utime(path, (0, 0))

    young = list(removal.find_orphans(store))
    for item in removal.find_orphans(store, later):
        prune.remove(item)

    assert young == []
    assert names_of(store, own) == []
    assert atomic.list_names(store.root / "trials") == sorted(second.trials)
    assert not any(name.endswith(removal.REMOVED) for name in os.listdir(store.runs_folder))
    assert load.load_results(store, second).epochs.num_rows > 0


def test_prune_finishes_a_removal_that_was_killed_at_any_step(tmp_path: Path) -> None:
    """Data sets, reports and features too; afterwards the store is as after a whole removal."""
    few = {"classes": ("ape", "bear"), "images_a_class": 6, "periods": 1, "pixels": False}
    store, first = fill_store(tmp_path / "store", backbones=["scratch"], name="first", **few)
    for folder in (store.report_folder("first"), store.export_folder("first")):
        folder.mkdir(parents=True)
        (folder / "page.html").touch()
    whole = copied(store, tmp_path / "whole")
    steps = len(removal.remove_run(whole, first).items)

    for step in range(steps):
        killed = copied(store, tmp_path / f"killed-{step}")
        with pytest.raises(KeyboardInterrupt):
            removal.remove_run(killed, first, Killed(step))
        for path in killed.root.glob("trials/*/runs/first"):
            os.utime(path, (0, 0))
        for item in removal.find_orphans(killed, time.time() + 2 * prune.DEAD_AFTER_S):
            prune.remove(item)

        assert files_of(killed) == files_of(whole), f"killed at step {step} of {steps}"
    assert steps > 10


def test_a_run_submitted_again_keeps_what_a_killed_removal_left(
    two: tuple[Store, Run, Run], tmp_path: Path
) -> None:
    """Its trials are its own again, although a folder put aside names them."""
    store, first, _ = two
    with pytest.raises(KeyboardInterrupt):
        removal.remove_run(store, first, Killed(0))
    store.save_run(first)
    before = set(files_of(store))

    for item in removal.find_orphans(store, time.time() + 2 * prune.DEAD_AFTER_S):
        prune.remove(item)

    assert {path for path in before - set(files_of(store)) if ".removed/" not in path} == set()


class Killed:
    """Removes so many things, then is killed."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, item: prune.Prunable) -> None:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        prune.remove(item)


def copied(store: Store, place: Path) -> Store:
    """A copy of a store, of links to its files."""
    shutil.copytree(store.root, place, copy_function=os.link)
    return Store(place)


def files_of(store: Store) -> list[str]:
    """The files of a store, relative to it."""
    return sorted(
        path.relative_to(store.root).as_posix() for path in store.root.rglob("*") if path.is_file()
    )


def test_a_run_that_is_being_submitted_keeps_its_trials(two: tuple[Store, Run, Run]) -> None:
    """Its trials are recorded before the run itself is."""
    store, first, second = two
    (own,) = set(first.trials) - set(second.trials)
    (store.trial_runs_folder(own) / "third").touch()

    removal.remove_run(store, first)

    assert store.has_trial(own)
    assert (store.source_path(first.data)).exists()


@pytest.mark.parametrize("name", ["nobody", "../runs", ""])
def test_a_run_that_is_not_there_is_one_line(
    name: str, two: tuple[Store, Run, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and nothing changes."""
    store, _, _ = two
    before = listing(store.root)

    code = cli.run(["--store", str(store.root), "rm", name])
    said = capsys.readouterr().err

    assert code == 2
    assert len(said.splitlines()) == 1
    assert listing(store.root) == before


def test_a_run_of_somebody_else_is_removed_only_with_their_name(
    two: tuple[Store, Run, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    """One word wrong must not cost a colleague's results; the line says how to go on."""
    store, first, _ = two
    store.save_run(replace(first, provenance={**first.provenance, "user": "anna"}))
    before = listing(store.root)
    words = ["--store", str(store.root), "rm", "first"]

    refused = [cli.run(words), cli.run([*words, "--of", "bert"])]
    said = capsys.readouterr().err
    unchanged = listing(store.root) == before
    code = cli.run([*words, "--of", "anna"])

    assert refused == [2, 2]
    assert "was submitted by anna" in said
    assert "rm first --of anna" in said
    assert unchanged
    assert code == 0
    assert store.run_names() == ["second"]


FULL = """
set -e
mount -t tmpfs -o size=4m tmpfs "$1"
cp -a "$2"/. "$1"
cat /dev/zero > "$1/filler" 2>/dev/null || true
shift 2
exec "$@"
"""


def test_a_run_is_removed_and_leftovers_pruned_on_a_full_disk(two: tuple[Store, Run, Run]) -> None:
    """Freeing space needs none; another command says how to free it."""
    store, _, _ = two
    disk = store.root.parent / "disk"
    disk.mkdir()
    orch = f'"{sys.executable}" -m orchestrator.cli --store "{disk}"'
    commands = f"{orch} cancel second; echo $?; {orch} prune && {orch} rm first; echo $?"
    enter = ["unshare", "--user", "--map-root-user", "--mount"]
    try:
        subprocess.run([*enter, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("namespaces of a user's own are not permitted here")

    words = [*enter, "sh", "-c", FULL, "sh", str(disk), str(store.root), "sh", "-c", commands]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert done.stdout.splitlines()[0] == "2", done.stderr
    assert "No space left on device. Free some space there" in done.stderr
    assert "run first: " in done.stdout
    assert done.stdout.splitlines()[-1] == "0", done.stderr

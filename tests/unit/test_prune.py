"""What dead attempts left, the policies, and `orch prune`."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from support.fakes import fill_store

from jobs import atomic
from jobs.errors import BadSpec
from jobs.maintenance import prune
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator import cli
from workers.execution import attempts

LATER_S = 2 * prune.DEAD_AFTER_S


@pytest.fixture
def filled(tmp_path: Path) -> tuple[Store, Run]:
    """A finished run with one checkpoint that a policy may remove."""
    store, run = fill_store(tmp_path / "store", backbones=["scratch"], periods=1, pixels=False)
    path = store.trial_folder(run.trials[0]) / "checkpoints" / "e0001-t1.pt"
    path.parent.mkdir()
    path.write_bytes(b"w" * 5_000_000)
    atomic.write_json(
        path.with_suffix(".json"), {"sha256": atomic.file_digest(path), "bytes": 5_000_000}
    )
    return store, run


def test_what_dead_attempts_left_goes_after_an_hour_and_not_before(
    filled: tuple[Store, Run],
) -> None:
    """A draft, a replay's folder, a checkpoint without a checksum, a work folder; nothing that has
    just changed.
    """
    store, run = filled
    checkpoints = store.trial_folder(run.trials[0]) / "checkpoints"
    left = [
        checkpoints / ".e0002.0123456789ab.draft",
        checkpoints / "e0002-t1.pt",
        store.root / ".replay-x" / "y",
    ]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 10)
    long_ago = time.time() - LATER_S
    for path in [*left[:2], left[2].parent]:
        os.utime(path, (long_ago, long_ago))
    young = {item.path for item in prune.find_prunable(store, [], frozenset(prune.POLICIES))}
    old = {
        item.path: item.bytes
        for item in prune.find_prunable(store, [], frozenset(prune.POLICIES), time.time() + LATER_S)
    }

    assert young == set(left[:2])
    assert set(old) >= {*left[:2], left[2].parent}
    assert old[left[2].parent] == 10


def test_the_work_folder_of_an_attempt_that_may_be_running_stays(filled: tuple[Store, Run]) -> None:
    """A training writes into it at its very end, many hours later; that of an earlier attempt is
    removed.
    """
    store, run = filled
    task = Task("evaluate", run.trials[0], 2)
    store.done_path(task).unlink()
    shutil.rmtree(store.attempts_folder(task))
    first = attempts.begin(attempts.read_history(store, task), {"worker": "w"})
    second = attempts.begin(attempts.read_history(store, task), {"worker": "w"})
    found = {
        item.path
        for item in prune.find_prunable(
            store, [run], frozenset(prune.POLICIES), time.time() + LATER_S
        )
    }
    second.finish("failed")
    ended = {
        item.path
        for item in prune.find_prunable(
            store, [run], frozenset(prune.POLICIES), time.time() + LATER_S
        )
    }

    assert first.work_folder in found
    assert second.work_folder not in found
    assert second.work_folder in ended


def test_a_policy_of_unknown_words_is_refused() -> None:
    """The message lists the accepted words."""
    for text in ("", "all", "best,worst"):
        with pytest.raises(BadSpec, match="best, last, periods"):
            prune.parse_policy(text)


def test_prune_shows_sizes_and_removes_nothing_in_a_dry_run(
    filled: tuple[Store, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    """Then the same command without --dry-run removes it, then there is nothing to remove."""
    store, run = filled
    words = ["--store", str(store.root), "prune"]
    path = store.trial_folder(run.trials[0]) / "checkpoints" / "e0001-t1.pt"
    codes = [cli.run([*words, run.name, "--keep", "last", "--dry-run"])]
    shown, still = capsys.readouterr().out, path.exists()
    codes.append(cli.run([*words, "--json"]))
    told = json.loads(capsys.readouterr().out)
    codes.append(cli.run(words))
    nothing = capsys.readouterr().out

    assert codes == [0, 0, 0]
    assert still
    assert "5.0 MB" in shown
    assert f"prune {run.name} --keep last" in shown
    assert (told["removed"], told["bytes"]) == (True, 5_000_000)
    assert [item["path"] for item in told["items"]] == [path.relative_to(store.root).as_posix()]
    assert not path.exists()
    assert not path.with_suffix(".json").exists()
    assert nothing == "nothing to remove\n"


def test_a_shorter_policy_leaves_the_runs_of_a_colleague_who_is_not_named(
    filled: tuple[Store, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    """Checkpoints are lost to them as with `orch rm`; the command that takes them is said."""
    store, run = filled
    store.save_run(replace(run, provenance={**run.provenance, "user": "anna"}))
    path = store.trial_folder(run.trials[0]) / "checkpoints" / "e0001-t1.pt"
    words = ["--store", str(store.root), "prune", "--keep", "last"]
    cli.run(words)
    said, stays = capsys.readouterr(), path.exists()
    cli.run([*words, "--of", "anna", "--dry-run"])
    shown = capsys.readouterr().out
    cli.run([*words, "--of", "anna"])

    assert stays
    assert said.out == "nothing to remove\n"
    assert f"checkpoints of anna stay ({run.name}). To prune them too: --of anna" in said.err
    assert "prune --keep last --of anna" in shown
    assert not path.exists()


def test_prune_refuses_unknown_runs_and_policies(
    filled: tuple[Store, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is removed."""
    store, run = filled
    codes = [
        cli.run(["--store", str(store.root), "prune", *words])
        for words in (("nobody",), (run.name, "--keep", "everything"))
    ]
    said = capsys.readouterr().err

    assert codes == [2, 2]
    assert "has no run 'nobody'" in said
    assert "give one or more of best, last, periods" in said

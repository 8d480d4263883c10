"""How few files `orch status` opens, lists and looks for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.fakes import fill_store
from support.half_done import NOW

from jobs import atomic
from jobs.store.cached_store import RememberedResults
from jobs.task import Task
from orchestrator import cli
from orchestrator.monitoring import progress, status


def touches(look: Callable[[], object]) -> int:
    """How often files and folders are asked for: opened, listed, looked for."""
    counted = 0

    def count(frame: object, event: str, called: Any) -> None:
        nonlocal counted
        counted += event == "c_call" and called.__name__ in (
            "open",
            "stat",
            "lstat",
            "listdir",
            "scandir",
            "readlink",
        )

    sys.setprofile(count)
    try:
        look()
    finally:
        sys.setprofile(None)
    return counted


def test_looking_asks_for_few_files_a_trial_and_a_line_for_none(tmp_path: Path) -> None:
    """However many trials there are: an outcome for each period of a trial at work or done, and one
    of its tests.
    """
    counts: dict[str, list[int]] = {"look": [], "line": [], "waiting": [], "again": []}
    for seeds in (2, 6):
        store, run = fill_store(
            tmp_path / f"{seeds}", backbones=["scratch"], seeds=seeds, periods=3, pixels=False
        )
        outline, scene = store.outline(run.name), progress.read_view(store, NOW)
        counts["look"].append(touches(lambda: status.run_status(store, outline, NOW)))  # noqa: B023
        counts["line"].append(touches(lambda: status.overview(store, outline, scene)))  # noqa: B023
        followed = RememberedResults(store.root)
        first = status.run_status(followed, outline, NOW)
        counts["again"].append(touches(lambda: status.run_status(followed, outline, NOW)))  # noqa: B023
        assert status.run_status(followed, outline, NOW) == first
        waiting, later = fill_store(
            tmp_path / f"none-{seeds}",
            backbones=["scratch"],
            seeds=seeds,
            periods=3,
            pixels=False,
            finished=lambda task: task.kind == "prepare",
        )
        counts["waiting"].append(touches(lambda: status.run_status(waiting, later, NOW)))  # noqa: B023

    assert counts["look"][0] > 0
    assert counts["look"][1] - counts["look"][0] <= 4 * (3 + 1)
    assert counts["line"][1] == counts["line"][0] <= 2
    assert counts["waiting"][1] == counts["waiting"][0]
    assert counts["again"][1] == counts["again"][0] < counts["look"][0]


def test_a_result_that_is_no_longer_listed_is_forgotten(tmp_path: Path) -> None:
    """`orch verify --repair` and `orch rm` remove results, which may be made anew."""
    store, run = fill_store(tmp_path, backbones=["scratch"], periods=1, pixels=False)
    followed, task = RememberedResults(store.root), Task("prepare", run.data)
    followed.ledger()
    before = followed.done(task)
    store.done_path(task).unlink()
    still = followed.done(task)
    followed.ledger()

    assert before is not None
    assert still == before
    assert followed.done(task) is None


def test_many_runs_are_listed_from_one_look_at_the_ledger(tmp_path: Path) -> None:
    """The lines equal the status of each run."""
    store, _ = fill_store(
        tmp_path,
        backbones=["scratch"],
        pixels=False,
        name="first",
        finished=lambda task: task.kind == "prepare",
    )
    fill_store(tmp_path, backbones=["resnet34"], pixels=False, name="second")
    scene = progress.read_view(store, NOW)

    lines = [status.overview(store, store.outline(name), scene) for name in ("first", "second")]
    looks = [status.run_status(store, store.outline(name), NOW) for name in ("first", "second")]

    assert [each.state for each in lines] == ["waiting", "done"]
    assert [(each.state, each.tasks) for each in lines] == [
        (each.state, each.tasks) for each in looks
    ]


def test_however_many_runs_are_told_whole_each_folder_of_all_is_listed_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store of many runs has tens of thousands of attempts and records."""
    for name in ("first", "second", "third"):
        fill_store(tmp_path, backbones=["scratch"], pixels=False, name=name)
    listed, names = list[str](), atomic.list_names

    def counted(folder: Path) -> list[str]:
        listed.append(folder.relative_to(tmp_path).as_posix())
        return names(folder)

    monkeypatch.setattr(atomic, "list_names", counted)
    code = cli.run(["--store", str(tmp_path), "status", "--json"])

    assert code == 0
    assert capsys.readouterr().out.count('"trials": [') == 3
    assert [
        listed.count(folder) for folder in ("attempts", "ledger/done", "ledger/failed", "progress")
    ] == [1] * 4

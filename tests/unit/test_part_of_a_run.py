"""Waiting for what was asked of a run later: its own count, time and results, and no old ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.fakes import fill_store

from jobs import atomic
from jobs.settings import Settings
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.monitoring.status import run_status
from orchestrator.submission import bench
from orchestrator.terminal import evaluation_table, follow, part

DATA = "next-year-64px-0123abcd"


@pytest.fixture
def grown(tmp_path: Path) -> tuple[Store, Run, list[Task]]:
    """A finished run of two networks, which are to be evaluated on other data."""
    store, run = fill_store(tmp_path / "store", backbones=["scratch", "resnet34"], pixels=False)
    tasks = [Task("evaluate", trial, 6, data=DATA) for trial in run.trials]
    added = [Task("prepare", DATA).id, *(task.id for task in tasks)]
    grown = replace(run, tasks=(*run.tasks, *added))
    store.save_run(grown)
    return store, grown, tasks


def done(store: Store, task: Task, **facts: object) -> None:
    """Record a result."""
    atomic.write_json(store.done_path(task), {"attempt": 1, "worker": "alpha-1", **facts})


def test_waiting_for_an_evaluation_tells_its_progress_and_no_old_accuracy(
    grown: tuple[Store, Run, list[Task]],
) -> None:
    """A line for each task that is done, with the time left; the run's own tests are not told."""
    store, run, tasks = grown
    wanted = [Task("prepare", DATA).id, *(task.id for task in tasks)]
    followed, waiting = part.narrowed(store, run, wanted, "tasks of the evaluation", "again")
    teller = follow.ChangeReporter(Settings(store.root, None, None), part=waiting)

    lines = teller.changes(run_status(store, followed))
    done(store, Task("prepare", DATA))
    lines += teller.changes(run_status(store, followed))
    for task in tasks:
        done(store, task, accuracy=0.25)
    lines += teller.changes(run_status(store, followed))

    assert lines[0] == "tasks of the evaluation: 0 of 3 done"
    assert any(line.startswith("tasks of the evaluation: 1 of 3 done, about") for line in lines)
    assert lines[-1].startswith(f"tasks of the evaluation of run {run.name}: all 3 done within 0s.")
    assert not any("test accuracy" in line for line in lines)


def test_the_time_left_counts_from_when_they_were_asked_for(
    grown: tuple[Store, Run, list[Task]],
) -> None:
    """Those that were done before do not count in the pace."""
    store, run, tasks = grown
    done(store, tasks[0])
    wanted = [task.id for task in tasks] + [Task("prepare", DATA).id]
    followed, waiting = part.narrowed(store, run, wanted, "benchmarks", "again")
    done(store, Task("prepare", DATA))

    told = waiting.count(run_status(store, followed), now=waiting.asked_at + 40)

    assert told == "benchmarks: 2 of 3 done, about 40s left"


def test_all_done_before_takes_no_time(grown: tuple[Store, Run, list[Task]]) -> None:
    """The same command again only shows the results."""
    store, run, tasks = grown
    for task in [*tasks, Task("prepare", DATA)]:
        done(store, task)
    followed, waiting = part.narrowed(store, run, [t.id for t in tasks], "benchmarks", "again")

    told = waiting.ending(run_status(store, followed), "orch report")

    assert told == f"benchmarks of run {run.name}: all 2 done. Compare with: orch report"


def test_the_accuracies_on_other_data_stand_beside_the_runs_own(
    grown: tuple[Store, Run, list[Task]],
) -> None:
    """Only what is done is listed; programs get the same."""
    store, run, tasks = grown
    done(store, tasks[0], accuracy=0.25)
    own = store.done(replace(tasks[0], data=""))

    evaluated = evaluation_table.read(store, run, tasks)
    lines = evaluation_table.lines("next-year", evaluated)

    assert own is not None
    assert own.accuracy is not None
    assert " ".join(lines[0].split()) == "network accuracy on next-year on own test images"
    backbone = store.load_trial(tasks[0].subject).backbone
    assert lines[1].split() == [backbone, "25.0%", f"{own.accuracy:.1%}"]
    assert len(lines) == 2
    assert evaluation_table.facts(evaluated)[0]["accuracy"] == 0.25


@pytest.mark.parametrize(
    ("url", "asked", "workers"),
    [(None, None, 1), (None, 3, 3), (None, 0, 0), ("redis://elsewhere", None, None)],
)
def test_benchmarks_need_one_local_worker(
    url: str | None, asked: int | None, workers: int | None
) -> None:
    """They are measured one after the other; a number that was asked for holds."""
    assert bench.workers_for(Settings(Path("store"), url, None), asked) == workers

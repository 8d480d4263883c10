"""What `orch status` prints besides the runs: the workers, and what to type next."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from support.fakes import fill_store

from jobs import atomic
from jobs.settings import Settings
from jobs.spec import keys_digest
from jobs.task import Task
from orchestrator import cli
from orchestrator.monitoring import status
from orchestrator.terminal import messages


@pytest.mark.parametrize("asked", [[], ["study"]], ids=["all", "one"])
def test_status_says_what_to_start_when_tasks_wait_and_nobody_is_there(
    asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Workers here, or on a GPU machine."""
    fill_store(
        tmp_path, backbones=["scratch"], pixels=False, name="study", finished=lambda task: False
    )

    code = cli.run(["--store", str(tmp_path), "status", *asked])
    shown = capsys.readouterr().out

    assert code == 0
    assert "up; on a GPU machine with: orch --store" in shown


def test_a_failure_is_one_line_of_a_log_whatever_it_says() -> None:
    """As a network of somebody's own may say it."""
    failure = status.Failure(
        "train.x", "bug", "ValueError: shapes\nwent  astray", "0001.log", False
    )

    line = "failed: train.x (bug): ValueError: shapes went astray. Log: 0001.log"
    assert messages.failure_line(failure) == line


@pytest.mark.parametrize("many", [3, 4])
def test_many_workers_are_listed_one_a_line(
    many: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Up to three are on one line; more are listed with their tasks."""
    fill_store(
        tmp_path, backbones=["scratch"], pixels=False, name="study", finished=lambda task: False
    )
    for number in range(many):
        atomic.write_json(
            tmp_path / "workers" / f"alpha-{number}.json",
            {
                "name": f"alpha-{number}",
                "host": "alpha",
                "pid": 1,
                "device": "cpu",
                "at": time.time(),
                "task": None if number else "train.scratch-s0-1f3a9c2e.0010",
                "known_keys": keys_digest.digest(),
            },
        )

    cli.run(["--store", str(tmp_path), "status"])
    lines = [
        line for line in capsys.readouterr().out.splitlines() if "alpha" in line or "alive" in line
    ]

    assert (
        lines
        == {
            3: ["workers alive: alpha-0 (cpu), alpha-1 (cpu), alpha-2 (cpu)"],
            4: [
                "workers alive: 4, 3 of them idle",
                "  alpha-0 (cpu)  train.scratch-s0-1f3a9c2e.0010",
                "  alpha-1 (cpu)  idle",
                "  alpha-2 (cpu)  idle",
                "  alpha-3 (cpu)  idle",
            ],
        }[many]
    )


def test_a_run_whose_images_are_bad_is_to_be_submitted_again(tmp_path: Path) -> None:
    """Retrying cannot help: a changed folder is another data set."""
    store, run = fill_store(
        tmp_path, backbones=["scratch"], pixels=False, finished=lambda task: False
    )
    task = Task.parse(run.tasks[0])
    atomic.write_json(
        store.failed_path(task),
        {
            "failure": "bad-image",
            "message": "2 file(s) are not whole images.",
            "attempt": 1,
            "log": "log",
        },
    )
    lines = messages.ending(
        Settings(store.root, None, None), status.run_status(store, run), waited=False
    )

    assert "submit it again" in lines[0]
    assert "retry" not in lines[0]

"""A task in its own process: results, failures, hangs, deaths and requested stops."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from jobs import errors
from jobs.task import TaskRequest
from workers.process import child
from workers.process.child import Limits


def work(
    folder: Path,
    behave: str = "",
    stop: bool = False,
    mine: bool = True,
    limits: Limits | None = None,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Run the fake work in a real child; returns its result and its messages."""
    folder.mkdir(exist_ok=True)
    (folder / "behave").write_text(behave)
    (folder / "w").mkdir(exist_ok=True)
    said: list[dict[str, Any]] = []
    order = TaskRequest(
        "train.scratch-s0-12345678.0001", str(folder), "t1", str(folder / "w"), 1, "cpu", 1, None
    )
    outcome = child.run(
        order,
        folder / "log",
        said.append,
        lambda: stop,
        lambda: mine,
        limits,
        entry="support.fake_work:main",
    )
    return outcome, said


def test_a_child_says_how_it_goes_and_returns_its_outcome(tmp_path: Path) -> None:
    """Messages and the result are sent as JSON."""
    outcome, said = work(tmp_path)

    assert outcome["files"] == {"out.txt": "results/out/train.scratch-s0-12345678.0001.txt"}
    assert said == [{"phase": "train", "done": 1, "total": 2}]


def test_an_error_of_ours_comes_back_as_itself(tmp_path: Path) -> None:
    """The class and message of an error are sent through the pipe."""
    with pytest.raises(errors.LossNotFinite, match="epoch 1, step 3"):
        work(tmp_path, "bad")


def test_a_bug_is_named_and_its_traceback_is_in_the_log(tmp_path: Path) -> None:
    """An unexpected error stops the task; the log holds its traceback."""
    with pytest.raises(errors.OrchError, match="ZeroDivisionError: a bug in the work") as caught:
        work(tmp_path, "bug")

    assert caught.value.failure == "bug"
    assert "Traceback" in (tmp_path / "log").read_text()


def test_a_child_that_is_killed_is_a_lost_worker(tmp_path: Path) -> None:
    """SIGKILL in the child does not harm the worker."""
    with pytest.raises(errors.WorkerLost, match="SIGKILL"):
        work(tmp_path, "die")


def test_a_child_that_hangs_is_ended(tmp_path: Path) -> None:
    """A child that sends no message for too long is a failure that may be retried."""
    began = time.monotonic()
    with pytest.raises(child.Stalled):
        work(tmp_path, "hang", limits=Limits(stall_s=0.5))

    assert time.monotonic() - began < 10


def test_a_child_asked_to_stop_stops_between_two_steps(tmp_path: Path) -> None:
    """SIGTERM sets a flag that the work checks, however early it is sent."""
    for _ in range(5):
        with pytest.raises(errors.Stopped, match="step 3"):
            work(tmp_path, "slow", stop=True)


def test_a_child_that_does_not_stop_is_ended_after_the_grace(tmp_path: Path) -> None:
    """A hanging child cannot prevent a worker from stopping."""
    with pytest.raises(errors.Stopped, match="was killed"):
        work(tmp_path, "hang", stop=True, limits=Limits(grace_s=0.3))


def test_a_child_whose_lease_is_lost_is_ended_at_once(tmp_path: Path) -> None:
    """Nobody works without a lease."""
    with pytest.raises(errors.LeaseLost):
        work(tmp_path, "slow", mine=False)


def test_a_module_that_is_missing_names_the_extra(tmp_path: Path) -> None:
    """A worker installed without torch says what to install."""
    (tmp_path / "w").mkdir()
    order = TaskRequest("train.a.0001", str(tmp_path), "t1", str(tmp_path / "w"), 1, "cpu", 1, None)
    with pytest.raises(errors.MissingExtra, match=r"pip install .*\[worker\]"):
        child.run(
            order,
            tmp_path / "log",
            lambda m: None,
            lambda: False,
            lambda: True,
            entry="no_such_module:main",
        )


def test_children_run_beside_each_other_from_threads(tmp_path: Path) -> None:
    """The worker starts children from Celery's threads."""
    found: list[dict[str, Any]] = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(work(tmp_path / str(n))[0]))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(found) == 4


def test_a_child_whose_worker_is_silent_ends_itself(tmp_path: Path) -> None:
    """A worker that hangs sends no heartbeat. Its child must not continue beside the new holder of
    the lease.
    """
    asked: list[float] = []

    def hangs() -> bool:
        asked.append(time.monotonic())
        if len(asked) == 2:
            time.sleep(1.5)
        return True

    (tmp_path / "behave").write_text("slow")
    (tmp_path / "w").mkdir()
    order = TaskRequest(
        "train.scratch-s0-12345678.0001",
        str(tmp_path),
        "t1",
        str(tmp_path / "w"),
        1,
        "cpu",
        1,
        None,
    )
    with pytest.raises(errors.LeaseLost, match="the worker sent no heartbeat"):
        child.run(
            order,
            tmp_path / "log",
            lambda message: None,
            lambda: False,
            hangs,
            Limits(away_s=1.0),
            entry="support.fake_work:main",
        )

    assert len(asked) >= 2


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The child says why it ends, although it has no output to print to."""
    order = TaskRequest(
        "train.scratch-s0-12345678.0001", str(tmp_path), "t1", str(tmp_path), 1, "cpu", 1, None
    )

    with pytest.raises(errors.OrchError, match="FileNotFoundError"):
        child.run(
            order,
            tmp_path / "no" / "log",
            lambda message: None,
            lambda: False,
            lambda: True,
            entry="support.fake_work:main",
        )


def test_a_worker_waits_until_its_children_can_load_what_they_need() -> None:
    """A module that exists is loaded, a missing one is reported, and a stop does not wait for
    loading.
    """
    leave = threading.Event()

    assert child.warm(leave, "support.fake_work:main")
    with pytest.raises(
        errors.CannotLoad, match=r"ModuleNotFoundError: No module named 'nowhere'.*orch doctor"
    ):
        child.warm(leave, "nowhere:main")
    leave.set()
    assert not child.warm(leave, "support.fake_work:main")

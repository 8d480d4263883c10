"""How long a run will still take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.half_done import NOW, half_done_run

from jobs.store.runs import Run
from jobs.store.store import Store
from orchestrator.monitoring import heartbeats, status, time_left


@pytest.fixture
def half(tmp_path: Path) -> tuple[Store, Run]:
    """Of two periods, only the first is trained and evaluated."""
    return half_done_run(tmp_path)


def test_the_time_left_is_shared_by_the_workers(half: tuple[Store, Run]) -> None:
    """Two trials of 10 and 30 s an epoch with two epochs left each: 80 s alone, 60 s by two (the
    longer one).
    """
    store, run = half
    found = status.run_status(store, run, now=NOW)
    big, small = (
        replace(trial, seconds=pace * 2) for trial, pace in zip(found.trials, (30, 10), strict=True)
    )
    worker = heartbeats.Heartbeat("a", "alpha", 1, "cpu", None, 1.0)

    alone = time_left.seconds_left(replace(found, trials=(big, small), workers=(worker,)), {})
    two = time_left.seconds_left(replace(found, trials=(big, small), workers=(worker, worker)), {})

    assert (alone, two) == (80, 60)


def test_a_trial_that_was_not_timed_is_estimated_by_its_cost(half: tuple[Store, Run]) -> None:
    """resnet34 at three times the cost of Scratch takes three times as long."""
    found = status.run_status(*half, now=NOW)
    big, small = found.trials
    timed = replace(found, trials=(replace(big, seconds=0.0), replace(small, seconds=20.0)))

    left = time_left.seconds_left(timed, {"resnet34": 3.0, "scratch": 1.0})

    assert left == 2 * 10 + 2 * 30


def test_a_trial_that_stopped_early_needs_no_more_time(half: tuple[Store, Run]) -> None:
    """Although its later periods are not evaluated yet."""
    found = status.run_status(*half, now=NOW)
    big, small = found.trials
    stopped = replace(big, seconds=60.0, stopped_early=2)

    left = time_left.seconds_left(
        replace(found, trials=(stopped, replace(small, seconds=20.0))), {}
    )

    assert left == 2 * 10

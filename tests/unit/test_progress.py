"""Progress messages of a task."""

from __future__ import annotations

from typing import Any

from models.runtime.progress import ProgressEstimator


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_messages_are_at_most_two_a_second_but_the_end_is_always_told() -> None:
    """A thousand steps in a second make three messages."""
    told: list[dict[str, Any]] = []
    clock = Clock()
    progress = ProgressEstimator(told.append, 1000, clock)
    for done in range(1, 1001):
        clock.now += 0.001
        progress.say("train", done, 1000)

    assert [message["done"] for message in told] == [1, 501, 1000]


def test_the_time_left_follows_from_the_share_of_the_work_done() -> None:
    """A quarter done in ten seconds: thirty are left."""
    told: list[dict[str, Any]] = []
    clock = Clock()
    progress = ProgressEstimator(told.append, 400, clock)
    clock.now += 10
    progress.advance(100)
    progress.say("train", 100, 400, loss=0.5)

    assert told == [{"phase": "train", "done": 100, "total": 400, "loss": 0.5, "eta_s": 30.0}]


def test_no_time_left_is_told_before_a_tenth_of_the_work_or_five_seconds() -> None:
    """The first steps are slower than all others."""
    told: list[dict[str, Any]] = []
    clock = Clock()
    progress = ProgressEstimator(told.append, 1000, clock)
    for _ in range(6):
        clock.now += 1
        progress.advance(10)
        progress.say("train", 1, 1000)
    quick = ProgressEstimator(told.append, 1000, clock)
    clock.now += 1
    quick.advance(100)
    quick.say("train", 100, 1000)

    assert [message.get("eta_s") for message in told] == [None] * 4 + [95.0, 94.0, 9.0]

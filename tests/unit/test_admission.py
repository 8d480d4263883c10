"""Admission to a device: which tasks may run side by side, and no waiting task is forgotten."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from workers.devices.admission import EARLY, MAX_PASSED, Admission, Requirement

GB = 10**9


@pytest.fixture
def slot() -> Iterator[ThreadPoolExecutor]:
    """Threads that ask for admission, as slots do."""
    with ThreadPoolExecutor(8) as threads:
        yield threads


def room(slots: int = 8) -> Admission:
    """A device of 10 GB."""
    return Admission(slots, 10 * GB)


def enter(
    room: Admission,
    task: str,
    size_gb: float | None = None,
    alone: bool = False,
    wanted: Callable[[], bool] = lambda: True,
) -> Requirement | None:
    """Ask for admission until it is granted."""
    return room.enter(
        task, lambda: Requirement(None if size_gb is None else int(size_gb * GB), alone), wanted
    )


def at_once(room: Admission, task: str, size_gb: float | None = None, alone: bool = False) -> bool:
    """Whether a task would be admitted now."""
    return enter(room, task, size_gb, alone, wanted=lambda: False) is not None


def waits(asked: Future[Requirement | None], room: Admission, task: str) -> bool:
    """Whether a task is waiting for admission."""
    while task not in room.admitted_or_waiting and not asked.done():
        time.sleep(0.001)
    time.sleep(0.05)
    return not asked.done()


def test_tasks_start_side_by_side_as_far_as_their_memory_fits(slot: ThreadPoolExecutor) -> None:
    """6 GB and 3 GB fit into 10; another 3 GB waits until one of them has ended."""
    device = room()
    enter(device, "a", 6)
    enter(device, "b", 3)
    third = slot.submit(enter, device, "c", 3)
    waited = waits(third, device, "c")
    device.leave("b")

    assert waited
    assert third.result(5) == Requirement(3 * GB)
    assert device.tasks == ("a", "c")


def test_with_one_slot_everything_is_alone() -> None:
    """Whatever it uses; the device was never measured."""
    device = Admission()

    assert enter(device, "a") == Requirement(alone=True)


def test_a_task_that_was_never_measured_starts_alone_and_others_follow_once_it_has_told(
    slot: ThreadPoolExecutor,
) -> None:
    """Its reported memory counts a quarter more, because it may use more later."""
    device = room()
    enter(device, "new")
    known = slot.submit(enter, device, "known", 5)
    waited = waits(known, device, "known")
    device.on_memory("new", 4 * GB)

    assert waited
    assert known.result(5) == Requirement(5 * GB)
    assert not at_once(device, "small", 10 - 5 - 4 * EARLY + 0.1)


def test_a_task_never_measured_may_start_beside_others_where_half_the_device_is_free() -> None:
    """And two such tasks never run together."""
    device = room()
    enter(device, "known", 5.5)
    too_little = at_once(device, "new", None)
    device.leave("known")
    enter(device, "known", 4.5)
    enough = at_once(device, "new", None)

    assert (too_little, enough) == (False, True)
    assert not at_once(device, "another", None)


def test_a_child_that_takes_more_than_expected_keeps_others_out() -> None:
    """The recorded peak is a lower bound, not an upper one."""
    device = room()
    enter(device, "a", 2)
    device.on_memory("a", 9 * GB)

    assert not at_once(device, "b", 2)
    assert at_once(device, "c", 1)


def test_a_task_larger_than_the_device_runs_alone_rather_than_never(
    slot: ThreadPoolExecutor,
) -> None:
    """It waits until the others have ended, then runs exclusively."""
    device = room()
    enter(device, "a", 1)
    huge = slot.submit(enter, device, "huge", 11)
    waited = waits(huge, device, "huge")
    device.leave("a")

    assert waited
    assert huge.result(5) == Requirement(11 * GB, alone=True)
    assert not at_once(device, "b", 0)


def test_a_task_that_wants_to_be_alone_is_not_overtaken_for_ever(slot: ThreadPoolExecutor) -> None:
    """A few others pass it; then none starts before it."""
    device = room()
    enter(device, "first", 1)
    lonely = slot.submit(enter, device, "lonely", 1, True)
    waits(lonely, device, "lonely")
    passed = [at_once(device, f"p{number}", 1) for number in range(MAX_PASSED + 1)]
    for task in device.tasks:
        device.leave(task)

    assert passed == [True] * MAX_PASSED + [False]
    assert lonely.result(5) == Requirement(1 * GB, alone=True)
    assert device.tasks == ("lonely",)


def test_a_task_that_is_here_or_waits_here_is_not_taken_twice(slot: ThreadPoolExecutor) -> None:
    """Its message may arrive again meanwhile."""
    device = room()
    enter(device, "a", 9)
    waiting = slot.submit(enter, device, "b", 9)
    waits(waiting, device, "b")
    again = [enter(device, task, 1) for task in ("a", "b")]
    device.leave("a")

    assert again == [None, None]
    assert waiting.result(5) is not None


def test_a_task_that_is_no_longer_wanted_stops_waiting(slot: ThreadPoolExecutor) -> None:
    """Another worker has taken it, or its run was cancelled: the slot is free again, and no task
    waits for it.
    """
    device, wanted = room(), threading.Event()
    wanted.set()
    enter(device, "a", 9)
    waiting = slot.submit(enter, device, "b", 9, False, wanted.is_set)
    waits(waiting, device, "b")
    wanted.clear()

    assert waiting.result(5) is None
    assert device.admitted_or_waiting == ("a",)


def test_while_a_task_waits_what_it_needs_is_looked_up_again(slot: ThreadPoolExecutor) -> None:
    """A task like it may have been measured meanwhile."""
    device, sizes = room(), iter([None, 2 * GB, 2 * GB])
    enter(device, "a", 7)

    assert device.enter("b", lambda: Requirement(next(sizes)), lambda: True) == Requirement(2 * GB)


def test_many_that_come_and_go_never_take_more_than_there_is(slot: ThreadPoolExecutor) -> None:
    """Fifty tasks of 1 to 5 GB in eight threads; all are admitted."""
    device, inside, most, lock = room(), 0, [0], threading.Lock()

    def work(number: int) -> bool:
        nonlocal inside
        size = 1 + number % 5
        entered = enter(device, str(number), size) is not None
        with lock:
            inside += size
            most.append(inside)
        time.sleep(0.002)
        with lock:
            inside -= size
        device.leave(str(number))
        return entered

    done = list(slot.map(work, range(50)))

    assert all(done)
    assert 5 < max(most) <= 10
    assert device.admitted_or_waiting == ()

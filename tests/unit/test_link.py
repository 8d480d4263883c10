"""What a worker knows of its broker, and what it does while the broker is away."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from redis.exceptions import NoPermissionError, ReadOnlyError, ResponseError

from jobs.errors import BrokerUnreachable
from jobs.task import Task
from workers.messaging import link, refusal
from workers.messaging.background_sender import Sender
from workers.messaging.link import Link

SILENT = BrokerUnreachable("no broker answers at x:6379 (no answer in time).")
REFUSES = BrokerUnreachable("the broker at x:6379 answers: READONLY.")
TASK = Task("train", "scratch-s0-00000000", 1)


@dataclass
class Clock:
    """A clock that stands still until it is set."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was warned of."""
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


def test_an_outage_is_told_once_whoever_notices_it(caplog: pytest.LogCaptureFixture) -> None:
    """Four threads may notice it; its end is told too, with how long it took."""
    caplog.set_level(logging.INFO)
    clock = Clock()
    broker = Link(clock=clock)
    for error in (SILENT, REFUSES, SILENT):
        broker.lost(error)
    away, clock.now = broker.up, 61.0
    broker.back()
    broker.back()

    assert (away, broker.up) == (False, True)
    assert len(warnings(caplog)) == 1
    assert "no answer in time" in warnings(caplog)[0]
    assert [r.getMessage() for r in caplog.records][1:] == [
        "the broker can be used again, after 61 s"
    ]


def test_the_same_reason_is_not_told_again_within_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A broker may answer each probe and refuse each message; another reason is told at once."""
    clock = Clock()
    broker = Link(clock=clock)
    for at, error in ((0, REFUSES), (5, REFUSES), (10, SILENT), (90, REFUSES)):
        clock.now = at
        broker.lost(error)
        broker.back()

    assert ["READONLY" in said for said in warnings(caplog)] == [True, False, True]


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        (NoPermissionError("may not run 'brpop'"), NoPermissionError("may not run 'lpush'"), 1),
        (ResponseError("MISCONF x"), ResponseError("# 1 of pipeline caused error: MISCONF x"), 1),
        (ResponseError("MISCONF x"), ResponseError("WRONGTYPE x"), 2),
        (ReadOnlyError("a replica"), NoPermissionError("may not run 'lpush'"), 2),
    ],
)
def test_one_cause_is_told_once_whatever_was_asked_of_redis(
    one: ResponseError, other: ResponseError, told: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A thread may report what it met before the broker was back, in other words."""
    broker = Link()
    for error in (one, other):
        broker.lost(refusal.explained("redis://x:6379/0", error))
        broker.back()

    assert len(warnings(caplog)) == told


def test_a_broker_that_is_away_is_asked_with_growing_waits_and_back_only_when_it_takes_a_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An answer alone is not enough: it may still refuse every message."""
    monkeypatch.setattr(link, "LOOK_S", 0.01)
    monkeypatch.setattr(link, "PAUSES_S", (0.01, 0.02, 0.04))
    at, leave = list[float](), threading.Event()

    def ping() -> None:
        raise SILENT

    def write() -> None:
        at.append(time.monotonic())
        if len(at) < 4:
            raise REFUSES
        leave.set()

    broker = Link(ping, write)
    broker.watch(leave)
    pauses = [after - before for before, after in itertools.pairwise(at)]

    assert broker.up
    assert [
        round(pause, 2) >= least for pause, least in zip(pauses, (0.02, 0.04, 0.04), strict=True)
    ]
    assert link.pause_s(1) < link.pause_s(2) < link.pause_s(3) == link.pause_s(99)


def test_an_outage_that_is_noticed_during_a_probe_is_not_over_with_the_probes_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only a write ends it: a broker may answer, and refuse every message."""
    monkeypatch.setattr(link, "LOOK_S", 0.01)
    leave, answers = threading.Event(), list[bool]()
    broker = Link()

    def ping() -> None:
        broker.lost(REFUSES)  # by another thread, just before the answer
        leave.set()

    broker.ping, broker.write = ping, lambda: answers.append(True)
    broker.watch(leave)

    assert not broker.up
    assert answers == []


def test_the_longest_wait_leaves_time_to_be_back_within_5_s() -> None:
    """The last try may have begun just before the broker came back."""
    from workers.messaging import broker

    assert broker.CONNECT_S + max(link.PAUSES_S) < 5


@dataclass
class Slow:
    """A broker that takes its time, or refuses."""

    sent: list[str | None] = field(default_factory=list)
    takes_s: float = 0.0
    refuses: bool = False

    def __call__(self, tasks: Sequence[Task], to: str | None) -> None:
        time.sleep(self.takes_s)
        if self.refuses:
            raise REFUSES
        self.sent.append(to)


def test_a_task_does_not_wait_for_its_notifications() -> None:
    """They leave in order, from a thread of their own; the last ones get a moment."""
    slow = Slow(takes_s=0.2)
    sender = Sender(Link(), slow)
    sender.start()
    began = time.monotonic()
    for to in ("one", "two", None):
        sender.send([TASK], to)
    took_s = time.monotonic() - began
    sender.drain()

    assert took_s < 0.1
    assert slow.sent == ["one", "two", None]


def test_nothing_is_sent_to_a_broker_that_is_away() -> None:
    """The first refusal is noted; the ledger keeps what is to be done."""
    refusing = Slow(refuses=True)
    broker = Link()
    sender = Sender(broker, refusing)
    sender.send([TASK])
    noticed, refusing.refuses = broker.up, False
    sender.send([TASK])
    broker.back()
    sender.send([TASK], "again")
    sender.send([], "nothing")

    assert not noticed
    assert refusing.sent == ["again"]

"""A fleet of workers in simulated time: the real plan, the real rules of who takes what, made-up
speeds.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from jobs import plan
from jobs.plan import Plan
from jobs.task import Task
from workers.scheduling import rebalance, throughput

Policy = Callable[
    [Sequence[rebalance.Peer], Sequence[rebalance.ActiveTraining]], list[rebalance.Reassignment]
]

IMAGES_AN_EPOCH = 44_665.0
"""The study's 60,907 images: 70% to train on, and 10% to validate on, which takes a third of the
time.
"""
EVALUATION_EPOCHS = 0.2 * 60_907 / 3 / IMAGES_AN_EPOCH


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds that things take: of the whole study's arithmetic on the fastest GPU, and of what
    comes on top.
    """

    prepare_s: float = 20.0
    begin_s: float = 1.0
    stop_s: float = 2.0
    message_s: float = 0.1
    look_s: float = 1.0
    tend_s: float = 2.0
    measured_s: float = 5.0
    noise: float = 0.03


@dataclass(frozen=True, slots=True)
class Truth:
    """What really holds: each worker's speed (the fastest has 1), and its images a second in
    training, by backbone.
    """

    speeds: tuple[float, ...]
    rates: tuple[dict[str, float], ...]

    def epochs_s(self, worker: int, backbone: str, epochs: float) -> float:
        """Seconds for some epochs."""
        return epochs * IMAGES_AN_EPOCH / self.rates[worker][backbone]


def following(asked: Plan, task: Task) -> list[Task]:
    """What becomes ready once a task is done: after the data set every trial, after a mark its test
    and the next.
    """
    first, later = (
        asked.target_epochs[0],
        [mark for mark in asked.target_epochs if mark > task.epoch],
    )
    if task.kind == "prepare":
        return [Task("train", trial.name, first) for trial in asked.trials]
    if task.kind == "evaluate":
        return []
    return [
        Task("evaluate", task.subject, task.epoch),
        *(Task("train", task.subject, mark) for mark in later[:1]),
    ]


@dataclass(slots=True)
class Hand:
    """A worker: what it does, since when, and what it knows of its own pace."""

    place: int
    rates: dict[str, float]
    task: Task | None = None
    since: float = 0.0
    ends_at: float = 0.0
    stops_at: float | None = None
    wants: str | None = None
    asked: Hand | None = None
    deferred: Task | None = None
    mail: Task | None = None
    sign: rebalance.Peer = field(default_factory=lambda: rebalance.Peer("", {}))

    @property
    def name(self) -> str:
        """Such as `w03`."""
        return f"w{self.place:02d}"


class Simulation:
    """One study on one fleet; `run` says when it ends."""

    def __init__(
        self,
        asked: Plan,
        truth: Truth,
        known: Sequence[dict[str, float]],
        costs: Costs,
        take_overs: Policy,
        seed: int = 0,
        goes_on: bool = True,
    ) -> None:
        self.asked, self.truth, self.costs, self.take_overs = asked, truth, costs, take_overs
        self.goes_on = goes_on
        self.over, self.rng = set[Task](), random.Random(seed)
        self.hands = [Hand(place, dict(rates)) for place, rates in enumerate(known)]
        self.backbones = {trial.name: trial.backbone for trial in asked.trials}
        self.epochs = {trial.name: 0.0 for trial in asked.trials}
        self.held: dict[str, Hand] = {}
        self.waiting: list[tuple[int, int, Task]] = []
        self.idle: deque[Hand] = deque(sorted(self.hands, key=lambda _: self.rng.random()))
        self.now, self.count, self.handed_over = 0.0, itertools.count(), 0
        self.events: list[tuple[float, int, Callable[[], None]]] = []

    def run(self) -> float:
        """Simulate until everything is done; the seconds it took."""
        self._ring([Task("prepare", self.asked.data)])
        for hand in self.hands:
            self._at(
                self.costs.tend_s * (hand.place + 1) / len(self.hands),
                lambda hand=hand: self._round(hand),
            )
        wanted, ended = len(self.asked.tasks), 0.0
        while len(self.over) < wanted:
            self.now, _, happens = heapq.heappop(self.events)
            happens()
            ended = self.now
        return ended

    # The queue

    def _at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self.events, (when, next(self.count), what))

    def _ring(self, tasks: Sequence[Task]) -> None:
        def arrive() -> None:
            for task in tasks:
                heapq.heappush(self.waiting, (plan.priority(task), next(self.count), task))
            self._deliver()

        self._at(self.now + self.costs.message_s, arrive)

    def _deliver(self) -> None:
        for hand in [hand for hand in self.idle if hand.mail is not None]:
            self.idle.remove(hand)
            task, hand.mail = hand.mail, None
            self._begin(hand, cast(Task, task))
        while self.waiting and (
            hand := next((hand for hand in self.idle if hand.wants is None), None)
        ):
            task = heapq.heappop(self.waiting)[2]
            if (
                not self._reserved(task)
                and task not in self.over
                and task.lease_key not in self.held
            ):
                self.idle.remove(hand)
                self._begin(hand, task)

    def _reserved(self, task: Task) -> bool:
        return task.kind == "train" and any(hand.wants == task.subject for hand in self.hands)

    # The work

    def _begin(self, hand: Hand, task: Task) -> None:
        hand.task, hand.since, hand.stops_at = task, self.now, None
        self.held[task.lease_key] = hand
        if task.kind == "train" and hand.wants == task.subject:
            hand.wants, self.handed_over = None, self.handed_over + 1
            owed, hand.deferred = hand.deferred, None
            if owed is not None and not self._placed([owed], *([hand.asked] if hand.asked else [])):
                self._ring([owed])
        hand.ends_at = self.now + self._begin_s(hand) + self._work_s(hand, task)
        self._at(hand.ends_at, lambda: self._end(hand, task))

    def _begin_s(self, hand: Hand) -> float:
        return self.costs.begin_s / self.truth.speeds[hand.place]

    def _work_s(self, hand: Hand, task: Task) -> float:
        if task.kind == "prepare":
            return self.costs.prepare_s - self._begin_s(hand)
        epochs = (
            EVALUATION_EPOCHS if task.kind == "evaluate" else task.epoch - self.epochs[task.subject]
        )
        return self.truth.epochs_s(hand.place, self.backbones[task.subject], epochs)

    def _end(self, hand: Hand, task: Task) -> None:
        if hand.task != task or self.now != hand.ends_at:
            return
        if task.kind == "train":
            self._measure(hand)
            self.epochs[task.subject] = task.epoch
        self.over.add(task)
        self._let_go(hand, following(self.asked, task))

    def _let_go(self, hand: Hand, following: list[Task]) -> None:
        task, hand.task = cast(Task, hand.task), None
        del self.held[task.lease_key]
        taker = next((other for other in self.hands if other.wants == task.subject), None)
        ours = [each for each in following if each.kind == "train"]
        self.idle.append(hand)
        if taker is not None and ours:
            self._mail(taker, ours[0])
        elif taker is not None and task.kind == "train":
            self._ring([taker.deferred] if taker.deferred else [])
            taker.wants = taker.deferred = None
        elif hand.wants is not None and ours:
            hand.deferred = ours[0]
        elif self.goes_on and task.kind == "train" and task in self.over and ours:
            self._mail(hand, ours[0])
        elif self.goes_on and task.kind == "train" and hand.wants is None and len(following) == 1:
            ours = following[:1]
            self._mail(hand, ours[0])
        else:
            ours = self._placed(following, hand) if self.goes_on else []
        self._ring([each for each in following if each not in ours])

    def _mail(self, hand: Hand, task: Task) -> None:
        def arrive() -> None:
            if hand.mail is None and (hand.task is None or hand.wants == task.subject):
                hand.mail = task
                self._deliver()
            else:
                self._ring([task])

        self._at(self.now + self.costs.message_s, arrive)

    def _placed(self, tasks: Sequence[Task], *also: Hand) -> list[Task]:
        """Send trainings to the idle workers that do best with them; those that were sent."""
        idle = {hand.name for hand in also}
        signs = [
            replace(hand.sign, busy=False, settled=True) if hand.name in idle else hand.sign
            for hand in self.hands
            if hand.sign.name
        ]
        placed = rebalance.assign_trainings(
            signs, [self._training(task) for task in tasks if task.kind == "train"]
        )
        for task in tasks:
            if task.id in placed:
                self._mail(next(hand for hand in self.hands if hand.name == placed[task.id]), task)
        return [task for task in tasks if task.id in placed]

    def _stop_soon(self, hand: Hand) -> None:
        """Within the time between two looks, and what it takes to put a checkpoint down."""
        at = self.now + self.rng.random() * self.costs.look_s + self.costs.stop_s
        task = hand.task
        hand.stops_at = at

        def stop() -> None:
            if (
                hand.task == task
                and hand.stops_at == at
                and hand.task is not None
                and hand.task.kind == "train"
            ):
                self.epochs[hand.task.subject] = self._position(hand, at - self.costs.stop_s)
                hand.ends_at = -1.0
                self._let_go(hand, [hand.task])

        self._at(at, stop)

    def _position(self, hand: Hand, when: float) -> float:
        task = cast(Task, hand.task)
        trained_s = max(0.0, when - hand.since - self._begin_s(hand))
        rate = self.truth.rates[hand.place][self.backbones[task.subject]] / IMAGES_AN_EPOCH
        return min(float(task.epoch), self.epochs[task.subject] + trained_s * rate)

    # What workers say of themselves, and ask

    def _measure(self, hand: Hand) -> None:
        if (
            hand.task is not None
            and self.now - hand.since - self._begin_s(hand) >= self.costs.measured_s
        ):
            backbone = self.backbones[hand.task.subject]
            noise = 1 + self.rng.uniform(-self.costs.noise, self.costs.noise)
            hand.rates[throughput.training_kind(backbone, 224, None)] = (
                self.truth.rates[hand.place][backbone] * noise
            )

    def _round(self, hand: Hand) -> None:
        training, task = None, hand.task
        if task is not None and task.kind == "train":
            self._measure(hand)
            left = (self.asked.target_epochs[-1] - self._position(hand, self.now)) * IMAGES_AN_EPOCH
            training = rebalance.ActiveTraining(
                task.id, throughput.training_kind(self.backbones[task.subject], 224, None), left
            )
        settled = (
            hand.wants is None
            and hand.stops_at is None
            and (self.now - hand.since > self._begin_s(hand) if task else not self.waiting)
        )
        hand.sign = rebalance.Peer(
            hand.name,
            dict(hand.rates),
            task is not None,
            training,
            settled,
            model=str(self.truth.speeds[hand.place]),
        )
        self._at(self.now + self.costs.tend_s, lambda: self._round(hand))
        if not settled:
            return
        mine = next(
            (
                each
                for each in self.take_overs(
                    [each.sign for each in self.hands if each.sign.name], self._unheld()
                )
                if each.taker == hand.name
            ),
            None,
        )
        if mine is not None:
            self._ask(hand, mine)

    def _unheld(self) -> list[rebalance.ActiveTraining]:
        last = self.asked.target_epochs[-1]
        return [
            self._training(Task("train", name, last))
            for name in self.backbones
            if f"train.{name}" not in self.held and self.epochs[name] < last
        ]

    def _training(self, task: Task) -> rebalance.ActiveTraining:
        left = (self.asked.target_epochs[-1] - self.epochs[task.subject]) * IMAGES_AN_EPOCH
        return rebalance.ActiveTraining(
            task.id, throughput.training_kind(self.backbones[task.subject], 224, None), left
        )

    def _ask(self, hand: Hand, wish: rebalance.Reassignment) -> None:
        subject = Task.parse(wish.task).subject
        holder = next((other for other in self.hands if other.name == wish.holder), hand)
        asked = any(other.wants == subject for other in self.hands)
        if (
            not asked
            and holder.task is not None
            and holder.task.subject == subject
            and holder.wants is None
        ):
            hand.wants, hand.asked = subject, holder
            self._stop_soon(holder)
            if hand.task is not None:
                self._stop_soon(hand)

"""What the decisions of a run stopped, what that saved, and what tuning changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jobs.catalog.metrics import METRICS
from jobs.store.decisions import Choice, Contender, Look, Rung
from orchestrator.analysis.run_data import RunData


@dataclass(frozen=True, slots=True)
class RaceStop:
    """A network that a look of a race stopped after a period."""

    period: int
    epoch: int
    look: Look
    contender: Contender


@dataclass(frozen=True, slots=True)
class Savings:
    """Image-epochs that the run asked for, and those that decisions spared it."""

    planned: int
    saved: int

    @property
    def share(self) -> float:
        """The share that was spared."""
        return self.saved / self.planned if self.planned else 0.0

    @property
    def factor(self) -> float:
        """How many times as much would have been trained without decisions."""
        return self.planned / max(self.planned - self.saved, 1)


def race_stops(run_data: RunData) -> list[RaceStop]:
    """The networks that a race stopped, in order, whether they were carried on since or not."""
    return [
        RaceStop(made.period, made.epoch, made.look, each)
        for made in run_data.decisions.made
        if made.look
        for each in made.look.contenders
        if each.stops
    ]


def choices(run_data: RunData) -> tuple[Choice, ...]:
    """What tuning chose; empty without it, or before the first period has ended."""
    made = run_data.decisions.made
    return made[0].choices if made else ()


def savings(run_data: RunData) -> Savings:
    """What is spared now: nothing of trials that were carried on."""
    images = sum(counts.get("train", 0) for counts in run_data.images_by_class.values())
    epochs = run_data.run.spec.epochs
    stops = run_data.decisions.stopped_now
    left = sum(
        epochs - max(epoch, _trained(run_data, trial))
        for trial, epoch in stops.items()
        if trial in run_data.trials
    )
    return Savings(images * epochs * len(run_data.trials), images * left)


def _trained(run_data: RunData, trial: str) -> int:
    """The epoch that a trial has reached, in another run perhaps."""
    last = run_data.run.spec.epochs
    reached = (epoch for epoch in run_data.trainings.get(trial, {}) if epoch <= last)
    return max(reached, default=0)


def at_edge(choice: Choice) -> bool:
    """Whether the chosen value is the smallest or largest that was tried."""
    numbers = [r.value for r in choice.rungs if isinstance(r.value, int | float)]
    return len(numbers) == len(choice.rungs) > 1 and choice.chosen in (min(numbers), max(numbers))


def leader_with(tuned: Sequence[Choice], pick: Callable[[Choice], object]) -> list[str]:
    """The networks that are first by validation, each with the value that `pick` gives."""
    values = {
        one.network: METRICS[one.metric].sign * rung.validation
        for one in tuned
        if (rung := rung_of(one, pick(one))) and rung.validation is not None
    }
    best = max(values.values(), default=None)
    return [name for name, value in values.items() if value == best]


def rung_of(choice: Choice, value: object) -> Rung | None:
    """What was measured of a value."""
    return next((rung for rung in choice.rungs if rung.value == value), None)


def unranked(run_data: RunData) -> list[str]:
    """Networks that decisions stopped before the compared period, so that it does not rank them."""
    stops = run_data.decisions.stopped_now
    ranked = {s.backbone for s in run_data.leader.ranking} if run_data.leader else set()
    labels = dict.fromkeys(run_data.label(trial) for trial in run_data.trials if trial in stops)
    return [label for label in labels if label not in ranked]

"""Accuracies on other data, beside those on the run's own test images, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from jobs.store.store import Store
from jobs.task import Task
from orchestrator.formatting import share


@dataclass(frozen=True, slots=True)
class EvaluatedTrial:
    """A trial after an epoch: its accuracy on other data, and on the run's own test images."""

    trial: str
    epoch: int
    accuracy: float | None
    own_accuracy: float | None


def read(store: Store, tasks: Sequence[Task]) -> list[EvaluatedTrial]:
    """The evaluations that are done."""
    pairs = ((task, store.done(task)) for task in tasks)
    return [
        EvaluatedTrial(task.subject, task.epoch, result.accuracy, _own(store, task))
        for task, result in pairs
        if result is not None
    ]


def _own(store: Store, task: Task) -> float | None:
    own = store.done(replace(task, data=""))
    return None if own is None else own.accuracy


def lines(name: str, evaluated: Sequence[EvaluatedTrial]) -> list[str]:
    """A table, the networks in the order of the run."""
    if not evaluated:
        return [f"no network is evaluated on {name} yet"]
    width = max(len(one.trial) for one in evaluated)
    there = f"accuracy on {name}"
    told = [f"{'trial':<{width}}  {there}  on own test images"]
    return told + [
        f"{one.trial:<{width}}  {share(one.accuracy):>{len(there)}}  {share(one.own_accuracy):>18}"
        for one in evaluated
    ]


def facts(evaluated: Sequence[EvaluatedTrial]) -> list[dict[str, Any]]:
    """The same as JSON values."""
    return [asdict(one) for one in evaluated]

"""Accuracies on other data, beside those on the run's own test images, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from jobs import plan
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.formatting import share


@dataclass(frozen=True, slots=True)
class EvaluatedTrial:
    """A trial after an epoch: its accuracy on other data, and on the run's own test images.

    `backbone` is its network, in a grid with its setting.
    """

    trial: str
    backbone: str
    seed: int
    epoch: int
    accuracy: float | None
    own_accuracy: float | None


def read(store: Store, run: Run, tasks: Sequence[Task]) -> list[EvaluatedTrial]:
    """The evaluations of a run's trials that are done."""
    done = [(task, result) for task in tasks if (result := store.done(task)) is not None]
    trials = {task.subject: store.load_trial(task.subject) for task, _ in done}
    return [
        EvaluatedTrial(
            task.subject,
            plan.label_of(run.spec, trials[task.subject]),
            trials[task.subject].seed,
            task.epoch,
            result.accuracy,
            _own(store, task),
        )
        for task, result in done
    ]


def _own(store: Store, task: Task) -> float | None:
    own = store.done(replace(task, data=""))
    return None if own is None else own.accuracy


def lines(name: str, evaluated: Sequence[EvaluatedTrial]) -> list[str]:
    """A table, the networks in the order of the run."""
    if not evaluated:
        return [f"no network is evaluated on {name} yet"]
    names = _names(evaluated)
    width = max(len("network"), *map(len, names))
    there = f"accuracy on {name}"
    told = [f"{'network':<{width}}  {there}  on own test images"]
    return told + [
        f"{name:<{width}}  {share(one.accuracy):>{len(there)}}  {share(one.own_accuracy):>18}"
        for name, one in zip(names, evaluated, strict=True)
    ]


def _names(evaluated: Sequence[EvaluatedTrial]) -> list[str]:
    """The networks; with their seeds where there are several, or the trials over several splits."""
    for names in (
        [one.backbone for one in evaluated],
        [f"{one.backbone}, seed {one.seed}" for one in evaluated],
    ):
        if len({*names}) == len(names):
            return names
    return [one.trial for one in evaluated]


def facts(evaluated: Sequence[EvaluatedTrial]) -> list[dict[str, Any]]:
    """The same as JSON values."""
    return [asdict(one) for one in evaluated]

"""What was decided between the periods of a run: which trials stop, and why.

A decision is recorded by the first worker that finds all its inputs published. It depends on
published validation answers alone, so any other worker would record the same. A damaged record
counts as not made, and is made again.
"""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from jobs import atomic
from jobs.errors import DamagedFile
from jobs.store import codec
from jobs.store.records import Number, Record
from jobs.task import ON

if TYPE_CHECKING:
    from jobs.store.paths import StorePaths
    from jobs.store.runs import Run, RunOutline
    from jobs.task import Task


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """A value of a tuned key: its trials, and their mean validation metric and loss.

    `state` is `trained`, `diverged` (the loss was not finite) or `failed`.
    """

    value: Any
    trials: tuple[str, ...]
    state: str
    validation: Number | None
    loss: Number | None


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a tuned key that a network goes on with; `own` is the recipe's."""

    network: str
    key: str
    metric: str
    chosen: Any
    own: Any
    rungs: tuple[Rung, ...]


class Contender(msgspec.Struct, frozen=True, kw_only=True):
    """A network against the leader: how much of the validation images it is behind, and p-values.

    `only_leader` and `only_own` count images that one of both has right, with the first seed. `p`
    is one-sided, and `p_corrected` times the numbers of rivals and looks. The forecasts are the
    accuracies that both curves lead to, its own at the upper 95% limit of its pace; None where one
    epoch tells no pace.
    """

    network: str
    trials: tuple[str, ...]
    accuracy: Number
    behind: Number
    only_leader: int
    only_own: int
    p: Number
    p_corrected: Number
    forecast: Number | None
    leader_forecast: Number | None
    stops: bool


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One look of a race: `level` is its share of the error of all `looks`.

    `absent` are networks that were not compared: a training failed, or its answers are unknown.
    """

    number: int
    looks: int
    level: Number
    rivals: int
    images: int
    seeds: int
    leader: str
    leader_accuracy: Number
    contenders: tuple[Contender, ...]
    absent: tuple[str, ...] = ()


class DecisionRecord(Record, frozen=True, kw_only=True):
    """What was decided after a period: the epoch after which each stopped trial ends.

    `left` counts the networks that go on.
    """

    period: int
    epoch: int
    stopped: dict[str, int]
    left: int
    choices: tuple[Choice, ...] = ()
    look: Look | None = None


class CarriedOnRecord(Record, frozen=True):
    """Stopped trials go on, since this Unix time; nothing more is decided."""

    at: Number


@dataclass(frozen=True, slots=True)
class Decisions:
    """What was decided of a run so far, in order; `epochs` are those after which it decides."""

    epochs: tuple[int, ...] = ()
    made: tuple[DecisionRecord, ...] = ()
    carried_on: CarriedOnRecord | None = None
    stopped: dict[str, int] = field(default_factory=dict)

    @property
    def pending(self) -> int | None:
        """The epoch of the next decision; None if there is nothing more to decide."""
        over = self.carried_on or len(self.made) == len(self.epochs)
        if over or (self.made and self.made[-1].left < 2):
            return None
        return self.epochs[len(self.made)]

    @property
    def stopped_now(self) -> dict[str, int]:
        """The stopped trials, each with its last epoch; none once they are carried on."""
        return {} if self.carried_on else self.stopped

    def stop_of(self, trial: str) -> int | None:
        """The epoch after which a trial was stopped; None if it goes on."""
        return self.stopped_now.get(trial)

    def reach(self, trial: str) -> int | None:
        """The epoch up to which a trial is wanted now; None: to its end."""
        stop = self.stop_of(trial)
        return self.pending if stop is None else stop

    def allows(self, task: Task) -> bool:
        """Whether a task of a trial is wanted now; evaluations on other data always are."""
        reach = self.reach(task.subject)
        return reach is None or task.epoch <= reach or bool(task.data or task.way)


NONE = Decisions()


def is_beyond(place: str, epoch: int) -> bool:
    """Whether the end of a task id, such as `0010.blur-3`, is of a later epoch than this."""
    number, _, rest = place.partition(".")
    return int(number) > epoch and not rest.startswith(ON)


def read(store: StorePaths, run: Run | RunOutline) -> Decisions:
    """What was decided of a run so far; raises `NewerRecord`."""
    epochs = run.decision_epochs
    if not epochs:
        return NONE
    made = list[DecisionRecord]()
    names = set(atomic.list_names(store.decisions_folder(run.name)))
    for period in range(1, len(epochs) + 1):
        path = store.decision_path(run.name, period)
        record = _record(path) if path.name in names else None
        if record is None:
            break
        made.append(record)
    stopped = {trial: epoch for record in made for trial, epoch in record.stopped.items()}
    return Decisions(epochs, tuple(made), _carried_on(store, run.name), stopped)


def wants(store: StorePaths, run: Run, task: Task) -> bool:
    """Whether a run wants a task of one of its trials now."""
    later = task.corruption or task.data or task.kind in ("rank", "bench")
    trains = not run.spec.rank and task.epoch <= run.spec.epochs
    asked = task.id in run.tasks if later else trains
    return asked and (not run.decision_epochs or read(store, run).allows(task))


def record(store: StorePaths, run: str, decision: DecisionRecord) -> None:
    """Record a decision; one that is there stays, unless it is damaged. Raises `NewerRecord`."""
    path = store.decision_path(run, decision.period)
    if not atomic.create_json(path, codec.encode(decision)) and _record(path) is None:
        atomic.write_json(path, codec.encode(decision))


def carry_on(store: StorePaths, run: str, at: float) -> None:
    """Carry stopped trials of a run on; the first time stays."""
    codec.refuse_newer(CarriedOnRecord, store.carried_on_path(run))
    atomic.create_json(store.carried_on_path(run), codec.encode(CarriedOnRecord(at)))


def _carried_on(store: StorePaths, run: str) -> CarriedOnRecord | None:
    """A damaged record still says that somebody wanted it."""
    try:
        return codec.read(store.carried_on_path(run), CarriedOnRecord)
    except DamagedFile:
        return CarriedOnRecord(0)


def _record(path: Path) -> DecisionRecord | None:
    """The record of a decision; None where it is damaged or was just removed."""
    with contextlib.suppress(DamagedFile, FileNotFoundError, NotADirectoryError):
        return _whole(path, atomic.file_state(path))
    return None


@functools.lru_cache(maxsize=1024)
def _whole(path: Path, state: tuple[int, ...]) -> DecisionRecord | None:
    return codec.read(path, DecisionRecord)

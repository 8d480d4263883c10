"""The record of a run: its specification and the plan expanded from it."""

from __future__ import annotations

import contextlib
import functools
import itertools
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.errors import NewerRecord, RequestError
from jobs.spec.looks import decision_epochs
from jobs.store import codec
from jobs.store.records import Number, RunRecord
from jobs.task import NAME, Task
from jobs.versions import numbers, version_of

if TYPE_CHECKING:
    from jobs.spec.model import Spec

PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""A name of a run, or of a file beside others: of letters, and no path."""


@dataclass(frozen=True, slots=True)
class Run:
    """One `orch submit`. `trials` and `tasks` are in the order in which they are enqueued.

    `notes` say what was odd about its data when it was submitted.
    """

    name: str
    spec: Spec
    data: str
    trials: tuple[str, ...]
    tasks: tuple[str, ...]
    submitted_at: Number
    provenance: dict[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def data_sets(self) -> tuple[str, ...]:
        """The preparations of the run's images, of which `data` is the first."""
        return _data_sets(self.data, self.tasks)

    @property
    def all_data_sets(self) -> tuple[str, ...]:
        """The same, and those of other data that its networks are evaluated on."""
        return _all_data_sets(self.data_sets, self.tasks)

    @property
    def format(self) -> int:
        """The format of its record: the oldest whose orch knows all that the run asks for."""
        if self.spec.rank or any(task.startswith("bench.") for task in self.tasks):
            return 3
        return 1 if self.all_data_sets == self.data_sets else 2

    @property
    def recorded_spec(self) -> dict[str, Any]:
        """The specification as its record holds it."""
        return self.spec.model_dump(mode="json")

    @property
    def decision_epochs(self) -> tuple[int, ...]:
        """The epochs after which it is decided which trials go on; none in most runs."""
        spec = self.spec
        return decision_epochs(spec.race, spec.tune, spec.periods, spec.epochs_per_period)

    def period_of(self, epoch: int) -> int:
        """The period (from 1) of this run that an epoch (from 1) belongs to."""
        return (epoch - 1) // self.spec.epochs_per_period + 1

    def epoch_of(self, period: int) -> int:
        """The last epoch of a period."""
        return period * self.spec.epochs_per_period


@dataclass(frozen=True, slots=True)
class RunOutline:
    """A run whose specification is not checked: enough to look it up in the ledger.

    `settings` are the recorded values of its specification.
    """

    name: str
    data: str
    trials: tuple[str, ...]
    tasks: tuple[str, ...]
    submitted_at: Number
    settings: dict[str, Any] = field(default_factory=dict, compare=False)
    provenance: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def recorded_spec(self) -> dict[str, Any]:
        """The specification as its record holds it."""
        return self.settings

    @property
    def decision_epochs(self) -> tuple[int, ...]:
        """The epochs after which it is decided which trials go on; none in most runs."""
        race, tune = self.settings.get("race"), self.settings.get("tune")
        sizes = (self.settings.get(key) for key in ("periods", "epochs_per_period"))
        periods, epochs = (size if isinstance(size, int) else 0 for size in sizes)
        return decision_epochs(bool(race), tune, periods, epochs) if race or tune else ()

    @property
    def data_sets(self) -> tuple[str, ...]:
        """The preparations of the run's images, of which `data` is the first."""
        return _data_sets(self.data, self.tasks)

    @property
    def all_data_sets(self) -> tuple[str, ...]:
        """The same, and those of other data that its networks are evaluated on."""
        return _all_data_sets(self.data_sets, self.tasks)


def is_later(run: Run | RunOutline, task: Task) -> bool:
    """Whether a task of a run was added after its submission: on other data, or a benchmark."""
    other = task.kind == "prepare" and task.subject not in run.data_sets
    return task.kind == "bench" or bool(task.data) or other


def _all_data_sets(own: tuple[str, ...], tasks: tuple[str, ...]) -> tuple[str, ...]:
    """`own`, and the data sets that later tasks prepare."""
    prepared = (task.split(".", 2)[1] for task in tasks if _prepares(task))
    return tuple(dict.fromkeys((*own, *prepared)))


def _data_sets(first: str, tasks: tuple[str, ...]) -> tuple[str, ...]:
    """The data sets that the first tasks prepare; `first` where a run has no such task."""
    named = (task.split(".", 2) for task in itertools.takewhile(_prepares, tasks))
    return tuple(dict.fromkeys((first, *(subject for _, subject, _ in named))))


def _prepares(task: str) -> bool:
    return task.startswith("prepare.")


# Cached until the file changes, because a large plan is slow to read.


@functools.lru_cache(maxsize=16)
def read_run(path: Path, state: tuple[int, ...], name: str | None = None) -> Run:
    """The run in a file, read again only if its state (`atomic.file_state`) has changed.

    `name` is that of the run, by default that of its folder. Raises `FileNotFoundError`,
    `DamagedFile`, `NewerRecord` and `UnknownEntry`.
    """
    from jobs.spec import unknown_entries, value_errors
    from jobs.spec.model import Spec

    outline, record = _checked(path, name)
    try:
        spec = Spec(**record.spec)
    except (TypeError, ValueError, AttributeError, RequestError) as error:
        newer = _newer(record, Spec)
        if strange := unknown_entries.told(record.spec):
            raise codec.unknown_entry(path, f"the run {outline.name}", strange, newer) from None
        if newer:
            raise NewerRecord(
                f"{path} {newer}, and this is orch {version_of('orch')}. The run is left as it is. "
                "Upgrade orch on this machine."
            ) from None
        raise codec.damaged_file(path, value_errors.first_problem(error, Spec)) from None
    return Run(
        outline.name,
        spec,
        outline.data,
        outline.trials,
        outline.tasks,
        outline.submitted_at,
        record.provenance,
        record.notes,
    )


def _newer(record: RunRecord, model: type[Spec]) -> str:
    """What tells that a newer orch has submitted this run; empty if nothing does."""
    known = {key: value for key, value in record.spec.items() if key in model.model_fields}
    if unknown := sorted(set(record.spec) - set(known)):
        with contextlib.suppress(TypeError, ValueError, AttributeError, RequestError):
            model(**known)
            return f"has the setting '{unknown[0][:80]}' of a newer orch"
    versions = record.provenance.get("versions")
    theirs = versions.get("orch") if isinstance(versions, dict) else None
    if isinstance(theirs, str) and numbers(theirs) > numbers(version_of("orch")):
        return f"was submitted by orch {theirs[:20]}"
    return ""


@functools.lru_cache(maxsize=16)
def read_outline(path: Path, state: tuple[int, ...], name: str | None = None) -> RunOutline:
    """Like `read_run`, without the specification, whose contents are not checked."""
    return _checked(path, name)[0]


def _checked(path: Path, name: str | None = None) -> tuple[RunOutline, RunRecord]:
    record = codec.read(path, RunRecord)
    if record is None:
        raise FileNotFoundError(path)
    name = name or path.parent.name
    try:
        if record.name != name or not all(
            NAME.fullmatch(each) for each in (record.data, *record.trials)
        ):
            raise ValueError("it names data or trials of another run")
        tasks = {(task.kind, task.subject) for task in map(Task.parse, record.tasks)}
        work = "rank" if record.spec.get("rank") else "train"
        lacking = {
            ("prepare", record.data),
            *((work, trial) for trial in record.trials),
        } - tasks
        if lacking:
            raise ValueError(f"it lacks a task to {' '.join(min(lacking))}")
    except (TypeError, ValueError, RequestError) as error:
        raise codec.damaged_file(path, " ".join(str(error).split())[:80]) from None
    outline = RunOutline(
        name,
        record.data,
        record.trials,
        record.tasks,
        record.submitted_at,
        record.spec,
        record.provenance,
    )
    return outline, record

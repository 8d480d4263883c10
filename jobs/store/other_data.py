"""Other labelled data that a run's networks are evaluated on: its records, and its readiness."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import TYPE_CHECKING

from jobs import atomic
from jobs.store import codec, marks
from jobs.store.records import Record
from jobs.task import Task

if TYPE_CHECKING:
    from jobs.store.ledger import Ledger
    from jobs.store.runs import Run, RunOutline
    from jobs.store.store import Store


class OtherDataRecord(Record, frozen=True, kw_only=True):
    """Other data of a run (`runs/<run>/others/<name>.json`), as `orch evaluate` found it.

    `data_sets` are its preparations, as many as the run's networks have. `images` counts those of
    the run's classes, `left_out` the others by class. `missing` are the run's classes without an
    image, `broken` the files that are left out as no images.
    """

    name: str
    origin: str
    data_sets: tuple[str, ...]
    images: int | None
    left_out: dict[str, int]
    missing: tuple[str, ...]
    broken: tuple[str, ...] = ()


def recorded(store: Store, run: str) -> list[OtherDataRecord]:
    """The other data of a run, by name; raises `DamagedFile` and `NewerRecord`."""
    folder = store.others_folder(run)
    names = sorted(name for name in atomic.list_names(folder) if name.endswith(".json"))
    records = (codec.read(folder / name, OtherDataRecord) for name in names)
    return [record for record in records if record is not None]


def record(store: Store, run: str, other: OtherDataRecord, tasks: Iterable[Task]) -> None:
    """Record other data of a run, and that these evaluations of its trials are wanted."""
    path = store.others_folder(run) / f"{other.name}.json"
    codec.refuse_newer(OtherDataRecord, path)
    atomic.write_json(path, codec.encode(other))
    marks.mark(store, tasks)


def forget_unused(store: Store, run: str, used: Container[str]) -> None:
    """Remove the records of other data of a run of which no data set is used."""
    for other in recorded(store, run):
        if not any(data in used for data in other.data_sets):
            (store.others_folder(run) / f"{other.name}.json").unlink(missing_ok=True)


def preparations(run: Run | RunOutline, ledger: Ledger) -> list[Task]:
    """What is still to prepare of a run's other data."""
    tasks = (Task("prepare", data) for data in run.all_data_sets if data not in run.data_sets)
    return [task for task in tasks if not (ledger.is_done(task) or ledger.has_failed(task))]


def is_prepared(ledger: Ledger, task: Task) -> bool:
    """Whether the other data of an evaluation, if it is one on other data, are prepared."""
    return not task.data or ledger.is_done(Task("prepare", task.data))


def uses(store: Store, task: Task, data: str) -> bool:
    """Whether a training or an evaluation uses a data set."""
    return task.kind != "prepare" and (task.data or store.load_trial(task.subject).data) == data


def trials_on(store: Store, run: Run | RunOutline, data: str) -> set[str]:
    """The trials of a run that are trained on a data set."""
    if run.data_sets == (data,):
        return set(run.trials)
    return {trial for trial in run.trials if store.load_trial(trial).data == data}

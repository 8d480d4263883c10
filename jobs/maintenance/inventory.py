"""The files listed in the records of a run, with their checksums."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jobs import atomic
from jobs.errors import DamagedFile, NewerRecord, OrchError, StoreUnusable
from jobs.maintenance.file_check import FileCheck as FileCheck
from jobs.maintenance.verified_decisions import check_decisions
from jobs.store import codec
from jobs.store.records import CheckpointRecord
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task


@dataclass(frozen=True, slots=True)
class ExpectedFile:
    """A file as described in a record; `sha256` is None for a table without a checksum.

    `bytes` is its size. `task` is the id of the task that recreates it, or None.
    """

    path: str
    sha256: str | None
    bytes: int
    task: str | None
    record: Path


def files_of_run(store: Store, run: Run) -> list[ExpectedFile | FileCheck]:
    """All files that a report of the run reads, and the checkpoints of its trials.

    These include the files published by its done tasks, and by tasks of other runs for the same
    trials. The records themselves are already checked here.
    """
    files: list[ExpectedFile | FileCheck] = []
    for task in _tasks(store, run):
        files += _of_task(store, task)
    for trial in run.trials:
        files += [*_of_trial(store, trial), *_of_checkpoints(store, trial)]
    files += [*_of_failures(store, run), *_of_data(store, run), *_of_networks(store, run)]
    files += check_decisions(store, run)
    return [*files, *_of_tables(store, run, {each.path for each in files})]


def _tasks(store: Store, run: Run) -> list[Task]:
    """The run's tasks, then those of other runs for its trials.

    The reports of all these runs read the same tables.
    """
    own = map(Task.parse, run.tasks)
    shared = (
        task
        for trial in run.trials
        for epoch, evaluations in store.evaluations_by_epoch(trial).items()
        for task in (Task("train", trial, epoch), *evaluations)
    )
    return list(dict.fromkeys([*own, *shared]))


def _of_task(store: Store, task: Task) -> Iterator[ExpectedFile | FileCheck]:
    record = store.done_path(task)
    place = record.relative_to(store.root).as_posix()
    try:
        result = store.done(task)
        if result is None:
            return
        if result.files is None:
            raise codec.damaged_file(record, "it lacks 'files'")
        claims = [
            ExpectedFile(file.path, file.sha256, file.bytes, task.id, record)
            for file in result.files
        ]
    except DamagedFile:
        yield FileCheck(place, 0, "is not a complete record", task.id)
        return
    yield FileCheck(place, 0, None, task.id)
    yield from claims
    checkpoint = _needed(store, task)
    if checkpoint and not (store.root / checkpoint).exists():
        yield FileCheck(checkpoint, 0, "is missing", task.id)


def _of_failures(store: Store, run: Run) -> Iterator[FileCheck]:
    """Records of failed tasks; a task whose record is truncated is to be repeated."""
    for task in map(Task.parse, run.tasks):
        if store.has_failed(task):
            place = store.failed_path(task).relative_to(store.root).as_posix()
            try:
                store.failed(task)
                yield FileCheck(place, 0, None, None)
            except DamagedFile:
                yield FileCheck(place, 0, "is not a complete record", task.id)


def _of_data(store: Store, run: Run) -> Iterator[FileCheck]:
    """Check the source and inventory of each data set, which submitting again rewrites."""
    from jobs.store import tables

    checks: list[tuple[Path, Callable[[], object]]] = []
    for data in run.all_data_sets:
        inventory = store.inventory_path(data)
        checks += [
            (store.source_path(data), partial(store.described, data)),
            (inventory, partial(tables.read_table, inventory, tables.INVENTORY)),
        ]
    for path, read in checks:
        place = path.relative_to(store.root).as_posix()
        try:
            read()
            yield FileCheck(place, 0, None, None)
        except (DamagedFile, StoreUnusable):
            yield FileCheck(
                place,
                0,
                "cannot be read; remove it, then the same 'orch submit' writes it again",
                None,
            )


def _of_networks(store: Store, run: Run) -> Iterator[ExpectedFile]:
    """Own files of networks and weights, which their names hold the checksums of."""
    for network in run.spec.networks.values():
        for name in network.files:
            path = store.network_path(name)
            size = path.stat().st_size if path.exists() else 0
            place = path.relative_to(store.root).as_posix()
            yield ExpectedFile(place, name.partition(".")[0], size, None, store.run_path(run.name))


def _of_trial(store: Store, name: str) -> Iterator[FileCheck]:
    """Check the trial against the hash in its name."""
    path = store.trial_path(name).relative_to(store.root).as_posix()
    try:
        whole = store.load_trial(name).name == name
    except NewerRecord:
        raise
    except (OrchError, ValueError, TypeError, KeyError):
        whole = False
    yield FileCheck(path, 0, None if whole else "does not match the hash in the trial's name", None)


def _of_checkpoints(store: Store, trial: str) -> Iterator[ExpectedFile | FileCheck]:
    needed = {
        checkpoint: task.id
        for epoch in store.target_epochs(trial)
        if (checkpoint := _needed(store, task := Task("train", trial, epoch)))
    }
    folder = store.checkpoints_folder(trial)
    for name in atomic.list_names(folder):
        if name.endswith(".json"):
            place = (folder / name).with_suffix(".pt").relative_to(store.root).as_posix()
            try:
                said = codec.read(folder / name, CheckpointRecord)
                if said is not None:
                    yield ExpectedFile(
                        place, said.sha256, said.bytes, needed.get(place), folder / name
                    )
            except DamagedFile:
                yield FileCheck(place, 0, "has a damaged checksum file", needed.get(place))


def _of_tables(store: Store, run: Run, known: set[str]) -> Iterator[ExpectedFile]:
    """Tables without a recorded checksum: attempts, and files left behind by dead attempts."""
    from jobs.store import tables

    for table in tables.SCHEMAS:
        for subject in tables.partitions([tables.DATA_SETS, *run.trials]):
            folder = tables.table_folder(table, subject)
            for place in (f"{folder}/{name}" for name in atomic.list_names(store.root / folder)):
                path = store.root / place
                if place.endswith(".parquet") and place not in known and path.is_file():
                    yield ExpectedFile(place, None, path.stat().st_size, None, path)


def _needed(store: Store, task: Task) -> str | None:
    """The checkpoint of a finished training, or None if no evaluation still needs it."""
    if task.kind != "train" or all(map(store.is_done, store.evaluations(task.subject, task.epoch))):
        return None
    with contextlib.suppress(DamagedFile):
        result = store.done(task)
        return result.checkpoint if result else None
    return None

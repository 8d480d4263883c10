"""Whether a run's published files are still what their digests say, and what to make again where they are not."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jobs import files, plan
from jobs.errors import DamagedFile, OrchError, StoreUnusable
from jobs.run import Run
from jobs.store import Store
from jobs.task import Task

CHUNK = 1 << 23

Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One file that was looked at: `problem` is None when it is whole; `task` makes it again (None: nothing has to)."""

    path: str
    bytes: int
    problem: str | None
    task: str | None


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a record says of a file; no digest (None) where none is kept, of a table that has to be read instead."""

    path: str
    sha256: str | None
    bytes: int
    task: str | None
    record: Path


def audit(store: Store, run: Run, tell: Tell = lambda done, total: None) -> Iterator[Finding]:
    """Look at every file that a report of the run reads and every checkpoint of its trials, reading each whole.

    Those are what its done tasks published, and what tasks of other runs published of the same trials.
    `tell(done, total)` counts bytes. What changes while it is looked at, because a worker is at work, is no finding.
    """
    looked: list[_Claim | Finding] = []
    for task in _tasks(store, run):
        looked += _of_task(store, task)
    for trial in run.trials:
        looked += [*_of_trial(store, trial), *_of_checkpoints(store, trial)]
    looked += [*_of_failures(store, run), *_of_data(store, run)]
    looked += _of_tables(store, run, {each.path for each in looked})
    done, total = 0, sum(each.bytes for each in looked if isinstance(each, _Claim))
    for each in looked:
        if isinstance(each, Finding):
            yield each
            continue
        before = _contents(each.record)
        problem = _problem(store.root / each.path, each, partial(_further, tell, done, total))
        done += each.bytes
        tell(done, total)
        if problem is None or (before is not None and _contents(each.record) == before):
            yield Finding(each.path, each.bytes, problem, each.task)


def discard(store: Store, findings: list[Finding], run: Run | None = None) -> list[str]:
    """Take damaged files out of the ledger so that `orch resume` makes them again; the tasks to be done again.

    Every file is made from what came before it with counted randomness, so what is made again is the same.
    """
    again = set()
    for finding in findings:
        if finding.problem is None:
            continue
        path = store.root / finding.path
        if finding.task is not None:
            store.done_path(Task.parse(finding.task)).unlink(missing_ok=True)
            again.add(finding.task)
        if path.suffix == ".pt":
            path.with_suffix(".json").unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        if run is not None and path.name == "trial.json":
            _describe_again(store, run, path.parent.name)
    return sorted(again)


def take_back(store: Store, trained: Task) -> None:
    """Have a training done again whose checkpoint can no longer be read: from the one before, it ends the same."""
    with contextlib.suppress(ValueError):
        checkpoint = (store.done(trained) or {}).get("checkpoint")
        if checkpoint:
            (store.root / checkpoint).with_suffix(".json").unlink(missing_ok=True)
            (store.root / checkpoint).unlink(missing_ok=True)
    store.done_path(trained).unlink(missing_ok=True)


def _tasks(store: Store, run: Run) -> list[Task]:
    """The run's tasks, then those of other runs at its trials' marks: reports of all of them read the same tables."""
    own = map(Task.parse, run.tasks)
    shared = (
        task for trial in run.trials for mark, tests in store.marked(trial).items()
        for task in (Task("train", trial, mark), *tests)
    )
    return list(dict.fromkeys([*own, *shared]))


def _of_task(store: Store, task: Task) -> Iterator[_Claim | Finding]:
    record = store.done_path(task)
    place = record.relative_to(store.root).as_posix()
    try:
        outcome = store.done(task)
        if outcome is None:
            return
        claims = [_Claim(e["path"], e["sha256"], int(e["bytes"]), task.id, record) for e in outcome["files"]]
    except (ValueError, TypeError, KeyError):
        yield Finding(place, 0, "is not a whole record", task.id)
        return
    yield Finding(place, 0, None, task.id)
    yield from claims
    checkpoint = _needed(store, task)
    if checkpoint and not (store.root / checkpoint).exists():
        yield Finding(checkpoint, 0, "is missing", task.id)


def _of_failures(store: Store, run: Run) -> Iterator[Finding]:
    """Records of tasks that will not be tried again; a torn one is tried again."""
    for task in map(Task.parse, run.tasks):
        if store.has_failed(task):
            place = store.failed_path(task).relative_to(store.root).as_posix()
            try:
                store.failed(task)
                yield Finding(place, 0, None, None)
            except DamagedFile:
                yield Finding(place, 0, "is not a whole record", task.id)


def _of_data(store: Store, run: Run) -> Iterator[Finding]:
    """What the data set is made of, as submitted; asking for the same again writes it anew."""
    from jobs import results

    folder = store.data_folder(run.data)
    for name, read in (
        ("source.json", partial(store.data_settings, run.data)),
        ("inventory.parquet", partial(results.table, folder / "inventory.parquet", results.INVENTORY)),
    ):
        place = (folder / name).relative_to(store.root).as_posix()
        try:
            read()
            yield Finding(place, 0, None, None)
        except (DamagedFile, StoreUnusable):
            yield Finding(place, 0, "cannot be read; the same 'orch submit' writes it anew once it is taken out", None)


def _of_trial(store: Store, name: str) -> Iterator[Finding]:
    """A trial's name ends in the digest of what it is."""
    path = (store.trial_folder(name) / "trial.json").relative_to(store.root).as_posix()
    try:
        whole = store.load_trial(name).name == name
    except (OrchError, ValueError, TypeError, KeyError):
        whole = False
    yield Finding(path, 0, None if whole else "is not what the trial's name says", None)


def _of_checkpoints(store: Store, trial: str) -> Iterator[_Claim | Finding]:
    needed = {
        checkpoint: task.id for epoch in store.marks(trial)
        if (checkpoint := _needed(store, task := Task("train", trial, epoch)))
    }
    folder = store.trial_folder(trial) / "checkpoints"
    for name in files.names(folder):
        if name.endswith(".json"):
            place = (folder / name).with_suffix(".pt").relative_to(store.root).as_posix()
            try:
                said = files.read_json(folder / name) or {}
                yield _Claim(place, said["sha256"], int(said["bytes"]), needed.get(place), folder / name)
            except (ValueError, TypeError, KeyError):
                if (folder / name).exists():
                    yield Finding(place, 0, "has a torn digest file", needed.get(place))


def _of_tables(store: Store, run: Run, known: set[str]) -> Iterator[_Claim]:
    """Tables of the run's trials of which nobody keeps a digest: attempts, and what a dead attempt left there."""
    from jobs import results

    for table in results.SCHEMAS:
        for subject in (results.DATA_SETS, *run.trials):
            folder = results.folder(table, subject)
            for place in (f"{folder}/{name}" for name in files.names(store.root / folder)):
                path = store.root / place
                if place.endswith(".parquet") and place not in known and path.is_file():
                    yield _Claim(place, None, path.stat().st_size, None, path)


def _needed(store: Store, task: Task) -> str | None:
    """The checkpoint that a finished training names, as long as an evaluation is to come."""
    if task.kind != "train" or all(map(store.is_done, store.tests(task.subject, task.epoch))):
        return None
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        checkpoint = (store.done(task) or {}).get("checkpoint")
        return str(checkpoint) if checkpoint else None
    return None


def _problem(path: Path, claim: _Claim, tell: Callable[[int], None]) -> str | None:
    try:
        if claim.sha256 is None:
            return _unread(path)
        size = path.stat().st_size
        if size != claim.bytes:
            return f"has {size:,} bytes instead of {claim.bytes:,}"
        return None if _digest(path, tell) == claim.sha256 else "has other contents than its digest says"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _unread(path: Path) -> str | None:
    """What keeps a table of the results from being read."""
    from jobs import results

    try:
        results.table(path, results.SCHEMAS[path.parent.parent.name])
    except DamagedFile:
        return "is not a whole table"
    return None


def _digest(path: Path, tell: Callable[[int], None]) -> str:
    summed, read = hashlib.sha256(), 0
    with path.open("rb") as handle:
        while chunk := handle.read(CHUNK):
            summed.update(chunk)
            read += len(chunk)
            tell(read)
    return summed.hexdigest()


def _further(tell: Tell, done: int, total: int, more: int) -> None:
    tell(done + more, total)


def _contents(record: Path) -> bytes | None:
    with contextlib.suppress(OSError):
        return record.read_bytes()
    return None


def _describe_again(store: Store, run: Run, name: str) -> None:
    """Write a trial down once more, as the run's spec has it."""
    unfolded = plan.unfold(run.spec, run.data)
    for trial in unfolded.trials:
        if trial.name == name:
            store.save_trial(trial, list(unfolded.marks), run.name, unfolded.variants)

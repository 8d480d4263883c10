"""Check the decisions of a run against the published answers that they rest on."""

from __future__ import annotations

from collections.abc import Iterator

from jobs import atomic
from jobs.errors import DamagedFile
from jobs.maintenance.file_check import FileCheck
from jobs.racing import record_decisions
from jobs.store import codec
from jobs.store.decisions import DecisionRecord
from jobs.store.runs import Run
from jobs.store.store import Store


def check_decisions(store: Store, run: Run) -> Iterator[FileCheck]:
    """A check of each decision of a run; one that is removed is made again by a worker."""
    if not run.decision_epochs:
        return
    damaged = set[str]()
    for name in atomic.list_names(store.decisions_folder(run.name)):
        path = store.decisions_folder(run.name) / name
        try:
            codec.read(path, DecisionRecord)
        except DamagedFile:
            damaged.add(name)
            place = path.relative_to(store.root).as_posix()
            yield FileCheck(place, 0, "is not a complete record; it is made again", None)
    try:
        pairs = record_decisions.again(store, run)
    except DamagedFile:  # of published answers, which is told of these
        return
    for made, now in pairs:
        path = store.decision_path(run.name, made.period)
        differs = now is not None and _rests_on_all(made) and now != made
        problem = "does not follow from the published answers" if differs else None
        if path.name not in damaged:
            yield FileCheck(path.relative_to(store.root).as_posix(), 0, problem, None)


def _rests_on_all(made: DecisionRecord) -> bool:
    """Whether nothing was missing then that may be there now, such as a training that failed."""
    absent = made.look.absent if made.look else ()
    rungs = (rung for choice in made.choices for rung in choice.rungs)
    return not absent and all(rung.state == "trained" for rung in rungs)

"""Where the logs are that a name means: those of attempts in the store, of workers on this machine.

Logs of attempts are in the store. Logs of workers are in this user's folder of state: those of
workers that 'orch up', 'orch submit' and 'orch worker --device all' have started here.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from jobs import atomic
from jobs.errors import BadSpec, OrchError, RequestError
from jobs.store.store import Store
from jobs.task import Task
from orchestrator import state_folder
from orchestrator.monitoring import heartbeats
from orchestrator.monitoring.attempts import AttemptStatus, attempts_of

CELERY_PART = re.compile(r"-[0-9a-f]{8}$")
"""What a task's id in Flower has after the id of the task."""
MAX_NAMED = 8


class UnknownName(RequestError):
    """A name that no task, worker or run has, or a worker whose log is on another machine."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a name means: a worker's log file, or the tasks whose attempts have logs.

    `run` is the run whose end ends the following, if the name is a run's.
    """

    name: str
    tasks: tuple[str, ...] = ()
    run: str | None = None
    worker: Path | None = None


@dataclass(slots=True)
class Tail:
    """Reads the lines that are added to a file; a file that became shorter is read anew."""

    path: Path
    offset: int = 0
    rest: bytes = field(default=b"", repr=False)

    def last(self, lines: int) -> list[str]:
        """The last lines now; `more` goes on after them."""
        read = self.more()
        return read[len(read) - lines :] if lines < len(read) else read

    def more(self, whole: bool = False) -> list[str]:
        """The lines since the last call; one that has not ended yet only with `whole`."""
        with contextlib.suppress(FileNotFoundError), self.path.open("rb") as handle:
            if os.fstat(handle.fileno()).st_size < self.offset:
                self.offset, self.rest = 0, b""
            handle.seek(self.offset)
            read = self.rest + handle.read()
            self.offset = handle.tell()
            *ended, self.rest = read.split(b"\n")
            if whole and self.rest:
                ended, self.rest = [*ended, self.rest], b""
            return [line.decode(errors="replace") for line in ended]
        return []


def find(store: Store, name: str) -> Source:
    """What a name means, as a run, a task, then a worker; raises `UnknownName`."""
    if name in store.run_names():
        return Source(name, store.outline(name).tasks, run=name)
    if task := _task(store, name):
        return Source(task, (task,))
    if (file := worker_logs(store).get(name)) is not None:
        return Source(name, worker=file)
    for beat in heartbeats.read_heartbeats(store.root):
        if beat.name == name:
            raise UnknownName(
                f"this user has no log of worker {name} on this machine. It runs on {beat.host}: "
                f"type 'orch logs {name}' there, or look where its output goes (a terminal, or: "
                "journalctl -u 'orch-worker*')."
            )
    raise _unknown(store, name)


def attempts(store: Store, source: Source) -> list[AttemptStatus]:
    """The attempts at the tasks that a name means, in order of start."""
    return attempts_of(store, source.tasks)


def over(store: Store, source: Source) -> bool:
    """Whether nothing more will be written: the tasks have ended, or the worker has."""
    if source.worker is not None:
        beats = heartbeats.read_heartbeats(store.root)
        return not any(beat.name == source.name and beat.fresh for beat in beats)
    if any(each.state == "running" for each in attempts(store, source)):
        return False
    if source.run is not None and store.is_cancelled(source.run):
        return True
    return all(_ended(store, Task.parse(each)) for each in source.tasks)


def names(store: Store) -> list[str]:
    """What may be asked for: runs, tasks that were begun, workers with a log here."""
    begun = atomic.list_names(store.all_attempts_folder)
    return [*reversed(store.run_names()), *sorted(begun), *sorted(worker_logs(store))]


def worker_logs(store: Store) -> dict[str, Path]:
    """The logs of workers that were started on this machine, by worker."""
    folder = state_folder.state_folder(store.root)
    return {path.stem: path for path in sorted(folder.glob("*.log")) if path.stem != "redis"}


def _ended(store: Store, task: Task) -> bool:
    return store.is_done(task) or store.has_failed(task) or not store.wanted_by(task)


def _task(store: Store, name: str) -> str:
    """The id of the task with this id, or with this id in Flower; empty if there is none."""
    for each in (name, CELERY_PART.sub("", name)):
        with contextlib.suppress(BadSpec):
            task = Task.parse(each)
            if store.attempts_folder(task).is_dir() or _is_planned(store, task.id):
                return task.id
    return ""


def _is_planned(store: Store, task: str) -> bool:
    for run in store.run_names():
        with contextlib.suppress(OrchError):
            if task in store.outline(run).tasks:
                return True
    return False


def _unknown(store: Store, name: str) -> UnknownName:
    known = names(store)
    near = difflib.get_close_matches(name[:200], known, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    some = ", ".join(known[:MAX_NAMED]) or "none yet"
    return UnknownName(
        f"the store {store.root} has no task, worker or run '{name[:120]}'.{hint} Known: {some}"
        f"{' ...' if len(known) > MAX_NAMED else ''}. 'orch status RUN --attempts' lists tasks."
    )

"""Check a request completely, then record it as a run."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from jobs import permissions, plan
from jobs.data import image_folder
from jobs.data.image_folder import DataSource
from jobs.errors import BadFolder, BadSpec, StoreUnusable, UnknownRun
from jobs.plan import Plan
from jobs.settings import Settings
from jobs.spec.model import BUILT_IN_DATA, NOT_ASKED, Spec
from jobs.store import filesystem
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task

AT_ONCE = 8
"""Trials recorded in parallel."""


class Ping(Protocol):
    """Returns if the broker answers, else raises `BrokerUnreachable`."""

    def __call__(self, broker_url: str) -> None: ...


class Send(Protocol):
    """Enqueues tasks."""

    def __call__(self, broker_url: str, tasks: Iterable[Task]) -> Any: ...


class RequireWeights(Protocol):
    """Raises `MissingWeights` if pretrained weights are not on this machine."""

    def __call__(self, names: Sequence[str], weights_dir: Path | None) -> Any: ...


@dataclass(frozen=True, slots=True)
class Request:
    """A checked specification. `known` is the run of the same name that already exists."""

    spec: Spec
    source: DataSource
    plan: Plan
    known: Run | None


def check_request(
    spec: Spec,
    settings: Settings,
    ping: Ping,
    require_weights: RequireWeights,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Request:
    """Check everything about a request, cheap checks first; writes nothing. Raises a
    `RequestError`.

    Weights are checked only if this machine does the work (no broker is named) and a backbone needs
    them. `tell(done, total)` counts the files of the data folder as they are read.
    """
    require_writable(settings.store)
    require_apart(settings.store, spec.data)
    if spec.name is not None:
        _known_run(settings.store, spec, None)
    if settings.broker_url is not None:
        ping(settings.broker_url)
    source = (
        image_folder.built_in(spec.data)
        if spec.data in BUILT_IN_DATA
        else image_folder.read_folder(Path(spec.data), tell)
    )
    unfolded = plan.unfold(spec, source.data_id(spec.data_settings()))
    known = _known_run(settings.store, spec, unfolded)
    pretrained = [name for name in spec.backbones if spec.weights_of(name) == "imagenet"]
    if settings.broker_url is None and pretrained:
        require_weights(pretrained, settings.weights_dir)
    return Request(spec, source, unfolded, known)


def record_run(
    store: Store, request: Request, provenance: dict[str, Any], lone_threads: int | None = None
) -> Run:
    """Record the request: the data set, each trial, and last the run, which workers then reconcile.

    A known run keeps its time and provenance, becomes the latest again, and is no longer cancelled.
    If the run is a single trial, it gets `lone_threads` threads.
    """
    unfolded = request.plan
    store.save_data(unfolded.data, request.source, request.spec.data_settings())
    with ThreadPoolExecutor(AT_ONCE) as several:  # limited by the disk, not by the CPU
        list(
            several.map(
                lambda trial: store.save_trial(
                    trial, list(unfolded.target_epochs), unfolded.run, unfolded.corruption_levels
                ),
                unfolded.trials,
            )
        )
    if lone_threads is not None and len(unfolded.trials) == 1:
        store.plan_threads(unfolded.trials[0].name, lone_threads)
    if request.known is not None:
        run = replace(request.known, spec=request.spec)
    else:
        trials = tuple(trial.name for trial in unfolded.trials)
        tasks = tuple(task.id for task in unfolded.tasks)
        run = Run(unfolded.run, request.spec, unfolded.data, trials, tasks, time.time(), provenance)
    store.reopen(run)
    return run


def enqueue_ready(
    store: Store, run: Run, broker_url: str, send: Send, only: Collection[str] | None = None
) -> list[Task]:
    """Enqueue the ready tasks of a run (of those in `only`); workers enqueue what follows.

    Raises `BrokerUnreachable`.
    """
    ready = [task for task in plan.ready_tasks(store, run) if only is None or task.id in only]
    if ready:
        send(broker_url, ready)
    return ready


def reset_failures(store: Store, run: Run) -> list[Task]:
    """Remove failure records of a run and reset the counted failures; returns the tasks."""
    from workers.execution import attempts

    failed = [task for task in map(Task.parse, run.tasks) if store.failed_path(task).exists()]
    for task in failed:
        attempts.reset_failures(store, task)
        store.failed_path(task).unlink(missing_ok=True)
    return failed


def require_writable(root: Path) -> None:
    """Raise `StoreUnusable` unless `root` is or can become a store; leaves nothing behind."""
    try:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.lstat(root / "store.json")
        if os.path.lexists(root / "store.json"):
            Store(root).open()
        place = next(folder for folder in (root, *root.parents) if os.path.lexists(folder))
        if not place.is_dir():
            raise StoreUnusable(
                f"the store {root} cannot be made: {place} is not a folder. Set ORCH_STORE to "
                f"another."
            )
        with tempfile.TemporaryDirectory(prefix=".orch-probe-", dir=place) as probe:
            (Path(probe) / "file").write_bytes(b"probe")
            filesystem.require_hard_links(root, Path(probe) / "file")
    except PermissionError as error:
        raise StoreUnusable(
            f"the store {root} cannot be written: {error.strerror}. Set ORCH_STORE to a folder of "
            f"yours, or: {permissions.denied(Path(error.filename or root), root)}"
        ) from None
    except OSError as error:
        raise StoreUnusable(
            f"the store {root} cannot be written: {error.strerror}. Set ORCH_STORE to a folder of "
            f"yours."
        ) from None


def require_apart(root: Path, data: str) -> None:
    """Raise `BadFolder` if the store is inside the data folder."""
    if data not in BUILT_IN_DATA and Path(os.path.realpath(root)).is_relative_to(
        os.path.realpath(data)
    ):
        raise BadFolder(
            f"the store {root} lies inside the data folder {data} and would be read as a class. "
            "Set ORCH_STORE to a folder elsewhere."
        )


def _known_run(root: Path, spec: Spec, unfolded: Plan | None) -> Run | None:
    """The existing run of this name; raises `BadSpec` if its specification differs."""
    name = unfolded.run if unfolded is not None else str(spec.name)
    try:
        known = Store(root).load_run(name)
    except UnknownRun:
        return None
    there, here = (s.model_dump(exclude=set(NOT_ASKED)) for s in (known.spec, spec))
    differing = [
        f"{key} {there[key]} there, {here[key]} here" for key in here if there[key] != here[key]
    ]
    if unfolded is not None and unfolded.data != known.data:
        differing.append(f"data {known.data} there, {unfolded.data} here")
    if differing:
        raise BadSpec(
            f"the run '{name}' exists and asks for something else ({'; '.join(differing)}). "
            "Choose another --name, or leave it out."
        )
    return known

"""The status of a run, read from the store: trials, progress, failures, workers."""

from __future__ import annotations

import contextlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from jobs import atomic, plan
from jobs.catalog.backbones import CATALOG
from jobs.errors import OrchError
from jobs.store.records import TaskResult
from jobs.store.runs import Run, RunOutline
from jobs.store.store import Store
from jobs.task import Task, backbone_and_seed
from jobs.versions import differing_versions
from orchestrator.monitoring import progress, waiting
from orchestrator.monitoring.heartbeats import Heartbeat
from orchestrator.monitoring.progress import StoreView, TaskProgress

Results = tuple[list[TaskResult], TaskResult | None]
"""Results of the trainings of a trial, and of its latest evaluation."""

CHECKPOINT = re.compile(r"e(\d{4,})-.*\.json")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task failed permanently, and where the log of its last attempt is.

    `quarantined`: another attempt might have succeeded, but there were too many already.
    """

    task: str
    failure: str
    message: str
    log: str
    quarantined: bool


@dataclass(frozen=True, slots=True)
class TrialStatus:
    """One trial: `state` is waiting, running, done, failed, blocked or cancelled.

    `accuracy` is of the last evaluation. `stopped_early` is the epoch of early stopping;
    `epochs_done` then stays there.
    """

    trial: str
    backbone: str
    seed: int
    state: str
    epochs_done: int
    epochs: int
    period: int
    periods: int
    accuracy: float | None
    accuracy_epoch: int | None
    seconds: float
    progress: tuple[TaskProgress, ...]
    stopped_early: int | None = None

    @property
    def epochs_left(self) -> int:
        """Epochs left to train."""
        return 0 if self.stopped_early is not None else self.epochs - self.epochs_done


@dataclass(frozen=True, slots=True)
class RunStatus:
    """One run: `state` is waiting, running, done, failed or cancelled; `tasks` counts by state.

    `silent` workers are no longer heard of. `waits_for` says why a waiting run waits, if known.
    `versions` are packages of which its results used several versions, each with these. `newer` are
    lines on records that only a newer orch can read.
    """

    run: str
    data: str
    state: str
    tasks: dict[str, int]
    submitted_at: float
    preparing: str
    data_progress: TaskProgress | None
    trials: tuple[TrialStatus, ...]
    failures: tuple[Failure, ...]
    workers: tuple[Heartbeat, ...]
    silent: tuple[Heartbeat, ...] = ()
    waits_for: str | None = None
    versions: dict[str, list[str]] = field(default_factory=dict)
    newer: tuple[str, ...] = ()

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self.state in ("done", "failed", "cancelled")

    @property
    def exit_code(self) -> int:
        """Exit code of `orch` after waiting for the run."""
        return 0 if self.state == "done" else 1


@dataclass(frozen=True, slots=True)
class Overview:
    """Summary of one run: its state, its tasks counted by state, and why it waits."""

    run: str
    state: str
    tasks: dict[str, int]
    submitted_at: float
    waits_for: str | None = None


@dataclass(slots=True)
class _Share:
    """One trial's part of a run: task states; target, trained and evaluated epochs."""

    states: set[str] = field(default_factory=set)
    target_epochs: list[int] = field(default_factory=list)
    trained: list[int] = field(default_factory=list)
    evaluated: list[int] = field(default_factory=list)


def overview(store: Store, run: Run | RunOutline, scene: StoreView) -> Overview:
    """Summary of the run, from listings alone."""
    states = plan.task_states(store, run, scene.ledger)
    working = any(
        _under_way(scene, run, subject, states) for subject in (*run.data_sets, *run.trials)
    )
    state, counts = _state(states, working), dict(Counter(states.values()))
    why = waiting.reason(state, scene.workers, store, states)
    return Overview(run.name, state, counts, run.submitted_at, why)


def run_status(
    store: Store, run: Run | RunOutline, now: float | None = None, scene: StoreView | None = None
) -> RunStatus:
    """The run as the store shows it now, or in a given view."""
    scene = scene or progress.read_view(store, now)
    states = plan.task_states(store, run, scene.ledger)
    preparations = [states[Task("prepare", data).id] for data in run.data_sets]
    under_way = (each for data in run.data_sets for each in _under_way(scene, run, data, states))
    preparing = next(under_way, None)
    shares = _shares(states)
    results = {name: _results(store, name, shares[name]) for name in run.trials}
    trials = tuple(
        _trial(
            store,
            name,
            shares[name],
            _under_way(scene, run, name, states),
            name in scene.begun,
            results[name],
        )
        for name in run.trials
    )
    working = preparing is not None or any(trial.progress for trial in trials)
    state = _state(states, working)
    return RunStatus(
        run.name,
        run.data,
        state,
        dict(Counter(states.values())),
        run.submitted_at,
        next((state for state in preparations if state != "done"), "done"),
        preparing,
        trials,
        _failures(store, states),
        scene.workers,
        scene.silent,
        waiting.reason(state, scene.workers, store, states),
        differing_versions(map(dict, _versions(store, run, results.values()))),
        scene.newer,
    )


def _versions(
    store: Store, run: Run | RunOutline, results: Iterable[Results]
) -> set[tuple[tuple[str, str], ...]]:
    """The versions that the data set, the trainings and the latest evaluations were made with."""
    found = [store.done(Task("prepare", run.data))]
    for trained, tested in results:
        found += [*trained, tested]
    return {tuple(result.versions.items()) for result in found if result is not None}


def _results(store: Store, trial: str, share: _Share) -> Results:
    trained = [store.done(Task("train", trial, epoch)) for epoch in share.trained]
    tested = store.done(Task("evaluate", trial, share.evaluated[-1])) if share.evaluated else None
    return [result for result in trained if result], tested


def _state(states: dict[str, str], working: bool) -> str:
    found = set(states.values())
    if "open" in found:
        return "running" if working else "waiting"
    return next((end for end in ("cancelled", "failed") if end in found), "done")


def _under_way(
    scene: StoreView, run: Run | RunOutline, subject: str, states: dict[str, str]
) -> tuple[TaskProgress, ...]:
    """Tasks in progress for the run on a trial or data set, shared trainings included."""
    if subject not in scene.progress:
        return ()
    last = Task.parse(run.tasks[-1]).epoch
    return tuple(
        each
        for each in scene.progress[subject]
        if states.get(each.task, "open") == "open" and Task.parse(each.task).epoch <= last
    )


def _shares(states: dict[str, str]) -> dict[str, _Share]:
    """Each trial's part of the run, in one pass over the task states."""
    found: defaultdict[str, _Share] = defaultdict(_Share)
    for task_id, state in states.items():
        kind, trial, epoch, *corruption = task_id.split(".")
        share = found[trial]
        share.states.add(state)
        if kind == "train":
            share.target_epochs.append(int(epoch))
        if state == "done" and not corruption:
            (share.trained if kind == "train" else share.evaluated).append(int(epoch))
    return found


def _kept(store: Store, trial: str, most: int) -> int:
    """Epoch of the newest checkpoint up to epoch `most`, the resume point; 0 if there is none."""
    names = atomic.list_names(store.checkpoints_folder(trial))
    epochs = (int(found[1]) for name in names if (found := CHECKPOINT.match(name)))
    return max((epoch for epoch in epochs if epoch <= most), default=0)


def _backbone_and_seed(store: Store, trial: str) -> tuple[str, int]:
    """Backbone and seed of a trial; only the catalog's names are read off the trial's name."""
    backbone, seed = backbone_and_seed(trial)
    if backbone in CATALOG:
        return backbone, seed
    with contextlib.suppress(OrchError):
        recorded = store.load_trial(trial)
        return recorded.backbone, recorded.seed
    return backbone, seed


def _trial(
    store: Store,
    name: str,
    share: _Share,
    progress: tuple[TaskProgress, ...],
    begun: bool,
    recorded: Results,
) -> TrialStatus:
    backbone, seed = _backbone_and_seed(store, name)
    epochs, trained, evaluated = share.target_epochs[-1], share.trained, share.evaluated
    results, tested = recorded
    stopped = _stopped(results[-1], epochs) if results else None
    training = (each.epoch - 1 for each in progress if each.kind == "train" and each.epoch)
    kept = _kept(store, name, epochs) if begun else 0
    epochs_done = stopped or max([kept, *trained[-1:], *training])
    return TrialStatus(
        name,
        backbone,
        seed,
        _state_of_trial(share.states, bool(progress)),
        min(epochs_done, epochs),
        epochs,
        min(epochs_done // share.target_epochs[0] + 1, len(share.target_epochs)),
        len(share.target_epochs),
        tested.accuracy if tested else None,
        evaluated[-1] if evaluated else None,
        sum(result.seconds or 0.0 for result in results),
        progress,
        stopped,
    )


def _stopped(last: TaskResult, epochs: int) -> int | None:
    """The epoch of early stopping, if the last training ended with it."""
    early = last.stopped_early and last.epoch is not None and last.epoch < epochs
    return last.epoch if early else None


def _state_of_trial(states: set[str], working: bool) -> str:
    if "failed" in states:
        return "failed"
    if states == {"done"}:
        return "done"
    if working:
        return "running"
    return next(state for state in ("open", "blocked", "cancelled") if state in states).replace(
        "open", "waiting"
    )


def _failures(store: Store, states: dict[str, str]) -> tuple[Failure, ...]:
    found = []
    for task_id in (task_id for task_id, state in states.items() if state == "failed"):
        task = Task.parse(task_id)
        why = store.failed(task)
        if why is not None:
            folder = store.attempts_folder(task)
            log = folder if why.attempt is None else folder / f"{why.attempt:04d}.log"
            path = str(Path(why.log or log))
            found.append(Failure(task_id, why.failure, why.message, path, why.quarantined))
    return tuple(found)

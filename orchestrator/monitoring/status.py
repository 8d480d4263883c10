"""The status of a run, read from the store: trials, progress, failures, workers."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs import atomic, plan
from jobs.store.runs import Run, RunOutline
from jobs.store.store import Store
from jobs.task import Task, backbone_and_seed
from orchestrator.monitoring import progress, waiting
from orchestrator.monitoring.heartbeats import Heartbeat
from orchestrator.monitoring.progress import StoreView, TaskProgress

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
    working = any(_under_way(scene, run, subject, states) for subject in (run.data, *run.trials))
    state, counts = _state(states, working), dict(Counter(states.values()))
    why = waiting.reason(state, scene.workers, store, states)
    return Overview(run.name, state, counts, run.submitted_at, why)


def run_status(
    store: Store, run: Run | RunOutline, now: float | None = None, scene: StoreView | None = None
) -> RunStatus:
    """The run as the store shows it now, or in a given view."""
    scene = scene or progress.read_view(store, now)
    states = plan.task_states(store, run, scene.ledger)
    preparing = next(iter(_under_way(scene, run, run.data, states)), None)
    shares = _shares(states)
    trials = tuple(
        _trial(store, name, shares[name], _under_way(scene, run, name, states), name in scene.begun)
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
        states[Task("prepare", run.data).id],
        preparing,
        trials,
        _failures(store, states),
        scene.workers,
        scene.silent,
        waiting.reason(state, scene.workers, store, states),
    )


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


def _trial(
    store: Store, name: str, share: _Share, progress: tuple[TaskProgress, ...], begun: bool
) -> TrialStatus:
    backbone, seed = backbone_and_seed(name)
    epochs, trained, evaluated = share.target_epochs[-1], share.trained, share.evaluated
    results = [store.done(Task("train", name, epoch)) or {} for epoch in trained]
    last = results[-1] if results else {}
    stopped = int(last["epoch"]) if last.get("stopped_early") and last["epoch"] < epochs else None
    training = (each.epoch - 1 for each in progress if each.kind == "train" and each.epoch)
    kept = _kept(store, name, epochs) if begun else 0
    epochs_done = stopped or max([kept, *trained[-1:], *training])
    accuracy = (
        (store.done(Task("evaluate", name, evaluated[-1])) or {}).get("accuracy")
        if evaluated
        else None
    )
    return TrialStatus(
        name,
        backbone,
        seed,
        _state_of_trial(share.states, bool(progress)),
        min(epochs_done, epochs),
        epochs,
        min(epochs_done // share.target_epochs[0] + 1, len(share.target_epochs)),
        len(share.target_epochs),
        accuracy,
        evaluated[-1] if evaluated else None,
        sum(result.get("seconds", 0.0) for result in results),
        progress,
        stopped,
    )


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
        why: dict[str, Any] = store.failed(task) or {}
        if why:
            folder = store.attempts_folder(task)
            log = why.get("log") or (
                folder / f"{why['attempt']:04d}.log" if "attempt" in why else folder
            )
            found.append(
                Failure(
                    task_id,
                    why.get("failure", "bug"),
                    why.get("message", ""),
                    str(Path(log)),
                    why.get("quarantined") is True,
                )
            )
    return tuple(found)


def seconds_left(status: RunStatus, costs: dict[str, float]) -> float | None:
    """Estimated time left: measured time per epoch, spread over the available slots.

    `costs` maps backbones to relative costs, for trials not timed yet. None before anything is
    known.
    """
    paces = {trial.trial: pace for trial in status.trials if (pace := _pace(trial)) is not None}
    if not paces:
        return None
    units = {trial.trial: costs.get(trial.backbone, 1.0) for trial in status.trials}
    typical = sum(paces.values()) / sum(units[name] for name in paces)
    left = [
        trial.epochs_left * paces.get(trial.trial, typical * units[trial.trial])
        for trial in status.trials
        if trial.state in ("running", "waiting")
    ]
    slots = max(1, sum(worker.slots for worker in status.workers))
    return max([sum(left) / slots, *left, 0.0])


def _pace(trial: TrialStatus) -> float | None:
    """Seconds per epoch: measured, else estimated from the running task; None if unknown."""
    in_period = trial.epochs // trial.periods
    trained = trial.epochs if trial.state == "done" else in_period * (trial.period - 1)
    trained = trial.stopped_early or trained
    if trained and trial.seconds:
        return trial.seconds / trained
    running = next(
        (p for p in trial.progress if p.kind == "train" and p.eta_s and p.epoch and p.done), None
    )
    if running is None or running.eta_s is None or running.epoch is None:
        return None
    share_of_epoch = (
        (running.done or 0) / running.total if running.total and running.phase == "train" else 0.0
    )
    left = in_period * trial.period - (running.epoch - 1) - share_of_epoch
    return running.eta_s / left if left > 0 else None

"""How far a run is, read off the store: its trials, what is being worked on, what failed, who works."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

from jobs import plan
from jobs.record import NUMBER, Kinds
from jobs.store import Run, Store
from jobs.task import Task
from orchestrator import signs
from orchestrator.signs import Sign

PROGRESS_FRESH_S = 60.0
PERHAPS = (int, float, NoneType)
SAID: Kinds = {
    "attempt": int, "phase": (str, NoneType), "done": PERHAPS, "total": PERHAPS, "epoch": (int, NoneType),
    "loss": PERHAPS, "images_per_second": PERHAPS, "val_accuracy": PERHAPS, "eta_s": PERHAPS,
}


@dataclass(frozen=True, slots=True)
class Progress:
    """What the worker of a task last said; keys without meaning for the phase are None."""

    task: str
    worker: str
    device: str
    attempt: int
    age_s: float
    phase: str | None
    done: float | None
    total: float | None
    epoch: int | None
    loss: float | None
    images_per_second: float | None
    val_accuracy: float | None
    eta_s: float | None

    @property
    def kind(self) -> str:
        """`prepare`, `train` or `evaluate`."""
        return self.task.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task will not be tried again, and where its last attempt's output lies.

    `quarantined`: another attempt might have ended differently, but there were too many already.
    """

    task: str
    failure: str
    message: str
    log: str
    quarantined: bool


@dataclass(frozen=True, slots=True)
class TrialStatus:
    """One trial: `state` is waiting, running, done, failed, blocked or cancelled; `accuracy` is the last evaluated.

    `stopped_early` is the epoch at which its patience ended its training; `epochs_done` then stays there.
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
    progress: tuple[Progress, ...]
    stopped_early: int | None = None

    @property
    def epochs_left(self) -> int:
        """Epochs still to be trained."""
        return 0 if self.stopped_early is not None else self.epochs - self.epochs_done


@dataclass(frozen=True, slots=True)
class RunStatus:
    """One run: `state` is waiting, running, done, failed or cancelled; `tasks` counts tasks by state."""

    run: str
    data: str
    state: str
    tasks: dict[str, int]
    submitted_at: float
    preparing: str
    data_progress: Progress | None
    trials: tuple[TrialStatus, ...]
    failures: tuple[Failure, ...]
    workers: tuple[Sign, ...]

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self.state in ("done", "failed", "cancelled")

    @property
    def exit_code(self) -> int:
        """What `orch` leaves with after waiting for the run."""
        return 0 if self.state == "done" else 1


def look(store: Store, run: Run, now: float | None = None) -> RunStatus:
    """The run as the store shows it now."""
    now = time.time() if now is None else now
    workers = tuple(sign for sign in signs.read(store.root, now) if sign.fresh)
    states = plan.state(store, run)
    preparing = Task("prepare", run.data)
    data_progress = None if states[preparing.id] != "open" else _progress(store, preparing, workers, now)
    trials = tuple(_trial(store, run, name, states, workers, now) for name in run.trials)
    working = data_progress is not None or any(trial.progress for trial in trials)
    ended = "open" not in states.values()
    state = _end(states) if ended else "running" if working else "waiting"
    return RunStatus(
        run.name, run.data, state, dict(Counter(states.values())), run.submitted_at, states[preparing.id],
        data_progress, trials, _failures(store, states), workers,
    )


def _end(states: dict[str, str]) -> str:
    return next((end for end in ("cancelled", "failed") if end in states.values()), "done")


def _trial(
    store: Store, run: Run, name: str, states: dict[str, str], workers: Sequence[Sign], now: float
) -> TrialStatus:
    trial = store.load_trial(name)
    ours = [run.epoch_of(period) for period in range(1, run.spec.periods + 1)]
    open_tasks = [
        task
        for epoch in sorted({*ours, *(mark for mark in store.marks(name) if mark <= ours[-1])})
        for task in (Task("train", name, epoch), *store.tests(name, epoch))
        if states.get(task.id, "open") == "open" and not store.is_done(task)
    ]
    progress = tuple(p for task in open_tasks if (p := _progress(store, task, workers, now)) is not None)
    trained = [epoch for epoch in ours if states[Task("train", name, epoch).id] == "done"]
    last = (store.done(Task("train", name, trained[-1])) or {}) if trained else {}
    stopped = int(last["epoch"]) if last.get("stopped_early") and last["epoch"] < ours[-1] else None
    training = (p.epoch - 1 for p in progress if p.kind == "train" and p.epoch)
    epochs_done = stopped or max([*trained, *training], default=0)
    evaluated = [epoch for epoch in ours if states[Task("evaluate", name, epoch).id] == "done"]
    accuracy = (store.done(Task("evaluate", name, evaluated[-1])) or {}).get("accuracy") if evaluated else None
    seconds = sum((store.done(Task("train", name, epoch)) or {}).get("seconds", 0.0) for epoch in trained)
    return TrialStatus(
        name, trial.backbone, trial.seed, _state(name, states, bool(progress)), min(epochs_done, ours[-1]), ours[-1],
        min(run.period_of(epochs_done + 1), run.spec.periods), run.spec.periods, accuracy,
        evaluated[-1] if evaluated else None, seconds, progress, stopped,
    )


def _state(trial: str, states: dict[str, str], working: bool) -> str:
    mine = {state for task, state in states.items() if Task.parse(task).subject == trial}
    if "failed" in mine:
        return "failed"
    if mine == {"done"}:
        return "done"
    if working:
        return "running"
    return next(state for state in ("open", "blocked", "cancelled") if state in mine).replace("open", "waiting")


def _progress(store: Store, task: Task, workers: Sequence[Sign], now: float) -> Progress | None:
    """What was last said of a task, if somebody works on it: it was said lately, or a living worker signs for it."""
    said = signs.read_quietly(store.progress_path(task), {"worker": str, "device": str, "at": NUMBER}, SAID)
    holder = next((worker for worker in workers if task.id in worker.tasks), None)
    age_s = now - said["at"] if said else float("inf")
    if holder is None and (age_s > PROGRESS_FRESH_S or (said and _is_idle(said["worker"], workers))):
        return None
    if holder is not None and said.get("worker") != holder.name:
        said, age_s = {"worker": holder.name, "device": holder.device}, holder.age_s
    keys = ("phase", "done", "total", "epoch", "loss", "images_per_second", "val_accuracy", "eta_s")
    return Progress(task.id, said["worker"], said["device"], said.get("attempt", 1), age_s,
                    *(said.get(key) for key in keys))


def _is_idle(worker: str, workers: Sequence[Sign]) -> bool:
    return any(sign.name == worker and sign.age_s < 5 for sign in workers)


def _failures(store: Store, states: dict[str, str]) -> tuple[Failure, ...]:
    found = []
    for task_id, state in states.items():
        task = Task.parse(task_id)
        why: dict[str, Any] = (store.failed(task) or {}) if state == "failed" else {}
        if why:
            folder = store.attempts_folder(task)
            log = why.get("log") or (folder / f"{why['attempt']:04d}.log" if "attempt" in why else folder)
            found.append(Failure(task_id, why.get("failure", "bug"), why.get("message", ""), str(Path(log)),
                                 why.get("quarantined") is True))
    return tuple(found)


def seconds_left(status: RunStatus, costs: dict[str, float]) -> float | None:
    """About how long the run still takes: what trials took so far for an epoch, spread over the workers' slots at hand.

    `costs` gives each backbone's relative cost, for trials that have not been timed yet. None before anything is known.
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
    return max([sum(left) / max(1, sum(worker.slots for worker in status.workers)), *left, 0.0]) if left else 0.0


def _pace(trial: TrialStatus) -> float | None:
    """Seconds an epoch: of what was trained, else what the running task expects."""
    trained = (trial.epochs // trial.periods) * (trial.period - 1) if trial.state != "done" else trial.epochs
    trained = trial.stopped_early or trained
    if trained and trial.seconds:
        return trial.seconds / trained
    running = next((p for p in trial.progress if p.kind == "train" and p.eta_s and p.epoch and p.done), None)
    if running is None or running.eta_s is None or running.epoch is None:
        return None
    share_of_epoch = (running.done or 0) / running.total if running.total and running.phase == "train" else 0.0
    left = trial.epochs // trial.periods * trial.period - (running.epoch - 1) - share_of_epoch
    return running.eta_s / left if left > 0 else None

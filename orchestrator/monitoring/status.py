"""The status of a run, read from the store: trials, progress, failures, workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from jobs import exit_codes, plan, readiness
from jobs.spec import unknown_entries
from jobs.store.records import TaskResult
from jobs.store.runs import Run, RunOutline
from jobs.store.store import Store
from jobs.task import Task
from jobs.versions import differing_versions
from orchestrator.monitoring import fitting, progress, stops, waiting
from orchestrator.monitoring.heartbeats import Heartbeat
from orchestrator.monitoring.progress import StoreView, TaskProgress
from orchestrator.monitoring.trial_status import (
    Results,
    TrialShare,
    TrialStatus,
    results_of,
    shares_of_trials,
    trial_status,
)
from orchestrator.this_user import other_submitter


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
class RunStatus:
    """One run: `state` is waiting, running, done, failed or cancelled; `tasks` counts by state.

    `silent` workers are no longer heard of. `waits_for` says why a waiting run waits, if known.
    `versions` are packages of which its results used several versions, each with these. `newer` are
    lines on what only a newer orch knows. `unfit` are lines on networks that no living
    worker's device fits. `costs` are the relative costs of backbones. `ranks`: it
    ranks its networks, and trains none.
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
    costs: dict[str, float] = field(default_factory=dict)
    unfit: tuple[str, ...] = ()
    ranks: bool = False

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self.state in ("done", "failed", "cancelled")

    @property
    def exit_code(self) -> int:
        """Exit code of `orch` after waiting for the run."""
        return exit_codes.DONE if self.state == "done" else exit_codes.FAILED


@dataclass(frozen=True, slots=True)
class Overview:
    """Summary of one run: its state, its tasks counted by state, and why it waits.

    `theirs` is who submitted it, if it was not this user.
    """

    run: str
    state: str
    tasks: dict[str, int]
    submitted_at: float
    waits_for: str | None = None
    unfit: tuple[str, ...] = ()
    theirs: str | None = None


def overview(store: Store, run: Run | RunOutline, scene: StoreView) -> Overview:
    """Summary of the run, from listings alone."""
    states = readiness.task_states(store, run, scene.ledger)
    working = any(
        _under_way(scene, run, subject, states) for subject in (*run.all_data_sets, *run.trials)
    )
    state, counts = _state(states, working), dict(Counter(states.values()))
    unfit = fitting.unfit(store, run, states, scene.workers)
    why = waiting.reason(state, scene, store, states, unfit)
    theirs = other_submitter(run.provenance)
    return Overview(run.name, state, counts, run.submitted_at, why, unfit, theirs)


def run_status(
    store: Store,
    run: Run | RunOutline,
    now: float | None = None,
    scene: StoreView | None = None,
    result_of: Callable[[Task], TaskResult | None] | None = None,
) -> RunStatus:
    """The run as the store shows it now, or in a given view.

    `result_of` reads the results of trainings and evaluations, by default from the store.
    """
    scene, read = scene or progress.read_view(store, now), result_of or store.done
    states = readiness.task_states(store, run, scene.ledger)
    under_way = (
        each for data in run.all_data_sets for each in _under_way(scene, run, data, states)
    )
    preparing, shares = next(under_way, None), shares_of_trials(states)
    results = {name: results_of(read, name, shares[name]) for name in run.trials}
    trials = _trials(store, run, scene, states, shares, results)
    unfit = fitting.unfit(store, run, states, scene.workers)
    state = _state(states, preparing is not None or any(trial.progress for trial in trials))
    return RunStatus(
        run.name,
        run.data,
        state,
        dict(Counter(states.values())),
        run.submitted_at,
        next((state for task, state in states.items() if _unprepared(run, task, state)), "done"),
        preparing,
        trials,
        _failures(store, states),
        scene.workers,
        scene.silent,
        waiting.reason(state, scene, store, states, unfit),
        _differing(store, run, results),
        (*scene.newer, *_unknown(run)),
        _costs(store, run, trials),
        unfit,
        bool(run.recorded_spec.get("rank")),
    )


def _trials(
    store: Store,
    run: Run | RunOutline,
    scene: StoreView,
    states: dict[str, str],
    shares: dict[str, TrialShare],
    results: dict[str, Results],
) -> tuple[TrialStatus, ...]:
    """The status of each trial of a run, and why a decision stopped it."""
    spec = run.recorded_spec
    now_at = {name: _under_way(scene, run, name, states) for name in run.trials}
    begun, why = scene.begun, stops.reasons(store, run)
    told = (
        trial_status(store, name, shares[name], now_at[name], name in begun, results[name], spec)
        for name in run.trials
    )
    return tuple(replace(trial, stopped_because=why.get(trial.trial)) for trial in told)


def _unknown(run: Run | RunOutline) -> list[str]:
    """A line on an entry that the run names and this orch does not have."""
    told = unknown_entries.told(run.settings) if isinstance(run, RunOutline) else ""
    return [f"the run {run.name} {told}"] if told else []


def _unprepared(run: Run | RunOutline, task: str, state: str) -> bool:
    kind, subject, _ = task.split(".", 2)
    return kind == "prepare" and state != "done" and subject in run.data_sets


def _differing(
    store: Store, run: Run | RunOutline, results: dict[str, Results]
) -> dict[str, list[str]]:
    """Packages of which results used several versions, with these."""
    return differing_versions(map(dict, _versions(store, run, results.values())))


def _costs(
    store: Store, run: Run | RunOutline, trials: tuple[TrialStatus, ...]
) -> dict[str, float]:
    """The relative cost of each network of a run."""
    first = {trial.backbone: trial.trial for trial in trials}
    last_epoch = max(Task.parse(task).epoch for task in run.tasks)
    return {
        name: plan.cost_of(store, Task("train", trial, last_epoch)) for name, trial in first.items()
    }


def _versions(
    store: Store, run: Run | RunOutline, results: Iterable[Results]
) -> set[tuple[tuple[str, str], ...]]:
    """The versions that the data set, the trainings and the latest evaluations were made with."""
    task_results = [store.done(Task("prepare", run.data))]
    for trained, tested in results:
        task_results += [*trained, tested]
    return {tuple(result.versions.items()) for result in task_results if result is not None}


def _state(states: dict[str, str], working: bool) -> str:
    distinct = set(states.values())
    if "open" in distinct:
        return "running" if working else "waiting"
    return next((end for end in ("cancelled", "failed") if end in distinct), "done")


def _under_way(
    scene: StoreView, run: Run | RunOutline, subject: str, states: dict[str, str]
) -> tuple[TaskProgress, ...]:
    """Tasks in progress for the run on a trial or data set, shared trainings included."""
    if subject not in scene.progress:
        return ()
    last = max(Task.parse(task).epoch for task in run.tasks)
    return tuple(
        each
        for each in scene.progress[subject]
        if states.get(each.task, "open") == "open" and Task.parse(each.task).epoch <= last
    )


def _failures(store: Store, states: dict[str, str]) -> tuple[Failure, ...]:
    failures = []
    for task_id in (task_id for task_id, state in states.items() if state == "failed"):
        task = Task.parse(task_id)
        why = store.failed(task)
        if why is not None:
            folder = store.attempts_folder(task)
            log = folder if why.attempt is None else folder / f"{why.attempt:04d}.log"
            path = str(Path(why.log or log))
            failures.append(Failure(task_id, why.failure, why.message, path, why.quarantined))
    return tuple(failures)

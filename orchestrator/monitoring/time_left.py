"""Estimate of the time that a run still takes."""

from __future__ import annotations

from orchestrator.monitoring.status import RunStatus
from orchestrator.monitoring.trial_status import TrialStatus


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
    ranking = next((p for p in trial.progress if p.kind == "rank" and p.eta_s and p.total), None)
    if ranking is not None and ranking.eta_s and ranking.total:
        left = _left_of_ranking(ranking.phase, (ranking.done or 0) / ranking.total)
        return ranking.eta_s / left if left > 0 else None
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


def _left_of_ranking(phase: str | None, done: float) -> float:
    """The share of a ranking that is left: computing the features is most of it."""
    features = 0.7
    return 1 - features * done if phase == "features" else (1 - features) * (1 - done)

"""Sentences that the live display and the plain log share: progress, failures, how a run ended."""

from __future__ import annotations

import os
import time

from jobs.settings import Settings
from jobs.store.paths import StorePaths
from orchestrator.formatting import duration, share
from orchestrator.monitoring.progress import TaskProgress
from orchestrator.monitoring.status import Failure, RunStatus
from orchestrator.terminal.options import call

DATA_FOLDER_FAILURES = {"bad-image", "data-changed"}
"""Failures that can be fixed only by changing the data folder."""


def describe_progress(progress: TaskProgress) -> str:
    """A task's progress in one line: `epoch 3 train 45%, loss 0.412, 210 images/s, 33s left`."""
    parts = [f"epoch {progress.epoch} " if progress.epoch else "", progress.doing]
    if progress.total:
        parts.append(f" {100 * (progress.done or 0) / progress.total:.0f}%")
    more = [
        f"loss {progress.loss:.3f}" if progress.loss is not None else "",
        f"{progress.images_per_second:.0f} images/s" if progress.images_per_second else "",
        f"validation accuracy {share(progress.val_accuracy)}"
        if progress.val_accuracy is not None
        else "",
        f"{duration(progress.eta_s)} left" if progress.eta_s is not None else "",
    ]
    return "".join(parts) + "".join(f", {part}" for part in more if part)


def failure_line(failure: Failure) -> str:
    """A failure's class, message and log, in one line."""
    message = " ".join(failure.message.split()).removesuffix(".")
    return f"failed: {failure.task} ({failure.failure}): {message}. Log: {failure.log}"


def ending(settings: Settings, status: RunStatus, waited: bool) -> list[str]:
    """The last lines for a run that is over; with the time it took, if the command `waited`."""
    took = (
        f", {duration(time.time() - status.submitted_at)} after it was submitted" if waited else ""
    )
    if status.state == "done":
        command = "rank" if status.ranks else "report"
        return [
            f"run {status.run} is done{took}. Compare with: {call(settings, command, status.run)}"
        ]
    if status.state == "cancelled":
        if not os.path.exists(StorePaths(settings.store).cancelled_path(status.run)):
            return [f"what was asked of run {status.run} later is cancelled; its results stay"]
        return [
            f"run {status.run} is cancelled. Continue with: {call(settings, 'resume', status.run)}"
        ]
    if any(failure.failure in DATA_FOLDER_FAILURES for failure in status.failures):
        return [
            f"run {status.run} failed. Fix its data folder, then submit it again. A folder with "
            "other contents is another data set and another run."
        ]
    return [
        f"run {status.run} failed: {len(status.failures)} task(s). Retry them with: "
        f"{call(settings, 'retry', status.run)}"
    ]

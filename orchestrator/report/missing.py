"""What a run asked for and is not there, in plain lines."""

from __future__ import annotations

from jobs.task import Task
from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import wording

MAX_OPEN_SHOWN = 12
UNFINISHED = {
    "blocked": "cannot start, since what it needs failed",
    "open": "is still to come",
    "cancelled": "was cancelled with the run",
}
WORK = {"train": "training up to", "evaluate": "evaluation after", "bench": "benchmark after"}


def missing(run_data: RunData) -> list[str]:
    """Requested results that are missing, in plain lines."""
    counts = {
        state: list(run_data.states.values()).count(state)
        for state in ("open", "failed", "blocked", "cancelled")
    }
    if not sum(counts.values()):
        return []
    parts = [f"{number} {state}" for state, number in counts.items() if number]
    lines = [
        f"{wording.count(sum(counts.values()), 'task')} of {len(run_data.states)} not done: "
        f"{', '.join(parts)}. This report uses the results published so far."
    ]
    for task_id, why in run_data.failures.items():
        lines.append(
            f"{_told(run_data, task_id)} failed: {why.message or 'no reason was recorded'}"
        )
    for state, word in UNFINISHED.items():
        tasks = [task for task, task_state in run_data.states.items() if task_state == state]
        lines += [f"{_told(run_data, task)} {word}." for task in tasks[:MAX_OPEN_SHOWN]]
        if len(tasks) > MAX_OPEN_SHOWN:
            lines.append(f"And {len(tasks) - MAX_OPEN_SHOWN} more {state}.")
    return lines


def _told(run_data: RunData, task_id: str) -> str:
    """A task in words: `ResNet34 (seed 0): evaluation after epoch 10`."""
    task = Task.parse(task_id)
    if task.kind == "prepare":
        other = "" if task.subject in run_data.run.data_sets else f" {task.subject}"
        return f"Preparing the data set{other}"
    what = WORK[task.kind]
    return (
        f"{wording.title(run_data.label(task.subject))} ({_which(run_data, task.subject)}): "
        f"{what} epoch "
        f"{task.epoch}"
        f"{f' on corrupted images ({task.corruption})' if task.corruption else ''}"
        f"{f' on other data ({task.data})' if task.data else ''}"
        f"{f' by {task.way.runtime} on {task.way.host}' if task.way else ''}"
    )


def _which(run_data: RunData, trial: str) -> str:
    """The seed of a trial, and its split where the run has several."""
    split = f"split {run_data.split_of[trial]}, " if run_data.splits else ""
    return f"{split}seed {run_data.trials[trial].seed}"

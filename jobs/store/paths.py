"""The shared folder that is the ledger: who owns which file name, and what is published.

store.json                                 format version
data/<data>/source.json, inventory.parquet what a data set is made of (written at submit)
data/<data>/images.npy, manifest.parquet   the prepared data set
trials/<trial>/trial.json                  what the trial is
trials/<trial>/marks/0010                  an epoch that some run wants trained to and evaluated at
trials/<trial>/marks/0010.blur-3           and evaluated at on test images made harder
trials/<trial>/runs/<run>                  a run that wants the trial
trials/<trial>/numerics.json               precision and threads, chosen by the first attempt, then kept
trials/<trial>/microbatches.json           from which step on a batch is trained in parts, for want of memory
trials/<trial>/checkpoints/                see models.checkpoints.format
ledger/done/<task>.json                    published results: a task is done when this file exists
ledger/failed/<task>.json                  why a task will not be tried again
leases/<key>/<token>.json                  the highest token holds the lease
asked/<key>/<token>.json                   which worker wants to take over what is held with this token
attempts/<task>/<number>.json, .log, /     one execution each: record, log, work folder
attempts/<task>/forgiven.json              attempts up to this one are no longer held against the task
progress/<task>.json                       what the task's worker last said
results/<table>/trial=<trial>/*.parquet    rows
runs/<run>/run.json                        a run: spec, trials, tasks
runs/<run>/cancelled.json                  the run was cancelled and not resumed since
reports/<run>/                             where `orch report` writes by default
exports/<run>/<program>/                   where `orch export` writes by default
workers/<worker>.json                      a worker's sign of life, at most a few seconds old
pace/<host>-<device>.json                  images a second that a device was measured at, by kind of training
stack/<host>/                              a machine's embedded broker and local workers: state and logs
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jobs.task import Task


@dataclass(frozen=True, slots=True)
class StorePaths:
    """The paths of one store folder. Every path in the store is built here or in `results`."""

    root: Path

    def done_path(self, task: Task) -> Path:
        """The file whose existence means that the task is done."""
        return self.root.joinpath("ledger", "done", f"{task.id}.json")

    def failed_path(self, task: Task) -> Path:
        """The file that says why a task will not be tried again."""
        return self.root.joinpath("ledger", "failed", f"{task.id}.json")

    def progress_path(self, task: Task) -> Path:
        """The file that holds what a task's worker last said."""
        return self.root.joinpath("progress", f"{task.id}.json")

    def attempts_folder(self, task: Task) -> Path:
        """Records, logs and work folders of a task's attempts."""
        return self.root.joinpath("attempts", task.id)

    def lease_folder(self, key: str) -> Path:
        """The tokens of one lease."""
        return self.root.joinpath("leases", key)

    def asked_path(self, key: str, token: int) -> Path:
        """The file that says which worker wants to take over what is held with a token of a lease."""
        return self.root.joinpath("asked", key, f"{token:06d}.json")

    def pace_path(self, host: str, device: str) -> Path:
        """The file that says how fast a device was measured to train."""
        return self.root.joinpath("pace", f"{host}-{device.replace(':', '-')}.json")

    def data_folder(self, data: str) -> Path:
        """A data set's files."""
        return self.root.joinpath("data", data)

    def trial_folder(self, trial: str) -> Path:
        """A trial's files."""
        return self.root.joinpath("trials", trial)

    def run_folder(self, run: str) -> Path:
        """A run's files."""
        return self.root.joinpath("runs", run)

    def run_path(self, run: str) -> Path:
        """The file that records a run."""
        return self.run_folder(run) / "run.json"

    def cancelled_path(self, run: str) -> Path:
        """The file that says that a run was cancelled."""
        return self.run_folder(run) / "cancelled.json"

    def report_folder(self, run: str) -> Path:
        """Where a run's report is written when no folder is named."""
        return self.root.joinpath("reports", run)

    def export_folder(self, run: str) -> Path:
        """Where a run's exports are written when no folder is named."""
        return self.root.joinpath("exports", run)

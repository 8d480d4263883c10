"""The paths of a store. No other module should build one.

store.json                                 format version
data/<data>/source.json, inventory.parquet what a data set is made of (written at submit)
data/<data>/images.npy, manifest.parquet   the prepared data set
trials/<trial>/trial.json                  what the trial is
trials/<trial>/marks/0010                  a target epoch of some run: trained to and evaluated at
trials/<trial>/marks/0010.blur-3           and evaluated at on corrupted test images
trials/<trial>/runs/<run>                  a run that wants the trial
trials/<trial>/numerics.json               precision and threads of the first attempt
trials/<trial>/microbatches.json           from which step on a batch is trained in micro-batches
trials/<trial>/checkpoints/                see models.checkpoints.files
ledger/done/<task>.json                    published results: a task is done when this file exists
ledger/failed/<task>.json                  why a task will not be tried again
leases/<key>/<token>.json                  the highest token holds the lease
asked/<key>/<token>.json                   which worker requests the handover of this lease
attempts/<task>/<number>.json, .log, /     one execution each: record, log, work folder
attempts/<task>/forgiven.json              failures up to this attempt are reset
progress/<task>.json                       the last progress report of the task's worker
results/<table>/trial=<trial>/*.parquet    rows
runs/<run>/run.json                        a run: specification, trials, tasks
runs/<run>/cancelled.json                  the run was cancelled and not resumed since
reports/<run>/                             where `orch report` writes by default
exports/<run>/<program>/                   where `orch export` writes by default
workers/<worker>.json                      a worker's heartbeat, at most a few seconds old
pace/<host>-<device>.json                  measured throughput of a device
stack/<host>/                              embedded broker and local workers of a machine
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jobs.task import Task


@dataclass(frozen=True, slots=True)
class StorePaths:
    """The paths of one store folder. Paths of tables are built in `jobs.store.tables`."""

    root: Path

    def done_path(self, task: Task) -> Path:
        """The file whose existence means that the task is done."""
        return self.root.joinpath("ledger", "done", f"{task.id}.json")

    def failed_path(self, task: Task) -> Path:
        """The file that says why a task failed for good."""
        return self.root.joinpath("ledger", "failed", f"{task.id}.json")

    def progress_path(self, task: Task) -> Path:
        """The last progress report of a task's worker."""
        return self.root.joinpath("progress", f"{task.id}.json")

    def attempts_folder(self, task: Task) -> Path:
        """Records, logs and work folders of a task's attempts."""
        return self.root.joinpath("attempts", task.id)

    def lease_folder(self, key: str) -> Path:
        """The tokens of one lease."""
        return self.root.joinpath("leases", key)

    def asked_path(self, key: str, token: int) -> Path:
        """The handover request for a lease held with this token."""
        return self.root.joinpath("asked", key, f"{token:06d}.json")

    def pace_path(self, host: str, device: str) -> Path:
        """The measured throughput of a device."""
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
        """The file that marks a run as cancelled."""
        return self.run_folder(run) / "cancelled.json"

    def report_folder(self, run: str) -> Path:
        """Default folder of a run's report."""
        return self.root.joinpath("reports", run)

    def export_folder(self, run: str) -> Path:
        """Default folder of a run's exports."""
        return self.root.joinpath("exports", run)

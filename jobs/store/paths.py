"""The paths of a store. No other module should build one.

store.json                                 format version
data/<data>/source.json, inventory.parquet source and files of a data set (written at submit)
data/<data>/images.npy, manifest.parquet   the prepared data set
trials/<trial>/trial.json                  data set, backbone, weights, recipe and seed
trials/<trial>/marks/0010                  a target epoch: train to it and evaluate there
trials/<trial>/marks/0010.blur-3           also evaluate there on corrupted test images
trials/<trial>/runs/<run>                  a run that includes the trial
trials/<trial>/numerics.json               precision and threads of the first attempt
trials/<trial>/threads.json                threads that the submission chose for the first attempt
trials/<trial>/microbatches.json           the step from which batches are split into micro-batches
trials/<trial>/checkpoints/                see models.checkpoints.files
ledger/done/<task>.json                    published results: a task is done when this file exists
ledger/failed/<task>.json                  why a task permanently failed and is not retried
leases/<key>/<token>.json                  the highest token holds the lease
asked/<key>/<token>.json                   which worker requests the handover of this lease
attempts/<task>/<number>.json, .log, /     one attempt: record, log, work folder
attempts/<task>/forgiven.json              failures up to this attempt no longer count
progress/<task>.json                       the last progress report of the task's worker
results/<table>/trial=<trial>/*.parquet    table rows of a trial
runs/<run>/run.json                        specification, trials and tasks of a run
runs/<run>/cancelled.json                  the run was cancelled and not resumed since
reports/<run>/                             where `orch report` writes by default
exports/<run>/<program>/                   where `orch export` writes by default
workers/<worker>.json                      a worker's heartbeat, at most a few seconds old
pace/<host>-<device>.json                  measured throughput of a device
stack/<host>/                              processes of a machine, as version 0.1.0 recorded them
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
        """The file that records why a task permanently failed."""
        return self.root.joinpath("ledger", "failed", f"{task.id}.json")

    def progress_path(self, task: Task) -> Path:
        """The file of the last progress report of a task's worker."""
        return self.root.joinpath("progress", f"{task.id}.json")

    def attempts_folder(self, task: Task) -> Path:
        """The folder of the records, logs and work folders of a task's attempts."""
        return self.root.joinpath("attempts", task.id)

    def lease_folder(self, key: str) -> Path:
        """The folder of the fencing tokens of one lease."""
        return self.root.joinpath("leases", key)

    def asked_path(self, key: str, token: int) -> Path:
        """The file of the handover request for the lease held with this token."""
        return self.root.joinpath("asked", key, f"{token:06d}.json")

    def pace_path(self, host: str, device: str) -> Path:
        """The file of the measured throughput of a device."""
        return self.root.joinpath("pace", f"{host}-{device.replace(':', '-')}.json")

    def data_folder(self, data: str) -> Path:
        """The folder of a data set."""
        return self.root.joinpath("data", data)

    def trial_folder(self, trial: str) -> Path:
        """The folder of a trial."""
        return self.root.joinpath("trials", trial)

    def run_folder(self, run: str) -> Path:
        """The folder of a run."""
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

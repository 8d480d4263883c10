"""The paths of a store. No other module should build one.

store.json                                 format version, id of the store
.store-id.json                             the id, while a store of 0.1.0 is given one (it stays)
data/<data>/source.json, inventory.parquet source and files of a data set (written at submit)
data/<data>/images.npy, manifest.parquet   the prepared data set
data/<data>/leaks.json                     test images like others, found by the first report
networks/<SHA-256>.py, .pth, .safetensors  own files of networks and weights, copied at submit
trials/<trial>/trial.json                  data set, backbone, weights, recipe and seed
trials/<trial>/marks/0010                  a target epoch: train to it and evaluate there
trials/<trial>/marks/0010.blur-3           also evaluate there on corrupted test images
trials/<trial>/marks/0010.on-<data>        also evaluate there on other data
trials/<trial>/runs/<run>                  a run that includes the trial
trials/<trial>/numerics.json               precision and threads of the first attempt
trials/<trial>/threads.json                threads that the submission chose for a lone trial
trials/<trial>/microbatches.json           the step from which batches are split into micro-batches
trials/<trial>/checkpoints/                see models.checkpoints.files
ledger/done/<task>.json                    published results: a task is done when this file exists
ledger/failed/<task>.json                  why a task permanently failed and is not retried
leases/<key>/<token>.json                  the highest token holds the lease
asked/<key>/<token>.json                   which worker requests the handover of this lease
attempts/<task>/<number>.json, .log, /     one attempt: record, log, work folder
attempts/<task>/forgiven.json              failures up to this attempt no longer count
progress/<task>.json                       the last progress report of the task's worker
features/<key>.json, <key>-*.npy           features of images, where only the head is trained
results/<table>/trial=<trial>/*.parquet    table rows of a trial
runs/<run>/run.json                        specification, trials and tasks of a run
runs/<run>/others/<name>.json              other data that its networks are evaluated on
runs/<run>/cancelled.json                  the run was cancelled and not resumed since
runs/<run>/decisions/0001.json             which trials stop after this period, and why
runs/<run>/carried-on.json                 stopped trials go on all the same
reports/<run>/                             where `orch report` writes by default
exports/<run>/<program>/                   where `orch export` writes by default
workers/<worker>.json                      a worker's heartbeat, at most a few seconds old
drains/<name>.json                         the workers of this name or host take no further task
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

    @property
    def marker_path(self) -> Path:
        """The file that makes the folder a store."""
        return self.root / "store.json"

    @property
    def id_claim_path(self) -> Path:
        """Created once beside a store.json without an id: all who give it one take this one."""
        return self.root / ".store-id.json"

    def ledger_folder(self, kind: str) -> Path:
        """The folder of the records of `done` or `failed` tasks, named by task."""
        return self.root.joinpath("ledger", kind)

    @property
    def progress_folder(self) -> Path:
        """The folder of progress reports, named by task."""
        return self.root / "progress"

    @property
    def all_attempts_folder(self) -> Path:
        """The folder of attempts, one folder a task."""
        return self.root / "attempts"

    @property
    def trials_folder(self) -> Path:
        """The folder of all trials."""
        return self.root / "trials"

    @property
    def all_data_folder(self) -> Path:
        """The folder of all data sets."""
        return self.root / "data"

    @property
    def leases_folder(self) -> Path:
        """The folder of leases, one folder a lease."""
        return self.root / "leases"

    @property
    def asked_folder(self) -> Path:
        """The folder of handover requests, one folder a lease."""
        return self.root / "asked"

    @property
    def runs_folder(self) -> Path:
        """The folder of all runs."""
        return self.root / "runs"

    @property
    def heartbeats_folder(self) -> Path:
        """The folder of heartbeats, named by worker."""
        return self.root / "workers"

    def heartbeat_path(self, worker: str) -> Path:
        """The file of a worker's heartbeat."""
        return self.heartbeats_folder / f"{worker}.json"

    @property
    def drains_folder(self) -> Path:
        """The folder of the drains, named by host or worker."""
        return self.root / "drains"

    def drain_path(self, name: str) -> Path:
        """The file that takes a worker, or all workers of a host, out of service."""
        return self.drains_folder / f"{name}.json"

    @property
    def stacks_folder(self) -> Path:
        """The folder where version 0.1.0 recorded local processes, one folder a machine."""
        return self.root / "stack"

    def done_path(self, task: Task) -> Path:
        """The file whose existence means that the task is done."""
        return self.ledger_folder("done") / f"{task.id}.json"

    def failed_path(self, task: Task) -> Path:
        """The file that records why a task permanently failed."""
        return self.ledger_folder("failed") / f"{task.id}.json"

    def progress_path(self, task: Task) -> Path:
        """The file of the last progress report of a task's worker."""
        return self.progress_folder / f"{task.id}.json"

    def attempts_folder(self, task: Task) -> Path:
        """The folder of the records, logs and work folders of a task's attempts."""
        return self.all_attempts_folder / task.id

    def lease_folder(self, key: str) -> Path:
        """The folder of the fencing tokens of one lease."""
        return self.leases_folder / key

    def asked_path(self, key: str, token: int) -> Path:
        """The file of the handover request for the lease held with this token."""
        return self.asked_folder / key / f"{token:06d}.json"

    def pace_path(self, host: str, device: str) -> Path:
        """The file of the measured throughput of a device."""
        return self.root.joinpath("pace", f"{host}-{device.replace(':', '-')}.json")

    def data_folder(self, data: str) -> Path:
        """The folder of a data set."""
        return self.root.joinpath("data", data)

    def source_path(self, data: str) -> Path:
        """The file that describes a data set's source and settings."""
        return self.data_folder(data) / "source.json"

    def inventory_path(self, data: str) -> Path:
        """The table of a data set's files."""
        return self.data_folder(data) / "inventory.parquet"

    def images_path(self, data: str) -> Path:
        """The array of a data set's prepared images."""
        return self.data_folder(data) / "images.npy"

    def manifest_path(self, data: str) -> Path:
        """The table of a data set's prepared images: class, split, checksum."""
        return self.data_folder(data) / "manifest.parquet"

    def leaks_path(self, data: str) -> Path:
        """The file of test images that are, or look like, images of other splits."""
        return self.data_folder(data) / "leaks.json"

    def prepared_files(self, data: str) -> dict[str, str]:
        """What preparing publishes: name in the work folder, and path relative to the store."""
        paths = (self.images_path(data), self.manifest_path(data))
        return {path.name: path.relative_to(self.root).as_posix() for path in paths}

    @property
    def features_folder(self) -> Path:
        """The folder of features of images, computed once for trainings of the last layer."""
        return self.root / "features"

    def network_path(self, name: str) -> Path:
        """The copy of an own file of a network, or of its weights, by checksum and suffix."""
        return self.root.joinpath("networks", name)

    def trial_folder(self, trial: str) -> Path:
        """The folder of a trial."""
        return self.root.joinpath("trials", trial)

    def trial_path(self, trial: str) -> Path:
        """The file that records a trial."""
        return self.trial_folder(trial) / "trial.json"

    def target_epochs_folder(self, trial: str) -> Path:
        """The folder whose file names are a trial's target epochs and corruptions."""
        return self.trial_folder(trial) / "marks"

    def trial_runs_folder(self, trial: str) -> Path:
        """The folder whose file names are the runs that include a trial."""
        return self.trial_folder(trial) / "runs"

    def numerics_path(self, trial: str) -> Path:
        """The file of a trial's precision and threads."""
        return self.trial_folder(trial) / "numerics.json"

    def threads_path(self, trial: str) -> Path:
        """The file of the threads that the submission chose for a trial."""
        return self.trial_folder(trial) / "threads.json"

    def microbatches_path(self, trial: str) -> Path:
        """The file of the steps from which a trial's batches are split."""
        return self.trial_folder(trial) / "microbatches.json"

    def checkpoints_folder(self, trial: str) -> Path:
        """The folder of a trial's checkpoints."""
        return self.trial_folder(trial) / "checkpoints"

    def run_folder(self, run: str) -> Path:
        """The folder of a run."""
        return self.runs_folder / run

    def run_path(self, run: str) -> Path:
        """The file that records a run."""
        return self.run_folder(run) / "run.json"

    def cancelled_path(self, run: str) -> Path:
        """The file that marks a run as cancelled."""
        return self.run_folder(run) / "cancelled.json"

    def decisions_folder(self, run: str) -> Path:
        """The folder of what was decided after the periods of a run."""
        return self.run_folder(run) / "decisions"

    def decision_path(self, run: str, period: int) -> Path:
        """The file of what was decided after a period of a run."""
        return self.decisions_folder(run) / f"{period:04d}.json"

    def carried_on_path(self, run: str) -> Path:
        """The file that carries stopped trials of a run on."""
        return self.run_folder(run) / "carried-on.json"

    def others_folder(self, run: str) -> Path:
        """The folder of the records of other data that a run's networks are evaluated on."""
        return self.run_folder(run) / "others"

    def report_folder(self, run: str) -> Path:
        """Default folder of a run's report."""
        return self.root.joinpath("reports", run)

    def export_folder(self, run: str) -> Path:
        """Default folder of a run's exports."""
        return self.root.joinpath("exports", run)

"""The records of the store: a frozen class for each kind of JSON file.

`jobs.store.codec` reads, checks and writes them. Names of fields are the keys in the files, and
stay. Fields that hold their default are not written. Increase `FORMAT` for a change that older code
would misread; that code then leaves the record alone.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

Number = int | float


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A JSON file of the store; `FORMAT` is the newest version that this code reads and writes.

    `format` is that of this record. Where `NULLS` is false, a null in the file is damage.
    """

    FORMAT: ClassVar[int] = 1
    NULLS: ClassVar[bool] = True

    format: int = 1


# Tasks


class PublishedFile(msgspec.Struct, frozen=True):
    """A file of a result: its path relative to the store, its checksum and its size."""

    path: str
    sha256: str
    bytes: int


class Split(msgspec.Struct, frozen=True):
    """From `step` of `epoch` on (both from 1), a batch is trained in `parts` micro-batches."""

    epoch: int
    step: int
    parts: int


class TaskResult(Record, frozen=True, omit_defaults=True, kw_only=True):
    """The published result of a task (`ledger/done`); docs/architecture.md lists the fields.

    `versions` are those of the packages that it was made with.
    """

    NULLS: ClassVar[bool] = False

    files: tuple[PublishedFile, ...] | None = None
    versions: dict[str, str] = {}
    seconds: Number | None = None
    device: str | None = None
    epoch: int | None = None
    # of a training
    stopped_early: bool | None = None
    checkpoint: str | None = None
    weights_digest: str | None = None
    precision: str | None = None
    threads: int | None = None
    micro_batches: tuple[Split, ...] | None = None
    peak_memory_bytes: int | None = None
    peak_reserved_bytes: int | None = None
    weights_licence: str | None = None
    energy_joules: Number | None = None
    measured_from: Number | None = None
    # of an evaluation
    loss: Number | None = None
    correct: int | None = None
    total: int | None = None
    accuracy: Number | None = None
    # of a training on features, and of a ranking
    feature_seconds: Number | None = None
    feature_joules: Number | None = None
    features_by: str | None = None
    # of a ranking
    knn_accuracy: Number | None = None
    probe_seconds: Number | None = None
    # of a data set
    images: int | None = None
    skipped: tuple[str, ...] | None = None
    classes: dict[str, dict[str, int]] | None = None
    low_contrast: tuple[str, ...] | None = None
    value_range: dict[str, Any] | None = None


class TaskFailure(Record, frozen=True, omit_defaults=True, kw_only=True):
    """Why a task permanently failed (`ledger/failed`).

    `quarantined`: another attempt might have succeeded, but there were too many already.
    """

    NULLS: ClassVar[bool] = False

    failure: str = "bug"
    message: str = ""
    attempt: int | None = None
    log: str | None = None
    quarantined: bool = False


class AttemptRecord(Record, frozen=True, kw_only=True):
    """One attempt; `state` is running, done, failed, stopped or lost; times are Unix times.

    `position` is the resume point, `versions` those of its packages, `celery_id` its row in Flower.
    """

    attempt: int
    state: str
    failure: str | None
    position: str | None
    worker: str | None
    task: str = ""
    kind: str = ""
    message: str | None = None
    queued_at: Number | None = None
    started_at: Number | None = None
    finished_at: Number | None = None
    trial: str | None = None
    run: str | None = None
    host: str | None = None
    device: str | None = None
    token: int | None = None
    versions: dict[str, str] | None = None
    celery_id: str | None = None


class ResetRecord(Record, frozen=True):
    """Failures up to this attempt no longer count (`forgiven.json`)."""

    attempt: int


class ProgressRecord(Record, frozen=True, omit_defaults=True, kw_only=True):
    """The last progress report of a task; fields that mean nothing in its phase are left out."""

    worker: str
    device: str
    at: Number
    attempt: int = 1
    task: str = ""
    host: str = ""
    phase: str | None = None
    done: Number | None = None
    total: Number | None = None
    epoch: int | None = None
    epochs: int | None = None
    loss: Number | None = None
    images_per_second: Number | None = None
    val_accuracy: Number | None = None
    eta_s: Number | None = None
    memory_bytes: int | None = None


# Workers


class LeaseRecord(Record, frozen=True, kw_only=True):
    """A token file of a lease: its holder, and the number of heartbeats since the claim."""

    holder: str
    beats: int = 0
    released: bool = False


class HandoverRecord(Record, frozen=True):
    """A request to hand a training over: the worker that asks."""

    by: str


class RunningTraining(msgspec.Struct, frozen=True):
    """The training in a heartbeat: its kind, the images left, and the GPU memory it requires."""

    task: str
    kind: str
    left: Number
    needs_bytes: int = 0


class HeartbeatRecord(Record, frozen=True, kw_only=True):
    """A worker's heartbeat; fields with defaults are unknown to older workers.

    `since`: when its tasks last changed. `drained`: the drained host or worker. `rates`: images per
    second by kind of training. `gpu_memory_bytes`: 0 without a GPU.
    """

    name: str
    host: str
    pid: int
    device: str
    task: str | None
    at: Number
    tasks: tuple[str, ...] | None = None
    slots: int = 1
    model: str = ""
    process: str | None = None
    loading: bool = False
    trouble: str | None = None
    rates: dict[str, Number] | None = None
    busy: bool = True
    settled: bool = False
    training: RunningTraining | None = None
    uuid: str = ""
    version: str = ""
    since: Number | None = None
    drained: str | None = None
    trouble_class: str = ""
    gpu_memory_bytes: int = 0
    known_keys: str = ""


# Requests


class RunRecord(Record, frozen=True, omit_defaults=True, kw_only=True):
    """A run: its specification, trials and tasks; `Run.format` says what each format has."""

    FORMAT: ClassVar[int] = 3
    name: str
    spec: dict[str, Any]
    data: str
    trials: tuple[str, ...]
    tasks: tuple[str, ...]
    submitted_at: Number
    provenance: dict[str, Any]
    notes: tuple[str, ...] = ()


class CancelledRecord(Record, frozen=True):
    """The run with this name is cancelled."""

    run: str


class RatesRecord(Record, frozen=True):
    """The measured images per second of a device; its keys are kinds of training, not fields."""


class TrialRecord(Record, frozen=True, omit_defaults=True, kw_only=True):
    """A trial: data set, backbone, weights, recipe, seed; its network if not of the catalog."""

    data: str
    backbone: str
    weights: str
    recipe: dict[str, Any]
    seed: int
    network: dict[str, Any] | None = None


class DataSetRecord(Record, frozen=True, omit_defaults=True, kw_only=True):
    """A data set: its source, its classes in order, its settings, and its preparation."""

    origin: str
    classes: tuple[str, ...]
    settings: dict[str, Any]
    preparation: int = 1
    layout: str = "class-folders"
    labels: str | None = None


# State of a trial


class NumericsRecord(Record, frozen=True, kw_only=True):
    """What the first attempt of a trial chose, and later ones keep."""

    precision: str
    threads: int
    device: str
    weights_sha256: str | None


class ThreadsRecord(Record, frozen=True):
    """The threads that the submission chose for a trial."""

    threads: int


class MicroBatchesRecord(Record, frozen=True):
    """The steps from which the batches of a trial are split."""

    splits: tuple[Split, ...]


class CheckpointRecord(Record, frozen=True, kw_only=True):
    """The checksum file of a checkpoint."""

    sha256: str
    bytes: int
    epoch: int = 0
    step: int = 0
    attempt: str = ""

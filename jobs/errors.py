"""The error hierarchy.

Each message says what failed, the value, and what to do next. Only entry points (the command line,
a task) catch these errors. `exit_code` is the exit code of the command line. `failure` is the
failure class recorded in the attempts table. `temporary`: it may be gone by the time that a worker
is started again.
"""

from __future__ import annotations

from jobs import exit_codes


class OrchError(Exception):
    """Base class of all errors that orch can explain."""

    exit_code = exit_codes.FAILED
    failure = "bug"
    retry = False
    temporary = False


def class_of(error: object) -> str:
    """The failure class of any error; `system` for one of the operating system."""
    if isinstance(error, OrchError):
        return error.failure
    return "system" if isinstance(error, OSError) else "bug"


class RequestError(OrchError):
    """The request cannot be carried out as given; nothing was queued or written."""

    exit_code = exit_codes.INVALID
    failure = "bad-request"


class BadSpec(RequestError):
    """A specification or an option has an invalid value."""


class BadEnvironment(RequestError):
    """An environment variable has an invalid value."""


class UnknownBackbone(BadSpec):
    """A backbone that is not in the catalog."""


class BadFolder(RequestError):
    """A data folder that is missing, empty, or not a folder of class folders."""


class BrokerUnreachable(RequestError):
    """The broker cannot be reached or used; messages show host and port at most.

    `kind` is the same for errors of one cause that differ in their words; empty if unknown.
    """

    temporary = True
    kind = ""


class BadBrokerAddress(BrokerUnreachable):
    """An address that no broker can have."""

    temporary = False


class NotQueued(OrchError):
    """A run is recorded, but its tasks could not be queued."""

    failure = "not-queued"


class StoreUnusable(RequestError):
    """The store cannot be read or written; a shared folder may be mounted later."""

    temporary = True


class UnknownRun(RequestError):
    """A run that is not in the store."""


class MissingWeights(RequestError):
    """Pretrained weights found neither in `ORCH_WEIGHTS_DIR` nor by download."""

    failure = "missing-weights"


class MissingExtra(RequestError):
    """A command that needs an optional dependency that is not installed."""


class CannotLoad(RequestError):
    """The worker's child processes cannot load what they need on this machine."""


class WorkError(OrchError):
    """A task failed; `retry` says whether another attempt may succeed."""


class DamagedFile(WorkError, ValueError):
    """A file in the store with invalid contents; the message names it."""

    failure = "damaged-file"


class BadImages(WorkError):
    """Files in a data folder that are not images, or are broken; listed by name."""

    failure = "bad-image"


class DataChanged(WorkError):
    """The data folder has changed since it was submitted."""

    failure = "data-changed"


class DataOutOfReach(WorkError):
    """Images that this machine or this user cannot see; another worker may."""

    failure = "data-out-of-reach"
    retry = True


class BadWeights(WorkError):
    """A weights file whose contents do not match the network it is named after."""

    failure = "bad-weights"


class BadCheckpoint(WorkError):
    """A checkpoint that is truncated, corrupted, or belongs to another trial."""

    failure = "bad-checkpoint"


class NetworkDiffers(WorkError):
    """A library builds another network here than the one that was trained."""

    failure = "network-differs"


class LossNotFinite(WorkError):
    """Training produced a loss that is not a finite number."""

    failure = "loss-not-finite"


class OutOfMemory(WorkError):
    """The device or the machine had too little memory for the task."""

    failure = "out-of-memory"


class BatchSplit(WorkError):
    """A batch did not fit into memory; from that step on the trial uses micro-batches."""

    failure = "out-of-memory"
    retry = True


class Crowded(WorkError):
    """Memory ran out while other tasks ran on the same device.

    The next attempt has exclusive use of the device; nothing else changes.
    """

    failure = "crowded"
    retry = True


class DeviceFailed(WorkError):
    """The GPU or its driver failed; the same task may succeed elsewhere, or later."""

    failure = "device-failed"
    retry = True


class StorageFull(WorkError):
    """The store is full or read-only."""

    failure = "storage-full"
    retry = True


class OutOfReach(WorkError):
    """A file of the store that this process must leave as it is; the message names it.

    A worker puts its task off, and goes on with others.
    """

    failure = "out-of-reach"
    retry = True


class AccessDenied(OutOfReach, PermissionError):
    """A file of the store that this user may not read or write; the message names its owner."""

    failure = "permission"


class NewerRecord(OutOfReach):
    """A record in a format that only a newer version of orch can read."""

    exit_code = exit_codes.INVALID
    failure = "newer-record"


class UnknownEntry(OutOfReach):
    """A run or a trial that names an entry of a registry which this orch does not have."""

    exit_code = exit_codes.INVALID
    failure = "unknown-entry"


class WorkerLost(WorkError):
    """The process executing a task died without reporting an error."""

    failure = "worker-lost"
    retry = True


class LeaseLost(WorkError):
    """Another worker now holds the lease; this attempt must not publish anything."""

    failure = "lease-lost"
    retry = True


class Stopped(WorkError):
    """The task was stopped between two steps; its checkpoint is kept."""

    failure = "stopped"
    retry = True

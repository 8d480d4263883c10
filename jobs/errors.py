"""Everything that can go wrong, as one tree.

Each message says what failed, the value, and what to do next. Only doors (the command line, a task)
catch; `exit_code` is what the command line leaves with, `failure` is the class kept in the attempts table.
"""

from __future__ import annotations


class OrchError(Exception):
    """The root: something orch can explain."""

    exit_code = 1
    failure = "bug"
    retry = False


class RequestError(OrchError):
    """What was asked cannot be done as asked; nothing was queued or written."""

    exit_code = 2
    failure = "bad-request"


class BadSpec(RequestError):
    """A spec or an option holds a value that orch cannot take."""


class BadEnvironment(RequestError):
    """An environment variable holds a value that orch cannot take."""


class UnknownBackbone(BadSpec):
    """A backbone that the catalog does not hold."""


class BadFolder(RequestError):
    """A data folder that is missing, empty, or not a folder of class folders."""


class BrokerUnreachable(RequestError):
    """No broker answers at the address given (shown without its password)."""


class StoreUnusable(RequestError):
    """The store cannot be read or written."""


class UnknownRun(RequestError):
    """A run that the store does not hold."""


class MissingWeights(RequestError):
    """Pretrained weights that neither `ORCH_WEIGHTS_DIR` nor a download can give."""

    failure = "missing-weights"


class MissingExtra(RequestError):
    """A command that needs an optional dependency that is not installed."""


class CannotLoad(RequestError):
    """A machine on which a worker's children cannot even load what they need."""


class WorkError(OrchError):
    """A task failed; `retry` says whether another attempt may end differently."""


class DamagedFile(WorkError, ValueError):
    """A file in the store that does not hold what was written there, or never was orch's; named in the message."""

    failure = "damaged-file"


class BadImages(WorkError):
    """Files in a data folder that are not images, or broken ones; listed by name."""

    failure = "bad-image"


class DataChanged(WorkError):
    """The data folder is no longer what was submitted."""

    failure = "data-changed"


class BadWeights(WorkError):
    """A weights file whose contents do not fit the network it is named for."""

    failure = "bad-weights"


class BadCheckpoint(WorkError):
    """A checkpoint that is torn, rotten, or of another trial."""

    failure = "bad-checkpoint"


class LossNotFinite(WorkError):
    """Training produced a loss that is not a finite number."""

    failure = "loss-not-finite"


class OutOfMemory(WorkError):
    """The device or the machine had too little memory for the task."""

    failure = "out-of-memory"


class BatchSplit(WorkError):
    """A batch did not fit into memory; from that step on the trial trains it in smaller parts."""

    failure = "out-of-memory"
    retry = True


class Crowded(WorkError):
    """Memory ran out while other tasks ran on the same device; the task is run alone next, with nothing changed."""

    failure = "crowded"
    retry = True


class DeviceFailed(WorkError):
    """The GPU, its driver or torch's way to it gave up; the same work may succeed elsewhere, or a little later."""

    failure = "device-failed"
    retry = True


class StorageFull(WorkError):
    """The store has no room left, or is read-only."""

    failure = "storage-full"
    retry = True


class WorkerLost(WorkError):
    """The process that worked on a task died without a word."""

    failure = "worker-lost"
    retry = True


class LeaseLost(WorkError):
    """Another worker holds the lease now; this attempt must publish nothing."""

    failure = "lease-lost"
    retry = True


class Stopped(WorkError):
    """The task was asked to stop between two steps; its checkpoint is kept."""

    failure = "stopped"
    retry = True

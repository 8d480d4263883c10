"""The heartbeat of a worker: that it is alive, what it does, and what hinders it."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from importlib import metadata

from jobs import atomic
from jobs.errors import DamagedFile, OrchError, OutOfReach, RequestError, StorageFull
from jobs.spec import keys_digest
from jobs.store import codec
from jobs.store.records import HeartbeatRecord
from jobs.store.store import Store
from workers.process import identity
from workers.worker import Worker

log = logging.getLogger("orch.worker")

MAX_TROUBLE = 500
OWN_VERSION = metadata.version("orch")


def write_or_warn(worker: Worker) -> None:
    """Write the heartbeat; where that fails, only log it."""
    try:
        write(worker)
    except (OrchError, OSError) as error:
        _unwritten(worker, error)


def write(worker: Worker) -> None:
    """Write the heartbeat; on a full disk, where no file can be made, over the last one."""
    path = worker.store.heartbeat_path(worker.name)
    try:
        atomic.write_json(path, codec.encode(_record(worker)), durable=False)
    except StorageFull as error:
        _unwritten(worker, error)
        worker.trouble, worker.trouble_class = str(error), error.failure
        atomic.rewrite_json(path, codec.encode(_record(worker)))
    else:
        _written_again(worker)


def _unwritten(worker: Worker, error: Exception) -> None:
    """Log a failure once: an outage may take a night."""
    if worker.unwritten_since is None:
        worker.unwritten_since = time.monotonic()
        log.warning("cannot write the heartbeat: %s", error)


def _written_again(worker: Worker) -> None:
    """After a failure: say so, and try at once what waits for the disk, for up to five minutes."""
    if worker.unwritten_since is None:
        return
    away_s = time.monotonic() - worker.unwritten_since
    worker.unwritten_since = None
    log.info("the store can be written again, after %.0f s", away_s)
    if worker.pause.failure == StorageFull.failure:
        worker.pause.until = 0.0


def remove(worker: Worker) -> None:
    """Remove the heartbeat and withdraw any handover request."""
    worker.placement.leave()
    worker.store.heartbeat_path(worker.name).unlink(missing_ok=True)


def refuse_namesake(store: Store, name: str) -> None:
    """Raise `RequestError` if a process of this machine is a worker of that name.

    Both would write one heartbeat and receive from one queue.
    """
    record = None
    with contextlib.suppress(DamagedFile, OSError):
        record = codec.read(store.heartbeat_path(name), HeartbeatRecord)
    if record is None or record.process == identity.process_identity():
        return
    if identity.runs_here(record.process) and not identity.has_ended(record.process):
        raise RequestError(
            f"--name {name[:100]}: the worker of that name runs on this machine (process "
            f"{record.pid}). Give another --name, or stop that one."
        )


def _record(worker: Worker) -> HeartbeatRecord:
    tasks = worker.admission.tasks
    placement = worker.placement
    trouble, trouble_class = _trouble(worker)
    return HeartbeatRecord(
        name=worker.name,
        host=worker.host,
        pid=os.getpid(),
        device=worker.device.name,
        task=next(iter(tasks), None),
        tasks=tuple(tasks),
        slots=worker.admission.slots,
        at=time.time(),
        model=worker.model,
        process=identity.process_identity(),
        loading=worker.loading,
        trouble=trouble or None,
        trouble_class=trouble_class,
        rates=placement.rates,
        busy=worker.loading or bool(tasks),
        settled=placement.settled,
        training=placement.running_training(),
        uuid=worker.uuid,
        gpu_memory_bytes=worker.gpu_memory_bytes,
        version=OWN_VERSION,
        since=worker.drain.since(tasks),
        drained=worker.drain.name,
        known_keys=keys_digest.digest(),
    )


def _trouble(worker: Worker) -> tuple[str, str]:
    """Why tasks wait at this worker, in a line, and its failure class; empty if nothing hinders."""
    if worker.pause.active:
        return f"paused: {worker.pause.reason}"[:MAX_TROUBLE], worker.pause.failure
    reasons = [
        (worker.trouble, worker.trouble_class),
        *zip(worker.put_off.reasons().values(), worker.put_off.failures(), strict=False),
        *((reason, OutOfReach.failure) for reason in sorted(worker.denied)),
    ]
    text, failure = next((each for each in reasons if each[0]), ("", ""))
    return text[:MAX_TROUBLE], failure

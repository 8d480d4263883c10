"""Run a worker: pin the device, execute tasks in each slot, and shut down cleanly."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import sys
import threading
import time
import warnings
from functools import partial
from types import FrameType
from typing import Any

from celery import Celery, signals
from celery.platforms import SecurityWarning

from jobs.settings import Settings, without_password
from jobs.store.store import Store
from workers.devices import discovery, memory
from workers.devices.admission import Admission
from workers.execution import execute
from workers.lease import LeaseTracker
from workers.messaging import broker
from workers.messaging.tasks import register_tasks
from workers.process import child
from workers.reconciler import Reconciler
from workers.worker import Worker

log = logging.getLogger("orch.worker")


def run(
    settings: Settings,
    broker_url: str,
    *,
    device: str | None = None,
    threads: int | None = None,
    name: str | None = None,
    idle_exit_s: float | None = None,
    slots: int = 1,
) -> int:
    """Execute up to `slots` tasks at a time until stopped, and return the exit code.

    The worker also exits when it has been idle for `idle_exit_s` seconds.
    Raises `jobs.errors.RequestError` for a device, store or broker that cannot be used.
    """
    _log_to_stderr()
    worker, lock = _prepare(settings, broker_url, device, threads, name, slots)
    try:
        return _work(worker, idle_exit_s)
    finally:
        if lock is not None:
            lock.close()


def _prepare(
    settings: Settings,
    broker_url: str,
    asked: str | None,
    threads: int | None,
    name: str | None,
    slots: int,
) -> tuple[Worker, Any]:
    chosen, lock = discovery.choose_device(asked, threads, slots=slots)
    store = Store(settings.store).open(create=True)
    broker.ping(broker_url)
    os.environ.update(chosen.environment())
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname()) or "host"
    called = re.sub(r"[^A-Za-z0-9._-]", "-", name or f"{host}-{chosen.name}-{os.getpid()}")
    admission = Admission(slots, memory.total_bytes(chosen) if slots > 1 else 0)
    return Worker(
        store,
        broker_url,
        called,
        host,
        chosen,
        settings.weights_dir,
        LeaseTracker(store),
        admission=admission,
        model=discovery.device_model(chosen),
    ), lock


def _work(worker: Worker, idle_exit_s: float | None) -> int:
    child.start_fork_server()
    reconciler, leave = Reconciler(worker), threading.Event()
    consumer = _consumer(worker)
    _leave_on_signals(worker, consumer, leave)
    worker.loading = True
    reconciler.sign()
    rounds = threading.Thread(target=reconciler.forever, args=(idle_exit_s, leave), daemon=True)
    rounds.start()
    try:
        log.info("worker %s on %s loads what its tasks need", worker.name, worker.device.name)
        if child.warm(leave):
            worker.loading, worker.idle_since = False, time.monotonic()
            reconciler.sign_or_warn()
            _take_tasks(worker, consumer, leave)
    finally:
        leave.set()
        rounds.join(5)
        reconciler.remove_heartbeat()
        broker.delete_worker_queue(worker.broker_url, worker.name)
    log.info("worker %s has left", worker.name)
    return int(consumer.exitcode or 0)


def _take_tasks(worker: Worker, consumer: Any, leave: threading.Event) -> None:
    """Execute tasks in each slot until `leave` is set."""
    threading.Thread(target=_leave_when_told, args=(leave, worker), daemon=True).start()
    address = without_password(worker.broker_url)
    log.info("worker %s on %s takes tasks from %s", worker.name, worker.device.name, address)
    if worker.admission.slots > 1:
        _tell_room(worker)
    consumer.start()


def _tell_room(worker: Worker) -> None:
    admission, threads = worker.admission, worker.device.threads
    log.info(
        "up to %d tasks at a time, %d thread(s) each, in %.1f GB",
        admission.slots,
        threads,
        admission.total_bytes / 1e9,
    )
    if not admission.total_bytes:
        log.warning(
            "the memory of %s cannot be found out: tasks run one at a time", worker.device.name
        )


def _consumer(worker: Worker) -> Any:
    """Celery's worker with one thread per slot."""
    application: Celery = broker.app(worker.broker_url)
    register_tasks(application, partial(execute.execute, worker))
    return application.Worker(
        hostname=f"{worker.name}",
        pool="threads",
        concurrency=worker.admission.slots,
        loglevel="INFO",
        queues=[broker.worker_queue(worker.name), broker.QUEUE],
        without_mingle=True,
        without_gossip=True,
        optimization="fair",
        quiet=True,
    )


def _leave_on_signals(worker: Worker, consumer: Any, leave: threading.Event) -> None:
    """Install the signal handlers for SIGTERM, SIGINT and SIGHUP (a terminal that closes).

    The first signal stops running tasks between two steps. A second one ends the process and its
    children immediately. A worker started with `nohup` goes on ignoring SIGHUP.
    """

    def on_signal(number: int, frame: FrameType | None) -> None:
        if worker.stop.is_set():
            os._exit(128 + number)
        log.info("asked to stop: what runs stops between two steps (again to end at once)")
        worker.stop.set()
        leave.set()

    on_hangup = signal.SIG_IGN if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else on_signal

    def install(**_: Any) -> None:
        signal.signal(signal.SIGTERM, on_signal)
        signal.signal(signal.SIGINT, on_signal)
        signal.signal(signal.SIGHUP, on_hangup)

    install()
    signals.worker_ready.connect(install, weak=False)  # Celery installs its own handlers


def _leave_when_told(leave: threading.Event, worker: Worker) -> None:
    """Ask Celery for a warm shutdown once `leave` is set.

    Celery waits for running tasks; they end soon after `stop` is set.
    """
    from celery.worker import state

    leave.wait()
    worker.stop.set()
    state.should_stop = 0


def _log_to_stderr() -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
    )
    warnings.filterwarnings("ignore", message=".*superuser privileges", category=SecurityWarning)
    for noisy in ("celery", "kombu", "amqp"):
        logging.getLogger(noisy).setLevel(logging.WARNING)

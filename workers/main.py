"""Run a worker: pin the device, execute tasks in each slot, and shut down cleanly."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import socket
import threading
import time
from functools import partial
from types import FrameType
from typing import Any

from celery import Celery, signals

from jobs import atomic, exit_codes, file_names
from jobs.errors import BrokerUnreachable
from jobs.settings import Settings
from jobs.store import codec
from jobs.store.records import HeartbeatRecord
from jobs.store.store import Store
from jobs.task_title import task_title
from workers import doubtful_store, heartbeat, logs, stalls
from workers.devices import discovery, memory
from workers.devices.admission import Admission
from workers.execution import execute
from workers.lease_expiry import LeaseTracker
from workers.messaging import address, broker, remote_control, stores
from workers.messaging.direct import begin
from workers.messaging.events import use_outbox
from workers.messaging.probe import Probe
from workers.messaging.reconnecting_consumer import Consumer, install_filter
from workers.messaging.task_events import node_name
from workers.messaging.tasks import register_tasks
from workers.process import child
from workers.reconciler import Reconciler
from workers.worker import Worker

log = logging.getLogger("orch.worker")

LEAVE_S = 27.0
"""Seconds after which a worker that was asked to stop ends, whatever it waits for."""
GOODBYE_S = 6.0
"""Seconds that Celery has for its own end, once no task runs any more."""


def run(
    settings: Settings,
    broker_url: str,
    *,
    device: str | None = None,
    threads: int | None = None,
    name: str | None = None,
    idle_exit_s: float | None = None,
    slots: int = 1,
    min_free_bytes: int | None = None,
    log_format: str | None = None,
) -> int:
    """Execute up to `slots` tasks at a time until stopped, and return the exit code.

    The worker also exits when it has been idle for `idle_exit_s` seconds. It does not start on a
    GPU with less than `min_free_bytes` free. `log_format` is text or json.
    Raises `jobs.errors.RequestError` for a device, store or broker that cannot be used.
    """
    logs.to_stderr(logs.chosen_format(log_format))
    chosen, lock = discovery.choose_device(device, threads, slots=slots)
    if min_free_bytes is not None:
        discovery.require_free(chosen, min_free_bytes)
    worker = _prepare(settings, broker_url, chosen, name, slots)
    try:
        return _work(worker, idle_exit_s)
    finally:
        if lock is not None:
            lock.close()


def _prepare(
    settings: Settings,
    broker_url: str,
    chosen: discovery.Device,
    name: str | None,
    slots: int,
) -> Worker:
    store = Store(settings.store).open(create=True)
    broker.ping(broker_url)
    doubtful_store.tell(store, broker_url)
    os.environ.update(chosen.environment())
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname()) or "host"
    called = file_names.plain(name or f"{host}-{chosen.name}-{os.getpid()}")
    codec.refuse_newer(HeartbeatRecord, store.heartbeat_path(called))
    heartbeat.refuse_namesake(store, called)
    logs.name_process(host, called)
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
        uuid=discovery.uuid_of(chosen),
        gpu_memory_bytes=memory.gpu_bytes(chosen),
    )


def _work(worker: Worker, idle_exit_s: float | None) -> int:
    child.start_fork_server()
    worker.link.ping = Probe(worker.broker_url)
    worker.link.write = partial(broker.require_writable, worker.broker_url, worker.store_id)
    reconciler, leave = Reconciler(worker), threading.Event()
    store_watch = stalls.watch(worker.store.root)
    consumer = _consumer(worker)
    _leave_on_signals(worker, consumer, leave)
    remote_control.install(leave)
    worker.loading = True
    heartbeat.write(worker)
    rounds = threading.Thread(target=reconciler.forever, args=(idle_exit_s, leave), daemon=True)
    rounds.start()
    for beside in (worker.link.watch, partial(_leave_at_last, worker, reconciler)):
        threading.Thread(target=beside, args=(leave,), daemon=True).start()
    try:
        log.info("worker %s on %s is loading torch", worker.name, worker.device.name)
        if child.warm(leave):
            worker.loading, worker.idle_since = False, time.monotonic()
            heartbeat.write_or_warn(worker)
            _take_tasks(worker, consumer, leave)
    finally:
        leave.set()
        store_watch.end()
        rounds.join(5)
        _say_goodbye(worker, consumer.app, reconciler)
    log.info("worker %s has left", worker.name)
    return int(consumer.exitcode or 0)


def _say_goodbye(worker: Worker, application: Celery, reconciler: Reconciler) -> None:
    """Remove what this worker alone has used, in the store and on the broker."""
    heartbeat.remove(worker)
    worker.sender.drain()
    application.outbox.drain()
    if worker.link.up:
        broker.delete_worker_queue(worker.broker_url, worker.name, worker.store_id)
        _remove_bindings(worker)


def _remove_bindings(worker: Worker) -> None:
    """Remove from the broker what workers that no longer are have left there."""
    alive = atomic.list_names(worker.store.heartbeats_folder)
    stores.remove_bindings(
        worker.broker_url, worker.store_id, {name.removesuffix(".json") for name in alive}
    )


def _take_tasks(worker: Worker, consumer: Any, leave: threading.Event) -> None:
    """Execute tasks in each slot until `leave` is set."""
    with contextlib.suppress(BrokerUnreachable):
        stores.register(worker.broker_url, worker.store_id, worker.store.root, worker.host)
    _remove_bindings(worker)
    consumer.app.outbox.start()
    worker.sender.start()
    threading.Thread(target=_leave_when_told, args=(leave, worker), daemon=True).start()
    place = address.place(worker.broker_url)
    log.info("worker %s on %s takes tasks from %s", worker.name, worker.device.name, place)
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
        log.warning("the memory of %s is unknown: tasks run one at a time", worker.device.name)


def _consumer(worker: Worker) -> Any:
    """Celery's worker with one thread per slot."""
    application = broker.app(worker.broker_url, worker.store_id, worker.name)
    execute_task = partial(execute.execute, worker)
    register_tasks(application, execute_task, worker.store_id, worker.terminated.add)
    worker.announce = use_outbox(application, worker.broker_url, worker.link).announce
    install_filter()
    celery_worker = application.Worker(
        hostname=node_name(worker.name, worker.host, worker.device.name),
        pool="threads",
        concurrency=worker.admission.slots,
        loglevel="INFO",
        consumer_cls=partial(Consumer, link=worker.link, broker_url=worker.broker_url),
        queues=[
            broker.worker_queue(worker.name, worker.store_id),
            broker.common_queue(worker.store_id),
        ],
        without_mingle=True,
        without_gossip=True,
        optimization="fair",
        quiet=True,
    )
    title = partial(task_title, worker.store)
    worker.begin = partial(begin, application, celery_worker, worker.store_id, title)
    worker.reconnect = celery_worker.consumer.reconnect
    worker.listen = partial(_listen, worker, celery_worker)
    return celery_worker


def _listen(worker: Worker, celery_worker: Any, to_all: bool) -> None:
    """Read the queue of all workers, or this worker's alone; takes effect with a new connection."""
    own, common = (
        broker.worker_queue(worker.name, worker.store_id),
        broker.common_queue(worker.store_id),
    )
    celery_worker.app.amqp.queues.select([own, common] if to_all else [own])
    worker.reconnect("another choice of queues")


def _leave_on_signals(worker: Worker, consumer: Any, leave: threading.Event) -> None:
    """Install the signal handlers for SIGTERM, SIGINT, SIGHUP (a terminal that closes) and SIGUSR1.

    The first signal stops running tasks between two steps. A second one ends the process and its
    children immediately, except SIGUSR1: clusters warn with it, maybe more than once. A worker
    started with `nohup` goes on ignoring SIGHUP.
    """

    def on_signal(number: int, frame: FrameType | None) -> None:
        if worker.stop.is_set():
            if number == signal.SIGUSR1:
                return
            os._exit(exit_codes.SIGNALLED + number)
        log.info("stopping after the current step (signal again to exit at once)")
        worker.stop.set()
        leave.set()

    on_hangup = signal.SIG_IGN if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else on_signal

    def install(**_: Any) -> None:
        signal.signal(signal.SIGTERM, on_signal)
        signal.signal(signal.SIGINT, on_signal)
        signal.signal(signal.SIGUSR1, on_signal)
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


def _leave_at_last(worker: Worker, reconciler: Reconciler, leave: threading.Event) -> None:
    """End the process if Celery does not: it may wait for a broker that has become silent."""
    leave.wait()
    began, ended = time.monotonic(), None
    while time.monotonic() < began + LEAVE_S:
        if not worker.admission.tasks:
            ended = time.monotonic() if ended is None else ended
            if time.monotonic() > ended + GOODBYE_S:
                break
        time.sleep(0.2)
    last = threading.Thread(target=heartbeat.remove, args=(worker,), daemon=True)
    last.start()
    last.join(1.0)  # the store may not answer
    log.info("worker %s has left, without a word to the broker", worker.name)
    logging.shutdown()
    os._exit(0)

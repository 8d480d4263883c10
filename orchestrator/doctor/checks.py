"""Diagnose this machine: what is present, what is missing, and how to install it."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

from jobs import install_hints
from jobs.errors import AccessDenied, OrchError, UnknownEntry
from jobs.settings import Settings, command_line
from jobs.store.paths import StorePaths
from jobs.store.store import Store
from jobs.task import CHILD_ENTRY
from jobs.versions import version_of
from orchestrator import own_packages, preflight
from orchestrator.doctor.diagnosis import Diagnosis
from orchestrator.doctor.extras import EXTRAS, packages
from orchestrator.doctor.weights import weights
from orchestrator.local import embedded_redis, stack
from orchestrator.monitoring import heartbeats
from workers.devices import discovery
from workers.messaging import address, broker, password_file, stores

LOADING_S = 180.0


def diagnose(settings: Settings) -> list[Diagnosis]:
    """All diagnoses, in the order in which a user would ask."""
    return [
        _python(),
        *packages(),
        *_loading(),
        _store(settings),
        *_runs(settings),
        _broker(settings),
        _workers(settings),
        _devices(),
        *weights(settings),
    ]


def _python() -> Diagnosis:
    return Diagnosis(
        "orch",
        "ok",
        f"{version_of('orch')} on Python {platform.python_version()}, {platform.platform()}",
    )


def _loading() -> list[Diagnosis]:
    """Whether a worker could import what its tasks need.

    An installed package may lack a shared library. The import runs in a separate process, which may
    crash. It is timed, because it may take a minute on a slow disk.
    """
    if any(version_of(package) is None for package in EXTRAS["worker"].packages):
        return []
    began = time.monotonic()
    command = [sys.executable, "-c", f"import {CHILD_ENTRY.partition(':')[0]}"]
    variables = dict(os.environ)
    own_packages.protect(variables)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=LOADING_S, env=variables
        )
    except subprocess.TimeoutExpired:
        return [
            Diagnosis(
                "loading torch",
                "broken",
                f"not finished within {LOADING_S:.0f} s",
                "install orch on a local disk",
            )
        ]
    if done.returncode == 0:
        return [Diagnosis("loading torch", "ok", f"{time.monotonic() - began:.1f} s")]
    said = (
        done.stderr.strip().splitlines() or [f"the process died (exit code {done.returncode})"]
    )[-1]
    return [
        Diagnosis(
            "loading torch",
            "broken",
            said[:300],
            f"reinstall it with: {install_hints.install_command('worker')}",
        )
    ]


def _store(settings: Settings) -> Diagnosis:
    try:
        preflight.require_writable(settings.store)
    except OrchError as error:
        return Diagnosis("store", "broken", str(error), "")
    if not StorePaths(settings.store).marker_path.exists():
        state = "is a folder without a store" if settings.store.is_dir() else "does not exist"
        return Diagnosis(
            "store", "ok", f"{settings.store} {state} yet; 'orch submit' makes the store there"
        )
    free_gb = shutil.disk_usage(settings.store).free / 1e9
    return Diagnosis(
        "store",
        "ok" if free_gb > 1 else "broken",
        f"{settings.store}, {free_gb:,.1f} GB free",
        "" if free_gb > 1 else f"free some space there: {command_line(settings.store, 'prune')}",
    )


def _runs(settings: Settings) -> list[Diagnosis]:
    """Runs that no worker works on: their record is damaged, or may not be read."""
    store, damaged, denied = Store(settings.store), [], list[Diagnosis]()
    with contextlib.suppress(OSError):
        for name in store.run_names():
            try:
                store.load_run(name)
            except AccessDenied as error:
                denied.append(Diagnosis("runs", "broken", f"unreadable: {name}", str(error)))
            except UnknownEntry as error:
                denied.append(Diagnosis("runs", "missing", f"an entry for {name}", str(error)))
            except OrchError:
                damaged.append(name)
    if not damaged:
        return denied
    remedy = "'orch status RUN' says what to do"
    return [Diagnosis("runs", "broken", f"damaged: {', '.join(damaged)}", remedy), *denied]


def _broker(settings: Settings) -> Diagnosis:
    try:
        if settings.broker_url is not None:
            return _named_broker(settings.broker_url, Store(settings.store).id, settings.store)
        binary = embedded_redis.binary()
    except OrchError as error:
        remedy = (
            install_hints.install_command("embedded")
            if settings.broker_url is None
            else "check ORCH_BROKER_URL, or unset it"
        )
        return Diagnosis("broker", "broken", str(error), remedy)
    if (redis := stack.look(settings).redis) is None:
        return Diagnosis("broker", "ok", f"embedded Redis starts when needed ({binary})")
    try:
        broker.require_writable(redis.url, Store(settings.store).id)
    except OrchError as error:
        return Diagnosis(
            "broker",
            "broken",
            str(error),
            f"{command_line(settings.store, 'down')}, then {command_line(settings.store, 'up')}",
        )
    return Diagnosis("broker", "ok", f"embedded Redis runs and takes messages ({binary})")


def _named_broker(broker_url: str, store_id: str, folder: Path) -> Diagnosis:
    """Whether messages can be sent; raises `BrokerUnreachable`."""
    broker.require_writable(broker_url, store_id)
    waiting, others = broker.queue_length(broker_url, store=store_id), ""
    if known := stores.others(broker_url, store_id):
        listed = ", ".join(f"{each.folder} ({each.host}, {_day(each.at)})" for each in known[:5])
        others = f"; {len(known)} other store(s) use it: {listed}"
    shown = address.place(broker_url)
    if same := stores.same_elsewhere(broker_url, store_id, folder):
        others += f"; this store was last used as {same.folder} ({same.host}): is one a copy?"
    taken = f"{shown} takes messages; {waiting} message(s) wait{others}"
    kept = address.named_password_file(broker_url)
    if kept is not None and password_file.is_open_to_all(kept):
        return Diagnosis("broker", "ok", taken, f"every user may read {kept}: chmod o= {kept}")
    return Diagnosis("broker", "ok", taken)


def _day(at: float) -> str:
    return f"last on {time.strftime('%Y-%m-%d', time.localtime(at))}"


def _workers(settings: Settings) -> Diagnosis:
    outdated = stack.outdated(settings, stack.look(settings))
    if outdated:
        shown = "; ".join(f"{worker.name}: {why}" for worker, why in outdated.items())
        return Diagnosis(
            "workers",
            "missing",
            f"started with another environment ({shown})",
            command_line(settings.store, "up"),
        )
    alive = [sign for sign in heartbeats.read_heartbeats(settings.store) if sign.fresh]
    if not alive:
        remedy = command_line(settings.store, "up")
        if settings.broker_url is not None:
            remedy += f"; on a GPU machine: {command_line(settings.store, 'worker')} --device all"
        return Diagnosis("workers", "missing", "none alive", remedy)
    return Diagnosis("workers", "ok", ", ".join(sign.label for sign in alive))


def _devices() -> Diagnosis:
    cores = f"{discovery.available_cores()} processor core(s)"
    try:
        gpus = discovery.gpus()
    except OrchError as error:
        return Diagnosis("devices", "broken", f"{error}", "nvidia-smi -L")
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen and not gpus:
        summary = f"{cores}; CUDA_VISIBLE_DEVICES={chosen} names no GPU that the driver lists"
        return Diagnosis("devices", "ok", summary, "unset CUDA_VISIBLE_DEVICES, if GPUs are here")
    return Diagnosis("devices", "ok", f"{len(gpus)} GPU(s), {cores}")

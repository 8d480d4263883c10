"""Diagnose this machine: what is present, what is missing, and how to install it."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from jobs import install_hints
from jobs.catalog import backbones
from jobs.errors import AccessDenied, MissingWeights, OrchError, UnknownEntry
from jobs.settings import Settings, command_line
from jobs.store.paths import StorePaths
from jobs.store.store import Store
from jobs.task import CHILD_ENTRY
from jobs.versions import version_of
from models.networks import weights
from orchestrator import network_check, own_packages, preflight
from orchestrator.local import embedded_redis, stack
from orchestrator.monitoring import heartbeats
from workers.devices import discovery
from workers.messaging import address, broker, password_file, stores

EXTRAS = {
    "worker": ("torch", "torchvision", "numpy", "pillow", "scikit-learn"),
    "report": ("matplotlib", "jinja2", "numpy", "pillow"),
    "flower": ("flower",),
    "metrics": ("prometheus-client",),
    "tensorboard": ("tensorboard",),
    "mlflow": ("mlflow-skinny", "sqlalchemy", "alembic"),
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
}

LOADING_S = 180.0


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One diagnosis: `state` is ok, missing (optional) or broken; `remedy` says what to do."""

    subject: str
    state: str
    found: str
    remedy: str = ""


def diagnose(settings: Settings) -> list[Diagnosis]:
    """All diagnoses, in the order in which a user would ask."""
    return [
        _python(),
        *_packages(),
        *_loading(),
        _store(settings),
        *_runs(settings),
        _broker(settings),
        _workers(settings),
        _devices(),
        *_weights(settings),
    ]


def _python() -> Diagnosis:
    return Diagnosis(
        "orch",
        "ok",
        f"{version_of('orch')} on Python {platform.python_version()}, {platform.platform()}",
    )


def _packages() -> list[Diagnosis]:
    analysis = []
    for extra, packages in EXTRAS.items():
        versions = {package: version_of(package) for package in packages}
        absent = [package for package, version in versions.items() if version is None]
        installed = ", ".join(
            f"{package} {version}" for package, version in versions.items() if version
        )
        state, remedy = ("missing", install_hints.install_command(extra)) if absent else ("ok", "")
        analysis.append(Diagnosis(f"packages for '{extra}'", state, installed or "none", remedy))
    return analysis


def _loading() -> list[Diagnosis]:
    """Whether a worker could import what its tasks need.

    An installed package may lack a shared library. The import runs in a separate process, which may
    crash. It is timed, because it may take a minute on a slow disk.
    """
    if any(version_of(package) is None for package in EXTRAS["worker"]):
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
        return Diagnosis("store", "broken", str(error), "export ORCH_STORE=/a/writable/folder")
    if not StorePaths(settings.store).marker_path.exists():
        return Diagnosis(
            "store", "ok", f"{settings.store} does not exist yet; 'orch submit' creates it"
        )
    free_gb = shutil.disk_usage(settings.store).free / 1e9
    return Diagnosis(
        "store",
        "ok" if free_gb > 1 else "broken",
        f"{settings.store}, {free_gb:,.1f} GB free",
        "" if free_gb > 1 else "free some space there",
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
            return _named_broker(settings.broker_url, Store(settings.store).id)
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


def _named_broker(broker_url: str, store_id: str) -> Diagnosis:
    """Whether messages can be sent; raises `BrokerUnreachable`."""
    broker.require_writable(broker_url, store_id)
    waiting, others = broker.queue_length(broker_url, store=store_id), ""
    if known := stores.others(broker_url, store_id):
        listed = ", ".join(f"{each.folder} ({each.host}, {_day(each.at)})" for each in known[:5])
        others = f"; {len(known)} other store(s) use it: {listed}"
    shown = address.place(broker_url)
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
        return Diagnosis("workers", "missing", "none alive", command_line(settings.store, "up"))
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


def _weights(settings: Settings) -> list[Diagnosis]:
    """Diagnoses of pretrained weights.

    One covers all files that training would find here. Each missing file gets one, and so does each
    file whose content does not match its name.
    """
    backbone_of: dict[str, str] = {}  # by file name; the first backbone that uses it
    for entry in backbones.CATALOG.values():
        if entry.weights_file:
            backbone_of.setdefault(str(entry.weights_file), entry.name)
    there: dict[str, Path] = {}
    for name, backbone in backbone_of.items():
        with contextlib.suppress(MissingWeights):
            there[name] = weights.find_weights(backbone, settings.weights_dir, downloads=None)
    where = settings.weights_dir or f"{weights.torch_cache()}; ORCH_WEIGHTS_DIR is not set"
    if not there:
        return [
            Diagnosis(
                "weights",
                "missing",
                f"none in {where}; 'orch submit' downloads what it needs",
                "export ORCH_WEIGHTS_DIR=/folder/with/pth/files (without internet access)",
            )
        ]
    refused = network_check.unsound_weights(
        [backbone_of[name] for name in there], settings.weights_dir
    )
    sound = [name for name in there if backbone_of[name] not in refused]
    broken = [
        Diagnosis("weights", "broken", problem, "replace or remove it")
        for problem in refused.values()
    ]
    folders = ", ".join(sorted({str(there[name].parent) for name in sound}))
    ok = [Diagnosis("weights", "ok", f"{folders}: {', '.join(sound)}")] if sound else []
    absent = [name for name in backbone_of if name not in there]
    return [*ok, *broken, *(_missing_weights(name, where) for name in absent)]


def _missing_weights(name: str, where: Path | str) -> Diagnosis:
    remedy = f"put {name} there, or have it downloaded"
    return Diagnosis("weights", "missing", f"{name} is not in {where}", remedy)

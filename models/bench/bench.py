"""Benchmark a trained network by one runtime: its latency, and its answers on all test images.

The answers of the runtime are compared with torch's in float32, image by image.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from jobs.benchmark import BATCHES, Way
from jobs.errors import MissingExtra, WorkError
from jobs.install_hints import install_command
from jobs.store.store import Store
from jobs.store.tables import build_table, table_folder, write_table
from jobs.task import Task, TaskRequest, Trial
from models.bench import evaluated, process, session
from models.bench.compare import Compared, compare
from models.bench.latency import Latency, LatencyRequest
from models.data.batches import Data
from models.evaluation import restore
from models.export import onnx_file, quantise
from models.export.parity import Answer
from models.networks import licences, of_trial
from models.runtime import device
from models.runtime.progress import Tell

Row = dict[str, Any]
QUICK = "ORCH_QUICK_BENCH"
"""Set in tests, it shortens measurements; their latencies mean little."""


@dataclass(frozen=True, slots=True)
class _Network:
    """The network of a task, its images, and the file that the runtime reads.

    `calibration_images` is the number of images that its 8-bit ranges come from.
    """

    trial: Trial
    training: Task
    way: Way
    network: nn.Module
    data: Data
    file: Path
    calibration_images: int | None = None


def bench(request: TaskRequest, tell: Tell, should_stop: Callable[[], bool]) -> Row:
    """Measure the network of the task as its `way` says; returns the task result."""
    tell({"phase": "load"})
    store, task = Store(Path(request.store)), Task.parse(request.task)
    if task.way is None:
        raise WorkError(f"{task.id} does not say how to benchmark.")
    work, threads = Path(request.work_folder), max(1, request.threads)
    one = _prepared(store, task, task.way, work)
    on = request.device if task.way.runtime == "torch" else "cpu"
    measured = process.measure(_asked(store, one, on), one.trial.name, tell, should_stop)
    torch.set_num_threads(threads)
    by = of_trial.normalisation_of(one.trial)
    compared = compare(one.data, by, one.network, _answer(one, threads), tell, should_stop)
    trained = store.done(one.training)
    epoch = task.epoch if trained is None or trained.epoch is None else trained.epoch
    who = {"backbone": one.trial.backbone, "seed": one.trial.seed, "period": request.period}
    who |= {"epoch": epoch, "recipe": one.trial.recipe_text} | asdict(task.way)
    shared = _facts(one, on, compared) | evaluated.facts(store, one.training, epoch, compared)
    rows = [who | shared | _latency(each) for each in measured]
    tables = {"benchmarks": rows, "benchmark_differences": compared.rows(who)}
    return {
        "files": _written(work, task, task.way, tables),
        "epoch": epoch,
        "device": rows[0]["device"],
        "threads": task.way.threads,
    }


def _prepared(store: Store, task: Task, way: Way, work: Path) -> _Network:
    """The network, and its file in the work folder; raises `MissingExtra` and `OrchError`."""
    trial, training = store.load_trial(task.subject), Task("train", task.subject, task.epoch)
    data = Data.load(store, trial.data)
    network = restore.learner(store, training, len(data.classes), "cpu").network.eval()
    if way.runtime == "torch":
        file = work / "model.pt"
        torch.save(network.state_dict(), file)
        return _Network(trial, training, way, network, data, file)
    _require_onnx()
    file = work / "model.onnx"
    if way.runtime == "int8":
        images = quantise.write(network, file, data, of_trial.normalisation_of(trial))
        return _Network(trial, training, way, network, data, file, images)
    onnx_file.write(network, data.image_side, file)
    return _Network(trial, training, way, network, data, file)


def _require_onnx() -> None:
    missing = [name for name in ("onnx", "onnxruntime", "onnxscript") if find_spec(name) is None]
    if missing:
        raise MissingExtra(
            f"this needs {', '.join(missing)} on the worker's machine. Install it there with: "
            f"{install_command('bench')}"
        )


def _asked(store: Store, one: _Network, on: str) -> LatencyRequest:
    """What the measuring process is asked for."""
    of_torch, side = one.way.runtime == "torch", one.data.image_side
    return LatencyRequest(
        one.way.runtime,
        BATCHES,
        one.way.threads,
        (3, side, side),
        len(one.data.classes),
        file="" if of_torch else str(one.file),
        store=str(store.root),
        task=one.training.id,
        device=on,
        quick=bool(os.environ.get(QUICK)),
    )


def _answer(one: _Network, threads: int) -> Answer | None:
    """The answers of the runtime; None for torch's own."""
    if one.way.runtime == "torch":
        return None
    network = session.start(one.file, threads)
    return lambda images: np.asarray(network.run(["scores"], {"image": images})[0])


def _facts(one: _Network, on: str, compared: Compared) -> Row:
    """The columns that all rows of a task share."""
    int8 = one.way.runtime == "int8"
    return compared.facts | {
        "device": device.describe(torch.device(on)),
        "processor": processor(),
        "runtime_version": torch.__version__ if one.way.runtime == "torch" else session.version(),
        "size_bytes": one.file.stat().st_size,
        "calibration_images": one.calibration_images,
        "weight_bits": quantise.weight_bits() if int8 else None,
        "weights_licence": licences.of_trial(one.trial),
    }


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name."""
    with contextlib.suppress(OSError):
        if names := re.findall(r"^model name\s*: (.+)$", cpuinfo.read_text(), re.MULTILINE):
            return str(names[0]).strip()
    return platform.processor() or platform.machine()


def _latency(one: Latency) -> Row:
    return {
        "batch": one.batch,
        "runs": len(one.seconds),
        "p50_ms": one.quantile_ms(0.5),
        "p95_ms": one.quantile_ms(0.95),
        "images_per_second": one.images_per_second,
        "peak_memory_bytes": one.peak_memory_bytes,
        "others_load": one.others_load,
    }


def _written(folder: Path, task: Task, way: Way, tables: dict[str, list[Row]]) -> dict[str, str]:
    """Write the tables; the name of each file, and its place in the store."""
    published = {}
    for name, rows in tables.items():
        write_table(folder / f"{name}.parquet", build_table(name, rows))
        place = f"{table_folder(name, task.subject)}/e{task.epoch:04d}-{way.suffix}.parquet"
        published[f"{name}.parquet"] = place
    return published

"""A finished run of four networks, and what was measured of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jobs.benchmark import RUNTIMES, Runtime, Way
from jobs.store import marks
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from support.fake_benchmarks import publish
from support.fakes import fill_store

NETWORKS = ["resnet34", "vgg16", "mobilenet-v3", "scratch"]
LATENCY_MS = {"resnet34": 30.0, "vgg16": 100.0, "mobilenet-v3": 6.0, "scratch": 2.0}
SIZE_MB = {"resnet34": 85, "vgg16": 512, "mobilenet-v3": 17, "scratch": 28}


def filled(folder: Path, images_a_class: int = 60) -> tuple[Store, Run]:
    """The run, of which nothing was measured."""
    return fill_store(
        folder / "store",
        backbones=NETWORKS,
        classes=("ape", "bear", "cat"),
        images_a_class=images_a_class,
        periods=1,
        pixels=False,
        name="study",
    )


def measure(
    store: Store,
    trial: str,
    host: str = "here",
    gpu: str = "cpu",
    runtimes: Sequence[Runtime] = RUNTIMES,
    correct: int = 90,
) -> None:
    """Publish benchmarks of a trial: 95 of 100 images within 1.2 times the median.

    On a `gpu` torch is 20 times as fast; ONNX Runtime uses the processor.
    """
    name = store.load_trial(trial).backbone
    for runtime in runtimes:
        on_gpu = runtime == "torch" and gpu != "cpu"
        task = Task("bench", trial, 2, way=Way(runtime, 1, host))
        marks.mark(store, [task])
        slower = 0.1 if on_gpu else {"torch": 2.0, "onnx": 1.0, "int8": 0.25}[runtime]
        publish(
            store,
            task,
            device=gpu if on_gpu else "cpu",
            p50_ms=slower * LATENCY_MS[name] / 1.2,
            p95_ms=slower * LATENCY_MS[name],
            correct=correct,
            size_bytes=SIZE_MB[name] * 10**6 // (4 if runtime == "int8" else 1),
        )

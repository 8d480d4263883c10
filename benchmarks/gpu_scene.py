"""What all sections of `gpu.py` measure on, and the two rates that most of them measure."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import common
import numpy as np
import rivals
import torch

from jobs.catalog import backbones
from jobs.spec.model import Recipe
from models.data.batches import Data
from models.networks import build
from models.runtime import device
from models.training.inference import predict_split
from models.training.learner import Learner
from models.training.loop import EpochProgress, train_epoch

CLASSES = 22
STUDY_IMAGES = 60_907
PLENTY = 2**60
Put = Callable[[dict[str, Any]], None]
"""Saves the results of a section so far, in case it does not finish."""


class Enough(Exception):
    """The time for a measurement is over."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What all sections measure on: photographs, and a prepared data set of the study's size.

    `cores` are for the hand-written loop, `threads` for each process. `seconds` is the usual length
    of a measurement.
    """

    photos: rivals.Photographs
    big: Path
    names: tuple[str, ...]
    photographs: int
    cores: int
    threads: int
    seconds: float

    @property
    def where(self) -> torch.device:
        """The device, set up as `orch` does for its children."""
        torch.set_num_threads(self.threads)
        return device.pick(self.photos.device)

    def data(self) -> Data:
        """The data set of the study's size, through a memory map."""
        images = np.load(self.big, mmap_mode="r")
        places = np.arange(len(images))
        cut = [len(places) * 7 // 10, len(places) * 8 // 10]
        train, validation, test = np.split(np.random.default_rng(0).permutation(places), cut)
        return Data(
            "big",
            tuple(map(str, range(CLASSES))),
            images,
            places % CLASSES,
            tuple(map(str, places)),
            {"train": np.sort(train), "validation": np.sort(validation), "test": np.sort(test)},
        )

    def some(self, images: int) -> Data:
        """The same data set with the first `images` images in each split."""
        return replace(
            self.data(), splits=dict.fromkeys(("train", "validation", "test"), np.arange(images))
        )

    def near(self, data: Data) -> Data:
        """The data set kept in the device's memory, even if the device is a CPU."""
        return (
            data.near(self.where)
            if self.where.type == "cuda"
            else data.near(self.where, lambda _: PLENTY)
        )


def learner(
    scene: Scene, name: str, precision: Any = "auto", graphs: bool = False, **recipe: Any
) -> Learner:
    """A learner with random weights, as in a child of `orch`."""
    asked = Recipe(**recipe)
    torch.set_num_threads(scene.threads)
    where = device.pick(scene.photos.device, asked.deterministic)
    with _graphs(graphs):
        network = build.build_network(name, CLASSES, 0)
        chosen = device.choose_precision(precision, where, network)
        return Learner.of(network, asked, 0, where, chosen)


def training_rate(ours: Learner, data: Data, seconds: float) -> float:
    """Images per second in real epochs, measured for about `seconds`."""
    started, images, epoch = time.perf_counter(), 0, 0

    def until(running: EpochProgress, settled: bool) -> None:
        if time.perf_counter() - started > seconds:
            raise Enough

    while time.perf_counter() - started < seconds:
        running, epoch = EpochProgress(), epoch + 1
        with suppress(Enough):
            train_epoch(ours, data, epoch, running, until)
        images += running.images
    rivals.wait(ours.device)
    return images / (time.perf_counter() - started)


def answering_rate(ours: Learner, data: Data, seconds: float) -> float:
    """Images per second in real evaluations, measured for about `seconds`."""
    started, images = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        images += sum(len(piece) for piece, *_ in predict_split(ours, data, "test"))
    return images / (time.perf_counter() - started)


def tried(check: Callable[[], Any]) -> Any:
    """The result of a check, or its error as a dictionary."""
    try:
        return check()
    except Exception as error:
        return {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}


@contextmanager
def scene_of(options: argparse.Namespace) -> Iterator[Scene]:
    """Make photographs and a data set of the study's size; both are removed afterwards.

    The data set lies in shared memory if there is room.
    """
    count, photographs, size = (400, 64, 64) if options.tiny else (STUDY_IMAGES, 2048, 224)
    shared = Path("/dev/shm")
    needed = count * size * size * 3
    roomy = shared.is_dir() and shutil.disk_usage(shared).free > 2 * needed
    cores = len(os.sched_getaffinity(0))
    with (
        rivals.prepared(photographs, size, None, options.device, cores) as photos,
        tempfile.TemporaryDirectory(prefix="orch-gpu-", dir=shared if roomy else None) as place,
    ):
        common.say(f"making {count} images")
        path = Path(place) / "images.npy"
        _write_images(path, count, size)
        names = ("scratch", "squeezenet") if options.tiny else tuple(backbones.CATALOG)
        # Seven processes side by side must not have more threads than there are cores.
        threads = 1 if options.tiny else max(1, cores // len(names))
        yield Scene(
            photos,
            path,
            names,
            photographs,
            1 if options.tiny else cores,
            threads,
            0.05 if options.tiny else 2.0,
        )


def _write_images(path: Path, count: int, size: int) -> None:
    """Write random images, which repeat after 1,024."""
    images = np.lib.format.open_memmap(
        path, mode="w+", dtype=np.uint8, shape=(count, size, size, 3)
    )
    block = np.random.default_rng(0).integers(0, 256, (min(count, 1024), size, size, 3), np.uint8)
    for start in range(0, count, len(block)):
        images[start : start + len(block)] = block[: count - start]


@contextmanager
def _graphs(wanted: bool) -> Iterator[None]:
    before = os.environ.pop("ORCH_CUDA_GRAPHS", None)
    if wanted:
        os.environ["ORCH_CUDA_GRAPHS"] = "1"
    try:
        yield
    finally:
        os.environ.pop("ORCH_CUDA_GRAPHS", None)
        if before is not None:
            os.environ["ORCH_CUDA_GRAPHS"] = before

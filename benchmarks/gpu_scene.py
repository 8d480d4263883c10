"""What all sections of `gpu.py` measure on, and the two rates that most of them measure."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rivals
import torch

from jobs.spec.model import Recipe
from models.data.batches import Data
from models.networks import build
from models.runtime import device
from models.training.inference import predict_split
from models.training.learner import Learner
from models.training.loop import EpochProgress, train_epoch

CLASSES = 22
PLENTY = 2**60
Put = Callable[[dict[str, Any]], None]
"""Puts down what a section has found so far, in case that it does not come to its end."""


class Enough(Exception):
    """The time for a measurement is over."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What all sections measure on: made photographs, and a prepared data set of the
    study's size.
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
        """Where torch computes; set up as `orch` does for its children."""
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
        """The same with so many images in each split."""
        return replace(
            self.data(), splits=dict.fromkeys(("train", "validation", "test"), np.arange(images))
        )

    def near(self, data: Data) -> Data:
        """Kept on the device, be it a processor."""
        return (
            data.near(self.where)
            if self.where.type == "cuda"
            else data.near(self.where, lambda _: PLENTY)
        )


def learner(
    scene: Scene, name: str, precision: Any = "auto", graphs: bool = False, **recipe: Any
) -> Learner:
    """A network from random weights, as a child of `orch` has it."""
    asked = Recipe(**recipe)
    torch.set_num_threads(scene.threads)
    where = device.pick(scene.photos.device, asked.deterministic)
    with _graphs(graphs):
        chosen = device.choose_precision(precision, where, name)
        return Learner.of(build.build_network(name, CLASSES, 0), asked, 0, where, chosen)


def training_rate(ours: Learner, data: Data, seconds: float) -> float:
    """Images a second of real epochs, about so long."""
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
    """Images a second of real evaluations, about so long."""
    started, images = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        images += sum(len(piece) for piece, *_ in predict_split(ours, data, "test"))
    return images / (time.perf_counter() - started)


def tried(check: Callable[[], Any]) -> Any:
    try:
        return check()
    except Exception as error:
        return {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}


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

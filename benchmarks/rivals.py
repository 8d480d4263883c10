"""The rivals of training and evaluation: hand-written loops, and the network alone.

The hand-written loop follows torchvision's reference recipe: ImageFolder, its transforms, float32,
and a DataLoader with one process per core. The network alone works on one batch that is already in
memory.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import common
import numpy as np
import photographs
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms

from jobs.catalog.backbones import find_backbone
from jobs.data import image_folder
from jobs.spec.keys import Precision
from jobs.spec.model import DataSettings, Recipe
from jobs.store.store import Store
from models.data.batches import Data
from models.data.prepare_data_set import prepare_folder
from models.networks import build
from models.runtime import device
from models.training.learner import IMAGENET, Learner

RECIPE = Recipe()


@dataclass(frozen=True, slots=True)
class Photographs:
    """The same images as files and as a prepared data set; each split holds all of them.

    `device` is where torch computes.
    """

    files: Path
    store: Path
    name: str
    size: int
    device: str

    @property
    def where(self) -> torch.device:
        """The device as torch names it."""
        return torch.device(self.device)

    def first(self, images: int) -> Data:
        """The prepared data set; each split holds the first `images` images."""
        data = Data.load(Store(self.store), self.name)
        return replace(
            data, splits=dict.fromkeys(("train", "validation", "test"), np.arange(images))
        )


@contextmanager
def prepared(
    images: int, size: int, given: Path | None, device: str, threads: int
) -> Iterator[Photographs]:
    """Prepare the images of a folder, or synthetic ones, as `orch` does.

    Everything is written to a temporary folder, which is removed afterwards.
    """
    with tempfile.TemporaryDirectory(prefix="orch-benchmark-") as place:
        common.say("making photographs")
        files = given or photographs.make(Path(place) / "photographs", images)
        store = Store(Path(place) / "store").open(create=True)
        source, settings = image_folder.read_folder(files), DataSettings(image_size=size)
        name = source.data_id(settings)
        store.save_data(name, source, settings)
        prepare_folder(source, settings, store.data_folder(name), processes=threads)
        yield Photographs(files, store.root, name, size, device)


@contextmanager
def process(ours: bool, threads: int, where: str) -> Iterator[ProcessPoolExecutor]:
    """A process with a torch of its own.

    `orch` changes settings of the whole process; they must not speed up the hand-written loop.
    """
    with ProcessPoolExecutor(
        1, get_context("spawn"), initializer=_set_up, initargs=(ours, threads, where)
    ) as one:
        yield one


def _set_up(ours: bool, threads: int, where: str) -> None:
    torch.set_num_threads(threads)
    if ours:
        device.pick(where)


def learner(name: str, photos: Photographs, precision: Precision, batch_images: int) -> Learner:
    """Our learner for a backbone with random weights."""
    classes = len(Store(photos.store).described(photos.name).classes)
    recipe = RECIPE.model_copy(update={"batch_size": batch_images})
    network = build.build_network(name, classes, 0)
    chosen = device.choose_precision(precision, photos.where, network)
    return Learner.of(network, recipe, 0, photos.where, chosen)


def by_hand(name: str, photos: Photographs, images: DataLoader[Any]) -> tuple[nn.Module, SGD]:
    """The network and the optimizer of the hand-written loop."""
    classes = len(images.dataset.dataset.classes)  # type: ignore[attr-defined]
    network = build.build_network(name, classes, 0).to(photos.where)
    return network, SGD(network.parameters(), lr=RECIPE.learning_rate, momentum=RECIPE.momentum)


def loader(
    photos: Photographs, images: int, batch_images: int, workers: int, shuffle: bool
) -> DataLoader[Any]:
    """Torchvision's ImageFolder and transforms, decoded by `workers` persistent processes."""
    side = round(photos.size * 256 / 224)
    transform = transforms.Compose(
        [
            transforms.Resize((side, side)),
            transforms.CenterCrop(photos.size),
            transforms.ToTensor(),
            transforms.Normalize(IMAGENET.mean, IMAGENET.deviation),
        ]
    )
    some = Subset(datasets.ImageFolder(str(photos.files), transform), range(images))
    return DataLoader(
        some,
        batch_images,
        shuffle=shuffle,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=photos.device == "cuda",
    )


def train_by_hand(
    network: nn.Module, optimizer: SGD, images: DataLoader[Any], where: torch.device
) -> float:
    """Train one epoch; returns seconds."""
    network.train()
    started = time.perf_counter()
    for batch, labels in images:
        batch, labels = batch.to(where, non_blocking=True), labels.to(where, non_blocking=True)
        optimizer.zero_grad()
        loss = functional.cross_entropy(network(batch).flatten(1), labels)
        loss.backward()
        optimizer.step()
    wait(where)
    return time.perf_counter() - started


def evaluate_by_hand(
    network: nn.Module, optimizer: SGD, images: DataLoader[Any], where: torch.device
) -> float:
    """Compute loss and accuracy over all images; returns seconds. The optimizer is not used."""
    network.eval()
    started, loss, correct = time.perf_counter(), 0.0, 0
    with torch.inference_mode():
        for batch, labels in images:
            batch, labels = batch.to(where, non_blocking=True), labels.to(where, non_blocking=True)
            scores = network(batch).flatten(1)
            loss += functional.cross_entropy(scores, labels, reduction="sum").item()
            correct += int((scores.argmax(1) == labels).sum().item())
    return time.perf_counter() - started


def ready(photos: Photographs, images: int) -> tuple[Tensor, Tensor]:
    """One batch in memory as the network takes it: float32, normalized, channels last."""
    batch = torch.rand(images, 3, photos.size, photos.size).contiguous(
        memory_format=torch.channels_last
    )
    return batch.to(photos.where), torch.randint(2, (images,)).to(photos.where)


def bare_steps(ours: Learner, batch: tuple[Tensor, Tensor], steps: int) -> float:
    """Training steps on one batch with the learner's network, precision and optimizer; seconds."""
    images, labels = batch
    ours.network.train()
    started = time.perf_counter()
    for _ in range(steps):
        ours.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(ours.device.type, torch.bfloat16, enabled=ours.precision == "bf16"):
            scores = ours.network(images).flatten(1)
        functional.cross_entropy(scores.float(), labels).backward()
        ours.optimizer.step()
    wait(ours.device)
    return time.perf_counter() - started


def bare_answers(ours: Learner, batch: tuple[Tensor, Tensor], batches: int) -> float:
    """Forward passes on one batch without gradients; seconds."""
    ours.network.eval()
    started = time.perf_counter()
    with torch.inference_mode():
        for _ in range(batches):
            with torch.autocast(ours.device.type, torch.bfloat16, enabled=ours.precision == "bf16"):
                ours.network(batch[0])
    wait(ours.device)
    return time.perf_counter() - started


def training_flops(name: str, classes: int, size: int) -> float:
    """Floating point operations of a training step per image.

    The backward pass takes twice as many as the forward pass.
    """
    return 6e9 * find_backbone(name).gmacs(classes) * (size / 224) ** 2


def matmul_flops(
    where: torch.device, precision: str, side: int = 2048, seconds: float = 1.0
) -> float:
    """Floating point operations per second of a square matrix product in torch."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.rand(side, side, device=where, dtype=kind) for _ in range(2))
    a @ b
    wait(where)
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        for _ in range(1 if where.type == "cpu" else 50):
            a @ b
            done += 1
        wait(where)
    return done * 2 * side**3 / (time.perf_counter() - started)


def wait(where: torch.device) -> None:
    """Wait until the device has finished its queued work."""
    if where.type == "cuda":
        torch.cuda.synchronize(where)

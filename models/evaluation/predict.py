"""Predictions of every trained network for new images."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import torch

from jobs.errors import BadSpec
from jobs.store.store import Store
from jobs.task import Task
from models.data import array
from models.data.batches import Batch
from models.data.decode import Broken, Pixels, decode
from models.evaluation import restore
from models.training.learner import Learner

BATCH_IMAGES = 64
TOP = 3
Shares = npt.NDArray[np.float32]
Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Choice:
    """A class and its confidence, 0..1."""

    label: str
    confidence: float


@dataclass(frozen=True, slots=True)
class NetworkPrediction:
    """One backbone's prediction for an image: top classes, mean softmax over its seeds."""

    backbone: str
    top: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class KnownImage:
    """An image of the run's own data set: true class and split."""

    label: str
    split: str


@dataclass(frozen=True, slots=True)
class ImagePredictions:
    """One image with the predictions of all backbones, or the reason why there are none."""

    image: Path
    broken: str | None
    known: KnownImage | None
    answers: tuple[NetworkPrediction, ...]


def predict(
    store: Store,
    data: str,
    trials: Mapping[str, Sequence[Task]],
    images: Sequence[Path],
    on: str,
    tell: Tell = lambda done, total: None,
) -> list[ImagePredictions]:
    """Predictions of every backbone for each image; `trials` maps backbones to finished trainings.

    Images are prepared as the data set was. `tell(done, total)` counts images read and predictions
    made. Raises `BadCheckpoint` for a damaged checkpoint, `BadSpec` for a missing device.
    """
    check_device(on)
    described = store.described(data)
    members = _members(store, data)
    total = len(images) * (1 + sum(map(len, trials.values())))
    with tempfile.TemporaryDirectory(prefix="orch-predict-") as folder:
        path = Path(folder) / "images.npy"
        reasons, digests = _prepare(
            images, described.settings.image_size, path, lambda done: tell(done, total)
        )
        whole = array.read(path) if len(reasons) < len(images) else np.empty((0, 1, 1, 3), np.uint8)
        shares, done = {}, len(images)
        for backbone, tasks in trials.items():
            summed = np.zeros((len(whole), len(described.classes)), np.float64)
            for task in tasks:
                summed += softmax(restore.learner(store, task, len(described.classes), on), whole)
                tell(done := done + len(images), total)
            shares[backbone] = (summed / len(tasks)).astype(np.float32)
        del whole
    places = iter(range(len(images)))  # of whole images among the predictions
    return [
        ImagePredictions(image, reasons[image], members.get(digest), ())
        if image in reasons
        else ImagePredictions(
            image, None, members.get(digest), _of_image(shares, next(places), described.classes)
        )
        for image, digest in zip(images, digests, strict=True)
    ]


def _of_image(
    shares: Mapping[str, Any], place: int, classes: Sequence[str]
) -> tuple[NetworkPrediction, ...]:
    """Predictions of every backbone for the image at `place`."""
    return tuple(
        NetworkPrediction(backbone, _top(of_all[place], classes))
        for backbone, of_all in shares.items()
    )


def check_device(name: str) -> None:
    """Raise `BadSpec` unless torch has the device `cpu`, `cuda` or `cuda:0` here."""
    kind, _, number = name.partition(":")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if kind not in ("cpu", "cuda") or (number and (kind == "cpu" or not number.isdecimal())):
        raise BadSpec(f"--device: {name[:80]!r} is not a device; give cpu, cuda or cuda:0.")
    if int(number or 0) >= count:
        raise BadSpec(
            f"--device: there is no {name} here; torch sees {count} GPU(s). Give --device cpu."
        )


def softmax(learner: Learner, images: Pixels) -> Shares:
    """Softmax (n, classes) of images (n, s, s, 3), in evaluation mode."""
    learner.network.eval()
    parts: list[Shares] = []
    with torch.inference_mode():
        for start in range(0, len(images), BATCH_IMAGES):
            pixels = torch.from_numpy(np.array(images[start : start + BATCH_IMAGES])).to(
                learner.device
            )
            batch = Batch(pixels, torch.zeros(len(pixels), dtype=torch.int64))
            parts.append(torch.softmax(learner.scores(batch), 1).cpu().numpy())
    return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)


def _prepare(
    images: Sequence[Path], size: int, target: Path, tell: Callable[[int], None]
) -> tuple[dict[Path, str], list[str]]:
    """Decode images into the array at `target`; reasons of broken ones, and checksums of files."""
    writer, reasons, digests = array.ArrayWriter(target, size), dict[Path, str](), list[str]()
    for number, image in enumerate(images, 1):
        contents = b""
        try:
            contents = image.read_bytes()
            writer.append(decode(contents, size))
        except Broken as error:
            reasons[image] = str(error)
        except OSError as error:
            reasons[image] = error.strerror or "cannot be read"
        digests.append(hashlib.sha256(contents).hexdigest())
        tell(number)
    writer.close()
    return reasons, digests


def _members(store: Store, data: str) -> dict[str, KnownImage]:
    """Images of the data set by the checksum of their files; none without a manifest."""
    path = store.manifest_path(data)
    if not path.exists():
        return {}
    rows: list[dict[str, Any]] = (
        pq.ParquetFile(path).read(columns=["sha256", "label", "split"]).to_pylist()
    )
    return {row["sha256"]: KnownImage(row["label"], row["split"]) for row in rows}


def _top(shares: Shares, classes: Sequence[str]) -> tuple[Choice, ...]:
    """The top classes; ties in order of name."""
    order = np.argsort(-shares, kind="stable")[:TOP]
    return tuple(Choice(classes[index], float(shares[index])) for index in order)

"""A prepared data set, and its batches in an order that can be resumed at any step."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from jobs import results
from jobs.errors import DataChanged
from jobs.store import Store
from models.data import array
from models.data.decode import Pixels

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Data:
    """Images (n, size, size, 3) in a memory map, class index and path of each, and the indices of each split."""

    name: str
    classes: tuple[str, ...]
    images: Pixels
    labels: Indices
    paths: tuple[str, ...]
    splits: dict[str, Indices]

    @classmethod
    def load(cls, store: Store, name: str) -> Data:
        """The prepared data set of that name; raises `DataChanged` when its files are missing or do not agree."""
        source, settings = store.load_data(name)
        folder = store.data_folder(name)
        try:
            images = array.read(folder / "images.npy")
            manifest = results.table(folder / "manifest.parquet", results.MANIFEST)
        except (OSError, ValueError, EOFError) as error:
            reason = " ".join(str(error).split())[:400]
            raise DataChanged(
                f"the prepared data set {name} cannot be read: {reason}. Remove {folder} and submit the data again."
            ) from error
        expected = (manifest.num_rows, settings.image_size, settings.image_size, 3)
        if images.shape != expected or images.dtype != np.uint8:
            raise DataChanged(
                f"{folder / 'images.npy'} holds {images.shape} {images.dtype}, its manifest promises {expected} uint8. "
                f"Remove {folder} and submit the data again."
            )
        number = {label: index for index, label in enumerate(source.classes)}
        strange = sorted(set(manifest["label"].to_pylist()) - number.keys())
        if strange:
            raise DataChanged(f"{folder / 'manifest.parquet'} names the class '{strange[0]}', which the data set has "
                              f"not. Remove {folder} and submit the data again.")
        labels = np.array([number[label] for label in manifest["label"].to_pylist()], dtype=np.int64)
        split = np.array(manifest["split"].to_pylist())
        splits = {each: np.flatnonzero(split == each) for each in ("train", "validation", "test")}
        return cls(name, source.classes, images, labels, tuple(manifest["path"].to_pylist()), splits)


@dataclass(frozen=True, slots=True)
class Batch:
    """Images (n, size, size, 3), uint8, and class indices (n), on the device they are wanted on."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def split(self, sizes: list[int]) -> Iterator[Batch]:
        """The batch in parts of these sizes, in order."""
        for images, labels in zip(torch.split(self.images, sizes), torch.split(self.labels, sizes), strict=True):
            yield Batch(images, labels)


def cut(indices: Indices, batch_images: int, *, drop_single: bool = False) -> list[Indices]:
    """Indices in pieces of `batch_images`; with `drop_single`, a last piece of one is left out."""
    pieces = [indices[start : start + batch_images] for start in range(0, len(indices), batch_images)]
    if drop_single and batch_images > 1 and pieces and len(pieces[-1]) == 1:
        pieces.pop()
    return pieces


def batches(data: Data, pieces: list[Indices], device: torch.device) -> Iterator[Batch]:
    """Each piece's batch, the next one being fetched by a thread while the present one is worked on."""
    pin = device.type == "cuda"
    with ThreadPoolExecutor(1) as fetcher:
        coming = fetcher.submit(_fetch, data, pieces[0], pin) if pieces else None
        for piece in [*pieces[1:], None]:
            if coming is None:
                return
            batch = coming.result()
            coming = None if piece is None else fetcher.submit(_fetch, data, piece, pin)
            yield Batch(batch.images.to(device, non_blocking=True), batch.labels.to(device, non_blocking=True))


def _fetch(data: Data, piece: Indices, pin: bool) -> Batch:
    images, labels = torch.from_numpy(data.images[piece]), torch.from_numpy(data.labels[piece])
    return Batch(images.pin_memory(), labels.pin_memory()) if pin else Batch(images, labels)

"""A prepared data set, and its batches in an order that can be resumed at any step."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor

from jobs.errors import DataChanged
from jobs.store import tables
from jobs.store.store import Store
from models.data import array
from models.data.decode import Pixels
from models.data.device_transfer import gathered
from models.data.gpu_cache import GpuCache, Heard, free_memory, unheard

Indices = npt.NDArray[np.int64]
SPLITS = ("train", "validation", "test")
AHEAD = 2
"""Batches fetched before they are asked for."""


@dataclass(frozen=True, slots=True)
class Data:
    """Images (n, size, size, 3) in a memory map, class index and path of each, and the indices of each split."""

    name: str
    classes: tuple[str, ...]
    images: Pixels
    labels: Indices
    paths: tuple[str, ...]
    splits: dict[str, Indices]
    resident: GpuCache | None = None

    @classmethod
    def load(cls, store: Store, name: str) -> Data:
        """The prepared data set of that name; raises `DataChanged` when its files are missing or do not agree."""
        described = store.described(name)
        folder = store.data_folder(name)
        try:
            images = array.read(folder / "images.npy")
            manifest = tables.read_table(folder / "manifest.parquet", tables.MANIFEST)
        except (OSError, ValueError, EOFError) as error:
            reason = " ".join(str(error).split())[:400]
            raise DataChanged(
                f"the prepared data set {name} cannot be read: {reason}. Remove {folder} and submit the data again."
            ) from error
        size = described.settings.image_size
        expected = (manifest.num_rows, size, size, 3)
        if images.shape != expected or images.dtype != np.uint8:
            raise DataChanged(
                f"{folder / 'images.npy'} holds {images.shape} {images.dtype}, its manifest promises {expected} uint8. "
                f"Remove {folder} and submit the data again."
            )
        labels = _numbered(manifest["label"], described.classes)
        if (labels < 0).any():
            strange = manifest["label"][int(labels.argmin())]
            raise DataChanged(
                f"{folder / 'manifest.parquet'} names the class '{strange}', which the data set has "
                f"not. Remove {folder} and submit the data again."
            )
        split = _numbered(manifest["split"], SPLITS)
        splits = {each: np.flatnonzero(split == number) for number, each in enumerate(SPLITS)}
        return cls(
            name, described.classes, images, labels, tuple(manifest["path"].to_pylist()), splits
        )

    def near(
        self,
        device: torch.device,
        free_bytes: Callable[[torch.device], int] = free_memory,
        heard: Heard = unheard,
    ) -> Data:
        """The same data; what a training reads of it is kept on the device where a quarter of its memory holds that.

        `heard` gets the number of images sent, and of all, now and then.
        """
        read = np.sort(np.concatenate([self.splits["train"], self.splits["validation"]]))
        held = GpuCache.fitting(self.images, self.labels, read, device, free_bytes(device), heard)
        return replace(self, resident=held)

    def make_room(self) -> bool:
        """Free the device's memory of images, which are streamed from then on; False where none are kept there."""
        return self.resident is not None and self.resident.release()


@dataclass(frozen=True, slots=True)
class Batch:
    """Images (n, size, size, 3), uint8, and class indices (n), on the device they are wanted on."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def split(self, sizes: list[int]) -> Iterator[Batch]:
        """The batch in parts of these sizes, in order."""
        for images, labels in zip(
            torch.split(self.images, sizes), torch.split(self.labels, sizes), strict=True
        ):
            yield Batch(images, labels)


def _numbered(column: pa.ChunkedArray, names: Sequence[str]) -> Indices:
    """The place among `names` of each row's name (n); -1 where it is none of them."""
    number = {name: place for place, name in enumerate(names)}
    coded = column.unify_dictionaries().combine_chunks()
    numbers = np.array([number.get(name, -1) for name in coded.dictionary.to_pylist()], np.int64)
    found: Indices = numbers[coded.indices.to_numpy()]
    return found


def cut(indices: Indices, batch_images: int, *, drop_single: bool = False) -> list[Indices]:
    """Indices in pieces of `batch_images`; with `drop_single`, a last piece of one is left out."""
    pieces = [
        indices[start : start + batch_images] for start in range(0, len(indices), batch_images)
    ]
    if drop_single and batch_images > 1 and pieces and len(pieces[-1]) == 1:
        pieces.pop()
    return pieces


def batches(data: Data, pieces: list[Indices], device: torch.device) -> Iterator[Batch]:
    """Each piece's batch on the device: gathered there where the images are, else streamed."""
    if data.resident is not None and data.resident.holds(pieces):
        for images, labels in data.resident.batches(pieces):
            yield Batch(images, labels)
    else:
        yield from _streamed(data, pieces, device)


def _streamed(data: Data, pieces: list[Indices], device: torch.device) -> Iterator[Batch]:
    """Each piece's batch, the next two being fetched by a thread while the present one is worked on.

    A GPU copies them in a stream beside its work; that work waits for its own batch alone, and no thread for either.
    """
    beside = _copying(device) if device.type == "cuda" else None
    left, fetcher = iter(pieces), ThreadPoolExecutor(1)
    try:
        coming = deque(
            fetcher.submit(_fetch, data, piece, device, beside) for piece in islice(left, AHEAD)
        )
        while coming:
            batch, copied = coming.popleft().result()
            coming.extend(
                fetcher.submit(_fetch, data, piece, device, beside) for piece in islice(left, 1)
            )
            if copied is not None:
                here = torch.cuda.current_stream(device)
                here.wait_event(copied)
                for each in (batch.images, batch.labels):
                    # Made in the other stream: without this its memory could be used anew while it is worked on.
                    each.record_stream(here)
            yield batch
    finally:
        fetcher.shutdown(cancel_futures=True)


@functools.cache
def _copying(device: torch.device) -> torch.cuda.Stream:
    """The stream that images are copied to a GPU in: always the same, for torch keeps memory by stream."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _fetch(
    data: Data, piece: Indices, device: torch.device, beside: torch.cuda.Stream | None
) -> tuple[Batch, torch.cuda.Event | None]:
    """A piece's batch, and what to wait for before it is used."""
    images, labels = gathered(data.images, piece, device), gathered(data.labels, piece, device)
    if beside is None:
        return Batch(images.to(device), labels.to(device)), None
    with torch.cuda.stream(beside):
        batch = Batch(images.to(device, non_blocking=True), labels.to(device, non_blocking=True))
        return batch, beside.record_event()

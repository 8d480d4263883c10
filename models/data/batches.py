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
from models.data.device_transfer import gathered, is_asynchronous
from models.data.gpu_cache import GpuCache, OnUpload, free_memory, ignore_upload
from models.data.resize import Squaring
from models.runtime import untried

Indices = npt.NDArray[np.int64]
SPLITS = ("train", "validation", "test")
AHEAD = 2
"""Number of batches fetched ahead."""


@dataclass(frozen=True, slots=True)
class Data:
    """A data set: images (n, size, size, 3) in a memory map, class index and path of each.

    `splits` holds the indices of each split. `side` is less than the size where images are stored
    with a margin; 0: the size.
    """

    name: str
    classes: tuple[str, ...]
    images: Pixels
    labels: Indices
    paths: tuple[str, ...]
    splits: dict[str, Indices]
    resident: GpuCache | None = None
    side: int = 0

    @classmethod
    def load(cls, store: Store, name: str) -> Data:
        """The prepared data set of that name.

        Raises `DataChanged` for missing or inconsistent files.
        """
        described, folder = store.described(name), store.data_folder(name)
        try:
            images = array.read(store.images_path(name))
            manifest = tables.read_table(store.manifest_path(name), tables.MANIFEST)
        except (OSError, ValueError, EOFError) as error:
            reason = " ".join(str(error).split())[:400]
            raise DataChanged(
                f"the prepared data set {name} cannot be read: {reason}. Remove {folder} and "
                f"submit the data again."
            ) from error
        size = Squaring.of(described.settings).stored
        expected = (manifest.num_rows, size, size, 3)
        if images.shape != expected or images.dtype != np.uint8:
            raise DataChanged(
                f"{store.images_path(name)} has {images.shape} {images.dtype}, but its manifest "
                f"needs {expected} uint8. Remove {folder} and submit the data again."
            )
        labels = _numbered(manifest["label"], described.classes)
        if (labels < 0).any():
            strange = manifest["label"][int(labels.argmin())]
            raise DataChanged(
                f"{store.manifest_path(name)} names the class '{strange}', which the data set "
                f"does not have. Remove {folder} and submit the data again."
            )
        split = _numbered(manifest["split"], SPLITS)
        splits = {each: np.flatnonzero(split == number) for number, each in enumerate(SPLITS)}
        return cls(
            name,
            described.classes,
            images,
            labels,
            tuple(manifest["path"].to_pylist()),
            splits,
            side=described.settings.image_size,
        )

    @property
    def image_side(self) -> int:
        """The side in pixels of the images that a network gets."""
        return self.side or int(self.images.shape[1])

    def near(
        self,
        device: torch.device,
        free_bytes: Callable[[torch.device], int] = free_memory,
        on_upload: OnUpload = ignore_upload,
    ) -> Data:
        """The same data, with the images of a training cached on the device if they fit.

        They may use a quarter of its free memory. `on_upload(done, total)` counts the images sent.
        """
        read = np.sort(np.concatenate([self.splits["train"], self.splits["validation"]]))
        room = free_bytes(device) if untried.enabled("gpu_cache") else 0
        held = GpuCache.fitting(self.images, self.labels, read, device, room, on_upload)
        return replace(self, resident=held)

    def make_room(self) -> bool:
        """Free cached images, which are streamed from then on; False if there are none."""
        return self.resident is not None and self.resident.release()


@dataclass(frozen=True, slots=True)
class Batch:
    """Images (n, size, size, 3), uint8, and class indices (n), on one device."""

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
    """Index in `names` of each row's name (n); -1 if it is none of them."""
    number = {name: place for place, name in enumerate(names)}
    coded = column.unify_dictionaries().combine_chunks()
    numbers = np.array([number.get(name, -1) for name in coded.dictionary.to_pylist()], np.int64)
    indices: Indices = numbers[coded.indices.to_numpy()]
    return indices


def cut(indices: Indices, batch_images: int, *, drop_single: bool = False) -> list[Indices]:
    """Indices in pieces of `batch_images`; `drop_single` leaves out a last piece of one."""
    pieces = [
        indices[start : start + batch_images] for start in range(0, len(indices), batch_images)
    ]
    if drop_single and batch_images > 1 and pieces and len(pieces[-1]) == 1:
        pieces.pop()
    return pieces


def batches(data: Data, pieces: list[Indices], device: torch.device) -> Iterator[Batch]:
    """The batch of each piece on the device: gathered from the cache, else streamed."""
    if data.resident is not None and data.resident.holds(pieces):
        for images, labels in data.resident.batches(pieces):
            yield Batch(images, labels)
    else:
        yield from _streamed(data, pieces, device)


def _streamed(data: Data, pieces: list[Indices], device: torch.device) -> Iterator[Batch]:
    """The batch of each piece; a thread fetches the next two meanwhile.

    A GPU copies them in a side stream. Its work waits only for its own batch, and no thread waits
    for either.
    """
    beside = _copying(device) if is_asynchronous(device) else None
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
                    # Allocated in the side stream: else its memory could be reused while in use.
                    each.record_stream(here)
            yield batch
    finally:
        fetcher.shutdown(cancel_futures=True)


@functools.cache
def _copying(device: torch.device) -> torch.cuda.Stream:
    """The copy stream of a GPU; always the same, because torch caches memory per stream."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _fetch(
    data: Data, piece: Indices, device: torch.device, beside: torch.cuda.Stream | None
) -> tuple[Batch, torch.cuda.Event | None]:
    """The batch of a piece, and the event to wait for before its use."""
    images, labels = gathered(data.images, piece, device), gathered(data.labels, piece, device)
    if beside is None:
        return Batch(images.to(device), labels.to(device)), None
    with torch.cuda.stream(beside):
        batch = Batch(images.to(device, non_blocking=True), labels.to(device, non_blocking=True))
        return batch, beside.record_event()

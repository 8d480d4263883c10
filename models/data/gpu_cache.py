"""Images of a data set cached on the GPU, if they fit; batches are then gathered there.

The batches equal the streamed ones bit for bit. Nothing here requires a GPU.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.data.decode import Pixels
from models.data.device_transfer import gathered, sent
from models.runtime.out_of_memory import out_of_memory

log = logging.getLogger(__name__)
Indices = npt.NDArray[np.int64]
MAX_SHARE = 1 / 4
"""Maximum share of the free device memory for images; the rest is for training and others."""
CHUNK_BYTES = 64 * 2**20
OnUpload = Callable[[int, int], None]


def ignore_upload(done: int, total: int) -> None:
    """Ignore progress."""


class GpuCache:
    """Images and labels of the `wanted` indices on a device, until released."""

    def __init__(
        self,
        images: Pixels,
        labels: Indices,
        wanted: Indices,
        device: torch.device,
        chunk_bytes: int = CHUNK_BYTES,
        on_upload: OnUpload = ignore_upload,
    ) -> None:
        self.device = device
        self.rows = np.full(len(images), -1, np.int64)
        self.rows[wanted] = np.arange(len(wanted))
        self.labels: Tensor | None = sent(labels[wanted], device)
        self.images: Tensor | None = _uploaded(images, wanted, device, chunk_bytes, on_upload)

    @classmethod
    def fitting(
        cls,
        images: Pixels,
        labels: Indices,
        wanted: Indices,
        device: torch.device,
        free_bytes: int,
        on_upload: OnUpload = ignore_upload,
    ) -> GpuCache | None:
        """The cached images; None if they need more than a quarter of `free_bytes`.

        `on_upload(done, total)` counts images after each chunk; an error it raises ends the upload.
        """
        needed = len(wanted) * int(np.prod(images.shape[1:])) * images.dtype.itemsize
        if not len(wanted) or needed > MAX_SHARE * free_bytes:
            return None
        try:
            return cls(images, labels, wanted, device, on_upload=on_upload)
        except (MemoryError, RuntimeError) as error:
            if out_of_memory(error) is None:
                raise
            log.warning(
                "%d images do not fit into GPU memory; they are streamed instead", len(wanted)
            )
            return None

    def holds(self, pieces: list[Indices]) -> bool:
        """Whether every image of the pieces is cached."""
        return self.images is not None and all((self.rows[piece] >= 0).all() for piece in pieces)

    def batches(self, pieces: list[Indices]) -> Iterator[tuple[Tensor, Tensor]]:
        """Images and labels of each piece; all indices are sent once."""
        if not pieces:
            return
        places = sent(self.rows[np.concatenate(pieces)], self.device)
        for part in torch.split(places, [len(piece) for piece in pieces]):
            if self.images is None or self.labels is None:
                raise AssertionError("batches of a released data set")
            yield self.images.index_select(0, part), self.labels.index_select(0, part)

    def release(self) -> bool:
        """Free the memory; False if there is none to free."""
        held = self.images is not None
        self.images = self.labels = None
        return held


def free_memory(device: torch.device) -> int:
    """Free bytes of a GPU; 0 on a processor, which uses a memory map."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0


def _uploaded(
    images: Pixels, wanted: Indices, device: torch.device, chunk_bytes: int, on_upload: OnUpload
) -> Tensor:
    """Upload images in chunks: one is gathered while the previous one is copied."""
    kind = torch.from_numpy(np.empty(0, images.dtype)).dtype
    uploaded = torch.empty((len(wanted), *images.shape[1:]), dtype=kind, device=device)
    chunk_images = max(1, chunk_bytes // uploaded[0].nbytes)
    for start in range(0, len(wanted), chunk_images):
        places = wanted[start : start + chunk_images]
        chunk = gathered(images, places, device)
        if device.type == "cuda":
            # At most two chunks are in pinned memory at a time.
            torch.cuda.current_stream(device).synchronize()
        uploaded[start : start + len(places)].copy_(chunk, non_blocking=True)
        on_upload(start + len(places), len(wanted))
    return uploaded

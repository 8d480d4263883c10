"""Prepared images, found by name and scaled down for the page."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from orchestrator.analysis.run_data import RunData

SAMPLES_A_CLASS, MAX_CLASSES_SAMPLED = 4, 60
SIDE = 112


@dataclass(frozen=True)
class Gallery:
    """Finds prepared images by name and scales them down."""

    run_data: RunData
    _small: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def rows(self) -> dict[str, int]:
        """Row of each image; empty if manifest or pixels are missing or inconsistent."""
        manifest, pixels = self.run_data.manifest, self.run_data.pixels
        if manifest is None or pixels is None or len(pixels) != manifest.num_rows:
            return {}
        return {path: row for row, path in enumerate(manifest["path"].to_pylist())}

    def small(self, image: str) -> Any:
        """A Pillow image with a side of at most `SIDE`; None without pixels."""
        if image not in self._small:
            self._small[image] = self._scaled(image)
        return self._small[image]

    def _scaled(self, image: str) -> Any:
        from PIL import Image

        if image not in self.rows or self.run_data.pixels is None:
            return None
        return scaled(Image.fromarray(np.asarray(self.run_data.pixels[self.rows[image]], np.uint8)))

    def uri(self, image: str) -> str | None:
        """The small image as a `data:` URI."""
        made, buffer = self.small(image), io.BytesIO()
        if made is None:
            return None
        made.save(buffer, "JPEG", quality=82)
        return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()

    @cached_property
    def samples(self) -> list[tuple[str, list[str]]]:
        """Some training images per class, chosen by the checksum of their names."""
        if not self.rows or self.run_data.manifest is None:
            return []
        by_class: dict[str, list[str]] = {}
        columns = (self.run_data.manifest[name].to_pylist() for name in ("path", "label", "split"))
        for path, label, split in zip(*columns, strict=True):
            if split == "train":
                by_class.setdefault(label, []).append(path)
        return sampled(by_class)


def sampled(by_class: Mapping[str, Sequence[str]]) -> list[tuple[str, list[str]]]:
    """The first images of each class by the checksum of their names, for the first classes."""
    return [
        (
            label,
            sorted(by_class[label], key=lambda p: hashlib.sha256(p.encode()).digest())[
                :SAMPLES_A_CLASS
            ],
        )
        for label in sorted(by_class)[:MAX_CLASSES_SAMPLED]
    ]


def scaled(made: Any) -> Any:
    """A Pillow image with both sides of `SIDE` pixels."""
    from PIL import Image

    return made.resize(
        (SIDE, SIDE),
        Image.Resampling.LANCZOS if made.width >= SIDE else Image.Resampling.BICUBIC,
    )

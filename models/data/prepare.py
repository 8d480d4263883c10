"""Prepare a data set: decode it once into an array and a manifest, and split it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pyarrow as pa

from jobs import atomic
from jobs.catalog.built_in_data import BUILT_IN_DATA
from jobs.data.image_folder import DataSource
from jobs.errors import BadImages, DataChanged, Stopped
from jobs.spec.model import DataSettings
from jobs.store import tables
from models.data.array import ArrayWriter
from models.data.decode_pool import decode_all
from models.data.split import SPLITS, Image, split
from models.runtime.progress import ProgressEstimator, Tell

SHOWN = 20


@dataclass(slots=True)
class Faults:
    """Faults of the files of a folder."""

    broken: dict[str, str] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)


def prepare_folder(
    source: DataSource,
    settings: DataSettings,
    target: Path,
    *,
    processes: int,
    tell: Tell = lambda message: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Write `images.npy` and `manifest.parquet` into `target` and return the facts of the result.

    Raises `DataChanged` when a file is not what `source` says. Raises `BadImages`, naming broken
    files (unless they are skipped) or a class left without images. Raises `Stopped` when requested.
    """
    started = time.monotonic()
    faults, kept, rows = Faults(), list[tuple[str, Image]](), list[int]()
    total = BUILT_IN_DATA[source.origin].images if source.built_in else len(source.entries)
    progress = ProgressEstimator(tell, total_work=total)
    with atomic.storage_errors(target):
        target.mkdir(parents=True, exist_ok=True)
        writer = ArrayWriter(target / "images.npy", settings.image_size)
        for row, (path, image) in enumerate(_fetch(source, settings, writer, processes, faults)):
            if should_stop():
                done = f"{len(kept)} images; it will start again."
                raise Stopped(f"preparing {source.origin} was stopped after {done}")
            if image is not None:
                kept.append((path, image))
                rows.append(row)
            progress.done_work = row + 1
            progress.say("prepare", row + 1, total)
        _judge(source, settings, faults)
        writer.close(rows)
    chosen = split([image for _, image in kept], settings.split, settings.split_seed)
    tables.write_table(target / "manifest.parquet", _manifest(kept, chosen))
    return {
        "images": len(kept),
        "skipped": sorted(faults.broken),
        "classes": _counted(source, [image.label for _, image in kept], chosen),
        "seconds": time.monotonic() - started,
    }


def _fetch(
    source: DataSource, settings: DataSettings, writer: ArrayWriter, processes: int, faults: Faults
) -> Iterator[tuple[str, Image | None]]:
    """Path and image of each file, its pixels in its row; no image for files in `faults`."""
    if source.built_in:
        images = resolve_name(BUILT_IN_DATA[source.origin].load)
        for path, label, sha256, pixels in images(settings.image_size):
            writer.append(pixels)
            yield path, Image(label, sha256, sha256)
        return
    for entry, decoded in decode_all(
        Path(source.origin), source.entries, settings.image_size, writer.rows, processes
    ):
        if decoded.pixels_sha256:
            yield entry.path, Image(entry.label, entry.sha256, decoded.pixels_sha256)
        else:
            (faults.changed if decoded.changed else faults.broken)[entry.path] = decoded.reason
            yield entry.path, None


def _judge(source: DataSource, settings: DataSettings, faults: Faults) -> None:
    """Raise the error for these faults, if any."""
    if faults.changed:
        raise DataChanged(
            f"{source.origin} is no longer what was submitted: {_listed(faults.changed)}. "
            "Submit it again, or put the files back."
        )
    if faults.broken and not settings.skip_broken:
        raise BadImages(
            f"{len(faults.broken)} file(s) in {source.origin} are not whole images: "
            f"{_listed(faults.broken)}. Remove or fix them, or leave them out with --skip-broken."
        )


def _counted(source: DataSource, labels: list[str], chosen: list[str]) -> dict[str, dict[str, int]]:
    """Images per class and split; raises `BadImages` where training or testing is impossible."""
    counts = {label: dict.fromkeys(SPLITS, 0) for label in source.classes}
    for label, name in zip(labels, chosen, strict=True):
        counts[label][name] += 1
    bare = [label for label, count in counts.items() if not sum(count.values())]
    if bare:
        raise BadImages(
            f"{source.origin}: no whole image is left in class(es) {', '.join(bare)}. Add some."
        )
    sums = {name: sum(count[name] for count in counts.values()) for name in SPLITS}
    lacking = [name for name in SPLITS if sums[name] < (2 if name == "train" else 1)]
    if lacking:
        raise BadImages(
            f"{source.origin} has too few images to split: {len(labels)} image(s) leave "
            f"{sums['train']} for training, {sums['validation']} for validation and {sums['test']} "
            "for test. Add images; three a class will do."
        )
    return counts


def _manifest(kept: list[tuple[str, Image]], chosen: list[str]) -> pa.Table:
    rows = [
        {
            "path": path,
            "label": image.label,
            "split": name,
            "sha256": image.sha256,
            "pixels": image.pixels,
        }
        for (path, image), name in zip(kept, chosen, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=tables.MANIFEST)


def _listed(faults: dict[str, str]) -> str:
    """The first twenty names with their reasons, and how many more there are."""
    shown = ", ".join(f"{path} ({reason})" for path, reason in sorted(faults.items())[:SHOWN])
    return shown if len(faults) <= SHOWN else f"{shown} and {len(faults) - SHOWN} more"

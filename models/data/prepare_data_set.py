"""Prepare a data set: decode it once into an array and a manifest, and split it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pyarrow as pa
from PIL import Image as pillow

from jobs import full_disk
from jobs.catalog.built_in_data import BUILT_IN_DATA
from jobs.data.data_source import DataSource
from jobs.data.value_range import ValueRange
from jobs.errors import BadImages, DataChanged, Stopped
from jobs.spec.model import DataSettings
from jobs.store import tables
from models.data import find_value_range
from models.data.array import ArrayWriter
from models.data.decode_pool import decode_all
from models.data.out_of_reach import require_within_reach
from models.data.resize import Squaring, make_square
from models.data.split import SPLITS, Image, split
from models.runtime.progress import ProgressEstimator, Tell

SHOWN = 20
FEW_LEVELS = 26
"""An image whose values span less than this, a tenth of 256, is nearly one grey."""


@dataclass(slots=True)
class Faults:
    """Faults of the files of a folder: broken, changed, or hardly more than one grey."""

    broken: dict[str, str] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)
    flat: list[str] = field(default_factory=list)


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

    Raises `DataChanged` when a file is not what `source` says, and `DataOutOfReach` where this
    machine shows none or the user may not read them. Raises `BadImages`, naming broken files
    (unless they are skipped) or a class left without images. Raises `Stopped` when requested.
    """
    started = time.monotonic()
    total = BUILT_IN_DATA[source.origin].images if source.built_in else len(source.entries)
    progress = ProgressEstimator(tell, total_work=total)

    def said(phase: str, done: int) -> None:
        if should_stop():
            raise Stopped(
                f"preparing {source.origin} was stopped after {done} images; it will start again."
            )
        progress.done_work = done if phase == "prepare" else 0
        progress.say(phase, done, total)

    values = find_value_range.find(source, settings, processes, said)
    faults = Faults()
    kept = _write_array(source, settings, target, processes, values.chosen, faults, said)
    chosen = _splits([image for _, image in kept], settings)
    tables.write_table(target / "manifest.parquet", _manifest(kept, chosen))
    return {
        "images": len(kept),
        "skipped": sorted(faults.broken),
        "classes": _counted(source, [image.label for _, image in kept], chosen, settings.test_only),
        "low_contrast": faults.flat,
        **values.facts(settings.value_range),
        "seconds": time.monotonic() - started,
    }


def _splits(images: list[Image], settings: DataSettings) -> list[str]:
    """The split of each image; where all are for testing, that."""
    if settings.test_only:
        return ["test"] * len(images)
    return split(images, settings.split, settings.split_seed)


def _write_array(
    source: DataSource,
    settings: DataSettings,
    target: Path,
    processes: int,
    values: ValueRange,
    faults: Faults,
    said: find_value_range.Said,
) -> list[tuple[str, Image]]:
    """Write `images.npy`; path and image of each row. Raises the error for `faults`, if any."""
    kept, rows = list[tuple[str, Image]](), list[int]()
    with full_disk.storage_errors(target):
        target.mkdir(parents=True, exist_ok=True)
        writer = ArrayWriter(target / "images.npy", Squaring.of(settings).stored)
        fetched = _fetch(source, settings, writer, processes, faults, values)
        for row, (path, image) in enumerate(fetched):
            if image is not None:
                kept.append((path, image))
                rows.append(row)
            said("prepare", row + 1)
        _judge(source, settings, faults)
        writer.close(rows)
    return kept


def _fetch(
    source: DataSource,
    settings: DataSettings,
    writer: ArrayWriter,
    processes: int,
    faults: Faults,
    values: ValueRange,
) -> Iterator[tuple[str, Image | None]]:
    """Path and image of each file, its pixels in its row; no image for files in `faults`."""
    if source.built_in:
        images = resolve_name(BUILT_IN_DATA[source.origin].load)
        for path, label, sha256, pixels in images():
            writer.append(make_square(pillow.fromarray(pixels), Squaring.of(settings)))
            yield path, Image(label, sha256, sha256)
        return
    how = Squaring.of(settings)
    compared = None if settings.split_size is None else Squaring(settings.split_size)
    for entry, decoded in decode_all(
        Path(source.origin), source.entries, how, writer.rows, processes, values, compared
    ):
        if decoded.pixels_sha256:
            if decoded.levels < FEW_LEVELS:
                faults.flat.append(entry.path)
            yield (
                entry.path,
                Image(
                    entry.label,
                    entry.sha256,
                    decoded.pixels_sha256,
                    entry.given_split,
                    entry.group,
                ),
            )
        else:
            (faults.changed if decoded.changed else faults.broken)[entry.path] = decoded.reason
            yield entry.path, None


def _judge(source: DataSource, settings: DataSettings, faults: Faults) -> None:
    """Raise the error for these faults, if any."""
    if faults.changed:
        require_within_reach(Path(source.origin), faults.changed, len(source.entries))
        raise DataChanged(
            f"{source.origin} has changed since it was submitted: {_listed(faults.changed)}. "
            "Submit it again, or restore the files."
        )
    if faults.broken and not settings.skip_broken:
        raise BadImages(
            f"{len(faults.broken)} file(s) in {source.origin} are not complete images: "
            f"{_listed(faults.broken)}. Remove or fix them, or skip them with --skip-broken."
        )


def _counted(
    source: DataSource, labels: list[str], chosen: list[str], test_only: bool
) -> dict[str, dict[str, int]]:
    """Images per class and split; raises `BadImages` where training or testing is impossible."""
    counts = {label: dict.fromkeys(SPLITS, 0) for label in source.classes}
    for label, name in zip(labels, chosen, strict=True):
        counts[label][name] += 1
    bare = [label for label, count in counts.items() if not sum(count.values())]
    if bare:
        raise BadImages(
            f"{source.origin}: class(es) {', '.join(bare)} have no complete image. Add images."
        )
    if test_only:
        return counts
    untrained = [label for label, count in counts.items() if not count["train"]]
    if untrained and (source.groups or source.split_given):
        raise BadImages(
            f"{source.origin}: class(es) {', '.join(untrained[:SHOWN])} have no training image, as "
            "their groups or the given split would have it. Add images of other groups."
        )
    sums = {name: sum(count[name] for count in counts.values()) for name in SPLITS}
    lacking = [name for name in SPLITS if sums[name] < (2 if name == "train" else 1)]
    if lacking:
        raise BadImages(
            f"{source.origin} has too few images to split: {len(labels)} image(s) give "
            f"{sums['train']} for training, {sums['validation']} for validation and {sums['test']} "
            "for test. Add images; three per class are enough, of three groups where there are any."
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

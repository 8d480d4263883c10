"""Micro-batches for a batch that does not fit into memory, recorded with the trial.

Gradients of the parts are added up, weighted by their share of the images, so the step is that of
the whole batch. Two things differ: batch norm takes its statistics from a part, and dropout draws
for each part.
"""

from __future__ import annotations

from pathlib import Path

from jobs import atomic
from jobs.errors import BadCheckpoint, DamagedFile
from jobs.store import codec
from jobs.store.records import MicroBatchesRecord, Split

Splits = tuple[Split, ...]


def read(path: Path) -> Splits:
    """The splits recorded in a file, in order; raises `BadCheckpoint` for an unreadable record.

    Version 0.1.0 recorded them as a bare list.
    """
    try:
        content = atomic.read_json(path)
        if not isinstance(content, list):
            record = codec.read(path, MicroBatchesRecord)
        else:
            record = codec.decode(path, {"splits": content}, MicroBatchesRecord)
        splits = record.splits if record else ()
        return tuple(sorted(splits, key=lambda split: (split.epoch, split.step)))
    except DamagedFile as error:
        raise BadCheckpoint(
            f"{path} cannot be read: {error}. Remove the trial's folder to train it again."
        ) from error


def parts_at(splits: Splits, epoch: int, step: int) -> int:
    """Number of parts of a step, the same in every attempt."""
    return max(
        (split.parts for split in splits if (split.epoch, split.step) <= (epoch, step)), default=1
    )


def halve(path: Path, epoch: int, step: int, batch_images: int) -> int | None:
    """Record half as large parts from this step on; their number, None at one image."""
    splits = read(path)
    parts = parts_at(splits, epoch, step)
    if parts >= batch_images:
        return None
    doubled = min(2 * parts, batch_images)
    kept = [split for split in splits if (split.epoch, split.step) != (epoch, step)]
    record = MicroBatchesRecord((*kept, Split(epoch, step, doubled)))
    atomic.write_json(path, codec.encode(record))
    return doubled


def sizes(images: int, batch_images: int, parts: int) -> list[int]:
    """Sizes of the parts: even, and none larger than in a full batch."""
    largest = -(-batch_images // parts)
    number = -(-images // largest)
    return [images // number + (place < images % number) for place in range(number)]

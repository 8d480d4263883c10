"""A batch that does not fit into memory is trained in parts; from which step on, a trial keeps on record.

The parts' gradients are added up, each weighted by its share of the images, so the step is that of the whole batch.
Two things differ and stay differing: batch norm takes its statistics from a part, and dropout draws for each part.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jobs import atomic
from jobs.errors import BadCheckpoint

NAME = "microbatches.json"


@dataclass(frozen=True, slots=True)
class Split:
    """From `step` of `epoch` on (both from 1), a batch is trained in `parts` micro-batches."""

    epoch: int
    step: int
    parts: int


Splits = tuple[Split, ...]


def read(trial_folder: Path) -> Splits:
    """The splits on record, the first one first; raises `BadCheckpoint` for a record that cannot be read."""
    path = trial_folder / NAME
    try:
        found: list[dict[str, Any]] = atomic.read_json(path) or []
        return tuple(
            sorted((Split(**each) for each in found), key=lambda split: (split.epoch, split.step))
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise BadCheckpoint(
            f"{path} cannot be read: {error}. Remove the trial's folder to train it anew."
        ) from error


def parts_at(splits: Splits, epoch: int, step: int) -> int:
    """In how many parts the batch of a step is trained; the same on every attempt, wherever it began."""
    return max(
        (split.parts for split in splits if (split.epoch, split.step) <= (epoch, step)), default=1
    )


def halve(trial_folder: Path, epoch: int, step: int, batch_images: int) -> int | None:
    """Record that from this step on the parts are half as large; their number, None when they hold one image."""
    splits = read(trial_folder)
    parts = parts_at(splits, epoch, step)
    if parts >= batch_images:
        return None
    doubled = min(2 * parts, batch_images)
    kept = [split for split in splits if (split.epoch, split.step) != (epoch, step)]
    atomic.write_json(
        trial_folder / NAME, [asdict(split) for split in (*kept, Split(epoch, step, doubled))]
    )
    return doubled


def sizes(images: int, batch_images: int, parts: int) -> list[int]:
    """The parts of a batch, which may be shorter than others: even ones, none larger than those of a full batch."""
    largest = -(-batch_images // parts)
    number = -(-images // largest)
    return [images // number + (place < images % number) for place in range(number)]

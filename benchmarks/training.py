"""Training: images per second, against the loop by hand and against the bare step.

python benchmarks/training.py                      all seven networks, 224 px
python benchmarks/training.py --backbone resnet34 --images FOLDER --seconds 10
"""

from __future__ import annotations

import statistics

import common
import course
import rivals
from common import Goal

from models.data.batches import Data
from models.training.learner import Learner
from models.training.loop import EpochProgress, train_epoch

CLASSES = 10
"""For which operations are counted; the head has a small share of them."""
WANTED = {"cpu": 3.0, "cuda": 4.0}


def an_epoch(learner: Learner, data: Data) -> None:
    """An epoch as `orch` trains it."""
    train_epoch(learner, data, 1, EpochProgress(), lambda *_: None)


def main() -> int:
    """Measure, print, and say which goals were met."""
    asked = course.asked_for(__doc__, seconds=1.5)
    how = course.Course(rivals.train_by_hand, rivals.bare_steps, an_epoch, shuffle=True, batches=1)
    with rivals.prepared(
        asked.count, asked.size, asked.images, asked.device, asked.threads
    ) as photos:
        found = course.run(how, photos, asked)
    shown = course.table(found, lambda name: rivals.training_flops(name, CLASSES, asked.size))
    mean = {
        key: statistics.geometric_mean(row[key] for row in found.values())
        for key in ("against by hand", "fp32 against by hand")
    }
    goals = [
        Goal(
            "training, geometric mean against the loop by hand",
            mean["against by hand"],
            WANTED[asked.device],
        ),
        Goal(
            "training in float32, geometric mean against the loop by hand",
            mean["fp32 against by hand"],
            1.3,
        ),
        Goal(
            "training, the least share of the bare step",
            min(row["against bare"] for row in found.values()),
            0.95,
        ),
    ]
    return common.publish("Training", shown, goals, found, asked.json, asked.check)


if __name__ == "__main__":
    raise SystemExit(main())

"""Evaluation: images per second, against the loop by hand and against the network alone.

python benchmarks/evaluation.py                      all seven networks, 224 px
python benchmarks/evaluation.py --backbone resnet34 --images FOLDER --seconds 10
"""

from __future__ import annotations

import statistics

import common
import course
import rivals
from common import Goal

from models.data.batches import Data
from models.training.inference import validate
from models.training.learner import Learner

CLASSES = 10
"""For which operations are counted; the head has a small share of them."""
WANTED = {"cpu": 3.0, "cuda": 4.0}


def all_images(learner: Learner, data: Data) -> None:
    """Loss and accuracy as `orch` works them out."""
    validate(learner, data, 1, lambda images: None)


def main() -> int:
    """Measure, print, and say which goals were met."""
    asked = course.asked_for(__doc__, seconds=1.0)
    how = course.Course(
        rivals.evaluate_by_hand, rivals.bare_answers, all_images, shuffle=False, batches=2
    )
    with rivals.prepared(
        asked.count, asked.size, asked.images, asked.device, asked.threads
    ) as photos:
        found = course.run(how, photos, asked)
    shown = course.table(found, lambda name: rivals.training_flops(name, CLASSES, asked.size) / 3)
    mean = {
        key: statistics.geometric_mean(row[key] for row in found.values())
        for key in ("against by hand", "fp32 against by hand")
    }
    least = min(row["against bare"] for row in found.values())
    goals = [
        Goal(
            "evaluation, geometric mean against the loop by hand",
            mean["against by hand"],
            WANTED[asked.device],
        ),
        Goal(
            "evaluation in float32, geometric mean against the loop by hand",
            mean["fp32 against by hand"],
            1.3,
        ),
        Goal("evaluation, the least share of the network alone", least, 0.95),
    ]
    return common.publish("Evaluation", shown, goals, found, asked.json, asked.check)


if __name__ == "__main__":
    raise SystemExit(main())

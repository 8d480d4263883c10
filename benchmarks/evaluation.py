"""Evaluation: images per second, compared with a hand-written loop and with the network alone.

python benchmarks/evaluation.py                      all seven networks, 224 px
python benchmarks/evaluation.py --backbone resnet34 --images FOLDER --seconds 10
"""

from __future__ import annotations

import statistics

import common
import comparison
import rivals
from common import Goal

from models.data.batches import Data
from models.training.inference import validate
from models.training.learner import Learner

CLASSES = 10
"""Operations are counted for this many classes. The head has a small share of them."""
WANTED = {"cpu": 3.0, "cuda": 4.0}


def all_images(learner: Learner, data: Data) -> None:
    """Compute loss and accuracy as `orch` does."""
    validate(learner, data, 1, lambda images: None)


def main() -> int:
    """Measure, print the table and the goals, and return the exit code."""
    options = comparison.parse_options(__doc__, seconds=1.0)
    compared = comparison.Comparison(
        rivals.evaluate_by_hand, rivals.bare_answers, all_images, shuffle=False, batches=2
    )
    with rivals.prepared(
        options.count, options.size, options.images, options.device, options.threads
    ) as photos:
        results = comparison.run(compared, photos, options)
    shown = comparison.table(
        results, lambda name: rivals.training_flops(name, CLASSES, options.size) / 3
    )
    mean = {
        key: statistics.geometric_mean(row[key] for row in results.values())
        for key in ("against by hand", "fp32 against by hand")
    }
    least = min(row["against bare"] for row in results.values())
    goals = [
        Goal(
            "evaluation, geometric mean against the loop by hand",
            mean["against by hand"],
            WANTED[options.device],
        ),
        Goal(
            "evaluation in float32, geometric mean against the loop by hand",
            mean["fp32 against by hand"],
            1.3,
        ),
        Goal("evaluation, the least share of the network alone", least, 0.95),
    ]
    return common.publish("Evaluation", shown, goals, results, options.json, options.check)


if __name__ == "__main__":
    raise SystemExit(main())

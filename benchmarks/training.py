"""Training: images per second, compared with a hand-written loop and with the bare step.

python benchmarks/training.py                      all seven networks, 224 px
python benchmarks/training.py --backbone resnet34 --images FOLDER --seconds 10
"""

from __future__ import annotations

import statistics

import augmenting
import common
import comparison
import rivals
import torch
from common import Goal

from models.data.batches import Data
from models.training.learner import Learner
from models.training.loop import EpochProgress, train_epoch

CLASSES = 10
"""Operations are counted for this many classes. The head has a small share of them."""
WANTED = {"cpu": 3.0, "cuda": 4.0}


def an_epoch(learner: Learner, data: Data) -> None:
    """Train an epoch as `orch` does."""
    train_epoch(learner, data, 1, EpochProgress(), lambda *_: None)


def main() -> int:
    """Measure, print the table and the goals, and return the exit code."""
    options = comparison.parse_options(__doc__, seconds=1.5)
    compared = comparison.Comparison(
        rivals.train_by_hand, rivals.bare_steps, an_epoch, shuffle=True, batches=1
    )
    with rivals.prepared(
        options.count, options.size, options.images, options.device, options.threads
    ) as photos:
        results = comparison.run(compared, photos, options)
    shown = comparison.table(
        results, lambda name: rivals.training_flops(name, CLASSES, options.size)
    )
    costs = augmenting.costs(options.size, torch.device(options.device))
    told = ", ".join(f"{name} {cost:.2f}" for name, cost in costs.items())
    shown += f"\n\nAugmentation at {options.size} px, ms per image of one thread: {told}"
    mean = {
        key: statistics.geometric_mean(row[key] for row in results.values())
        for key in ("against by hand", "fp32 against by hand")
    }
    goals = [
        Goal(
            "training, geometric mean against the loop by hand",
            mean["against by hand"],
            WANTED[options.device],
        ),
        Goal(
            "training in float32, geometric mean against the loop by hand",
            mean["fp32 against by hand"],
            1.3,
        ),
        Goal(
            "training, the least share of the bare step",
            min(row["against bare"] for row in results.values()),
            0.95,
        ),
    ]
    return common.publish(
        "Training", shown, goals, results | {"augmentation_ms": costs}, options.json, options.check
    )


if __name__ == "__main__":
    raise SystemExit(main())

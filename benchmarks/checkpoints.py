"""Checkpoints: how long they interrupt a training, and how long they take to read.

    python benchmarks/checkpoints.py
    python benchmarks/checkpoints.py --backbone vgg16 --folder /mnt/store --json checkpoints.json

The rival writes the checkpoint while the training waits. It calls torch.save and fsync, and reads
the file again for its SHA-256. An epoch that begins by saving a checkpoint is compared with one
that does not. The result depends on the folder's disk. Checkpoints are read in a process of their
own that has torch loaded, as in a worker's child. The networks are VGG16 and ResNet34.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import common
import torch
from checkpoint_rivals import (
    Saving,
    contents,
    read_in_a_process,
    save_while_waiting,
    train,
)
from common import Goal

from jobs.spec.model import Recipe
from models.networks import build
from models.runtime import device
from models.training.learner import Learner

LARGE_MB = 500.0
"""The interruption by a smaller checkpoint is lost in the variation between epochs."""
HEAD = (
    "backbone",
    "MB",
    "an epoch",
    "rival longer by",
    "ours longer by",
    "rival returns in",
    "ours returns in",
    "rival reads in",
    "ours reads in",
)


def main() -> int:
    """Measure, print the table and the goals, and return the exit code."""
    options = _parse_options()
    device.pick("cpu")
    with tempfile.TemporaryDirectory(prefix="orch-benchmark-", dir=options.folder) as folder:
        results = {name: measure(name, Path(folder) / name, options) for name in options.backbones}
    shown = common.table(HEAD, _rows(results)) + "\n\nseconds"
    return common.publish(
        "Checkpoints", shown, _goals(results), results, options.json, options.check
    )


def _rows(results: dict[str, dict[str, Any]]) -> list[list[Any]]:
    return [
        [
            name,
            each["megabytes"],
            each["epoch"],
            *each["held up"].values(),
            *each["returned"].values(),
            *each["read"].values(),
        ]
        for name, each in results.items()
    ]


def _goals(results: dict[str, dict[str, Any]]) -> list[Goal]:
    """The rival's seconds divided by ours. A small checkpoint has no goal for its interruption."""
    return [
        Goal(
            f"{name}: {what}, rival's seconds in ours",
            each[key]["rival"] / max(each[key]["ours"], 1e-3),
            wanted,
        )
        for name, each in results.items()
        for what, key, wanted in (
            ("held up", "held up", 2.0),
            ("until steps go on", "returned", 5.0),
            ("read", "read", 1.3),
        )
        if key != "held up" or each["megabytes"] >= LARGE_MB
    ]


def measure(name: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure epochs without a checkpoint, with the rival's and with ours; then measure reading."""
    network = build.build_network(name, 10, 0)
    learner = Learner.of(network, Recipe(precision="fp32"), 0, torch.device("cpu"), "fp32")
    train(learner, 1)
    steps = max(2, round(options.seconds / common.timed(partial(train, learner, 1))))
    saving = Saving(learner, folder, steps)
    epochs = common.interleaved(
        {kind: partial(saving.epoch, kind) for kind in ("none", "rival", "ours")},
        options.repeats,
        name,
    )
    path = save_while_waiting(folder, contents(learner))
    reads = common.interleaved(
        {kind: partial(read_in_a_process, kind, path) for kind in ("rival", "ours")},
        options.repeats,
        f"{name} read",
    )
    returned = saving.returned_s.items()
    return {
        "megabytes": path.stat().st_size / 1e6,
        "steps": steps,
        "epoch": statistics.median(epochs["none"]),
        "held up": {kind: _longer_by(epochs, kind) for kind in ("rival", "ours")},
        "returned": {kind: statistics.median(seconds[1:]) for kind, seconds in returned},
        "read": common.medians(reads),
        "epochs": epochs,
        "reads": reads,
    }


def _longer_by(epochs: dict[str, list[float]], kind: str) -> float:
    """The median, over the turns, of the seconds that a checkpoint adds to an epoch."""
    pairs = zip(epochs[kind], epochs["none"], strict=True)
    return statistics.median(with_one - without for with_one, without in pairs)


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--backbone", dest="backbones", action="append", choices=["vgg16", "resnet34", "alexnet"]
    )
    parser.add_argument(
        "--folder", type=Path, help="where checkpoints are written (default: the temporary folder)"
    )
    parser.add_argument(
        "--seconds", type=float, default=5.0, help="about how long an epoch is (default 5)"
    )
    parser.add_argument(
        "--repeats", type=int, default=3, help="measurements of each, in turn (default 3)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a goal is missed")
    options = parser.parse_args()
    options.backbones = options.backbones or ["vgg16", "resnet34"]
    return options


if __name__ == "__main__":
    raise SystemExit(main())

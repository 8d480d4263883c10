"""Compare each backbone with its rivals: a hand-written loop, and the network alone.

The hand-written loop runs in one process; the network alone and `orch` run in another. They are
measured in turn.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common
import rivals
import torch
from rivals import Photographs

from jobs.catalog import backbones
from models.data.batches import Data
from models.training.learner import Learner

HEAVY_GMACS = 5.0
KINDS = ("auto", "fp32")
PREPARED: dict[str, Any] = {}
"""What a process has prepared for the backbone that is being measured."""


COLUMNS = (
    ("precision", "precision"),
    ("batch", "batch"),
    ("by hand", "by hand"),
    ("ours", "ours"),
    ("against by hand", "x hand"),
    ("against bare", "x bare"),
    ("share of matmul", "x matmul"),
    ("ours fp32", "ours fp32"),
    ("fp32 against by hand", "x hand"),
    ("fp32 against bare", "x bare"),
)
"""Keys of a backbone's results, and the titles of their columns."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is measured for each backbone.

    `hand(network, optimizer, loader, device)` and `bare(learner, batch, steps)` return seconds.
    `ours(learner, data)` does the work and is timed from outside.
    """

    hand: Callable[..., float]
    bare: Callable[..., float]
    ours: Callable[[Learner, Data], Any]
    shuffle: bool
    batches: int


def run(
    compared: Comparison, photos: Photographs, options: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """The rates and ratios of each backbone, and the speed of a matrix product in the same run."""
    with (
        rivals.process(False, options.threads, options.device) as hand,
        rivals.process(True, options.threads, options.device) as ours,
    ):
        matmul = {
            kind: ours.submit(rivals.matmul_flops, photos.where, kind).result()
            for kind in ("fp32", "bf16")
        }
        results = {
            name: _backbone(compared, name, photos, options, hand, ours)
            for name in options.backbones
        }
    for row in results.values():
        row["matmul"] = matmul[row["precision"]]
    return results


def _backbone(
    compared: Comparison,
    name: str,
    photos: Photographs,
    options: argparse.Namespace,
    hand: ProcessPoolExecutor,
    ours: ProcessPoolExecutor,
) -> dict[str, Any]:
    batch_images = batch_of(name, options) * compared.batches
    common.say(f"{name}: a first look")
    precision, second = ours.submit(_open_ours, compared, name, photos, batch_images).result()
    steps = max(1, min(round(options.seconds / second), options.count // batch_images))
    images = steps * batch_images
    hand.submit(_open_hand, compared, name, photos, batch_images, images, options.threads).result()
    ours.submit(_take, photos, images).result()
    seconds = common.interleaved(
        {
            "by hand": lambda: hand.submit(_hand).result(),
            "bare": lambda: ours.submit(_bare, "auto", steps).result(),
            "ours": lambda: ours.submit(_ours, "auto").result(),
            "bare fp32": lambda: ours.submit(_bare, "fp32", steps).result(),
            "ours fp32": lambda: ours.submit(_ours, "fp32").result(),
        },
        options.repeats,
        name,
    )
    return {kind: images / second for kind, second in common.medians(seconds).items()} | {
        "precision": precision,
        "batch": batch_images,
        "steps": steps,
        "seconds": seconds,
        "against by hand": common.paired(seconds, "by hand", "ours"),
        "against bare": common.paired(seconds, "bare", "ours"),
        "fp32 against by hand": common.paired(seconds, "by hand", "ours fp32"),
        "fp32 against bare": common.paired(seconds, "bare fp32", "ours fp32"),
    }


def batch_of(name: str, options: argparse.Namespace) -> int:
    """Images per step: as requested, but at most 8 for a heavy network on a CPU."""
    heavy = options.device == "cpu" and backbones.find_backbone(name).gmacs(10) > HEAVY_GMACS
    return min(8, options.batch_size) if heavy else int(options.batch_size)


def _open_ours(
    compared: Comparison, name: str, photos: Photographs, batch_images: int
) -> tuple[str, float]:
    """Prepare our side. Returns the chosen precision and the seconds of a step."""
    training = batch_images // compared.batches
    learners = {kind: rivals.learner(name, photos, kind, training) for kind in KINDS}
    PREPARED.clear()
    PREPARED.update(compared=compared, learners=learners, batch=rivals.ready(photos, batch_images))
    for kind in KINDS:
        _bare(kind, 1)
    return learners["auto"].precision, _bare("auto", 1)


def _take(photos: Photographs, images: int) -> None:
    PREPARED["data"] = photos.first(images)


def _open_hand(
    compared: Comparison,
    name: str,
    photos: Photographs,
    batch_images: int,
    images: int,
    workers: int,
) -> None:
    files = rivals.loader(photos, images, batch_images, workers, compared.shuffle)
    PREPARED.clear()
    PREPARED.update(
        compared=compared, hand=rivals.by_hand(name, photos, files), files=files, where=photos.where
    )


def _hand() -> float:
    return float(PREPARED["compared"].hand(*PREPARED["hand"], PREPARED["files"], PREPARED["where"]))


def _bare(kind: str, steps: int) -> float:
    return float(PREPARED["compared"].bare(PREPARED["learners"][kind], PREPARED["batch"], steps))


def _ours(kind: str) -> float:
    learner, data = PREPARED["learners"][kind], PREPARED["data"]
    return common.timed(
        lambda: (PREPARED["compared"].ours(learner, data), rivals.wait(learner.device))
    )


def table(results: dict[str, dict[str, Any]], flops: Callable[[str], float]) -> str:
    """A table with one line per backbone. `flops(name)` is the floating point operations per image.

    Adds each row's share of the matrix product's speed to `results`.
    """
    for name, row in results.items():
        row["share of matmul"] = row["ours"] * flops(name) / row["matmul"]
    rows = [[name, *(row[key] for key, _ in COLUMNS)] for name, row in results.items()]
    head = ["backbone", *(title for _, title in COLUMNS)]
    return common.table(head, rows) + "\n\nimages/s and ratios of the same run"


def parse_options(about: str | None, seconds: float) -> argparse.Namespace:
    """Parse the command line. `seconds` is the default length of a measurement."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _add_images(parser)
    _add_measurement(parser, seconds)
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a goal is missed")
    options = parser.parse_args()
    options.backbones = options.backbones or list(backbones.CATALOG)
    return options


def _add_images(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backbone",
        dest="backbones",
        action="append",
        choices=list(backbones.CATALOG),
        help="one network, may be given several times (default: all seven)",
    )
    parser.add_argument(
        "--images", type=Path, help="a folder of class folders; photographs are made if left out"
    )
    parser.add_argument("--count", type=int, default=160, help="how many photographs (default 160)")
    parser.add_argument("--size", type=int, default=224, help="pixels (default 224)")
    parser.add_argument(
        "--batch-size",
        type=int,
        default=32,
        help="images a training step (default 32; at most 8 for VGG16 on a processor)",
    )


def _add_measurement(parser: argparse.ArgumentParser, seconds: float) -> None:
    parser.add_argument(
        "--seconds",
        type=float,
        default=seconds,
        help=f"about how long a measurement takes (default {seconds:g})",
    )
    parser.add_argument(
        "--repeats", type=int, default=3, help="measurements of each rival, in turn (default 3)"
    )
    parser.add_argument(
        "--threads", type=int, default=torch.get_num_threads(), help="default: as many as cores"
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")

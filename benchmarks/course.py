"""Rivals on one course: each backbone by hand in one process, bare and as `orch` does it in
another, in turn.
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
STAGE: dict[str, Any] = {}
"""What a process has set up for the backbone that is measured now."""


@dataclass(frozen=True, slots=True)
class Course:
    """How a row is run: `hand(...)` and `bare(learner, batch, steps)` give seconds, `ours(learner,
    data)` does it.
    """

    hand: Callable[..., float]
    bare: Callable[..., float]
    ours: Callable[[Learner, Data], Any]
    shuffle: bool
    batches: int


def run(
    course: Course, photos: Photographs, asked: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """Every backbone's rates and ratios, and what a matrix product reaches in the same run."""
    with (
        rivals.process(False, asked.threads, asked.device) as hand,
        rivals.process(True, asked.threads, asked.device) as ours,
    ):
        matmul = {
            kind: ours.submit(rivals.matmul_flops, photos.where, kind).result()
            for kind in ("fp32", "bf16")
        }
        found = {
            name: _backbone(course, name, photos, asked, hand, ours) for name in asked.backbones
        }
    for row in found.values():
        row["matmul"] = matmul[row["precision"]]
    return found


def _backbone(
    course: Course,
    name: str,
    photos: Photographs,
    asked: argparse.Namespace,
    hand: ProcessPoolExecutor,
    ours: ProcessPoolExecutor,
) -> dict[str, Any]:
    batch_images = batch_of(name, asked) * course.batches
    common.say(f"{name}: a first look")
    precision, second = ours.submit(_open_ours, course, name, photos, batch_images).result()
    steps = max(1, min(round(asked.seconds / second), asked.count // batch_images))
    images = steps * batch_images
    hand.submit(_open_hand, course, name, photos, batch_images, images, asked.threads).result()
    ours.submit(_take, photos, images).result()
    seconds = common.interleaved(
        {
            "by hand": lambda: hand.submit(_hand).result(),
            "bare": lambda: ours.submit(_bare, "auto", steps).result(),
            "ours": lambda: ours.submit(_ours, "auto").result(),
            "bare fp32": lambda: ours.submit(_bare, "fp32", steps).result(),
            "ours fp32": lambda: ours.submit(_ours, "fp32").result(),
        },
        asked.repeats,
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


def batch_of(name: str, asked: argparse.Namespace) -> int:
    """Images a step: as asked, but few for a network that a processor takes half a minute for
    otherwise.
    """
    heavy = asked.device == "cpu" and backbones.find_backbone(name).gmacs(10) > HEAVY_GMACS
    return min(8, asked.batch_size) if heavy else int(asked.batch_size)


def _open_ours(
    course: Course, name: str, photos: Photographs, batch_images: int
) -> tuple[str, float]:
    """Set our side up; the precision chosen, and the seconds of a step."""
    training = batch_images // course.batches
    learners = {kind: rivals.learner(name, photos, kind, training) for kind in KINDS}
    STAGE.clear()
    STAGE.update(course=course, learners=learners, batch=rivals.ready(photos, batch_images))
    for kind in KINDS:
        _bare(kind, 1)
    return learners["auto"].precision, _bare("auto", 1)


def _take(photos: Photographs, images: int) -> None:
    STAGE["data"] = photos.first(images)


def _open_hand(
    course: Course, name: str, photos: Photographs, batch_images: int, images: int, workers: int
) -> None:
    files = rivals.loader(photos, images, batch_images, workers, course.shuffle)
    STAGE.clear()
    STAGE.update(
        course=course, hand=rivals.by_hand(name, photos, files), files=files, where=photos.where
    )


def _hand() -> float:
    return float(STAGE["course"].hand(*STAGE["hand"], STAGE["files"], STAGE["where"]))


def _bare(kind: str, steps: int) -> float:
    return float(STAGE["course"].bare(STAGE["learners"][kind], STAGE["batch"], steps))


def _ours(kind: str) -> float:
    learner, data = STAGE["learners"][kind], STAGE["data"]
    return common.timed(lambda: (STAGE["course"].ours(learner, data), rivals.wait(learner.device)))


def table(found: dict[str, dict[str, Any]], flops: Callable[[str], float]) -> str:
    """One line a backbone; `flops(name)` of an image gives the share of the matrix
    product's speed.
    """
    rows = []
    for name, row in found.items():
        row["share of matmul"] = row["ours"] * flops(name) / row["matmul"]
        rows.append(
            [
                name,
                row["precision"],
                row["batch"],
                row["by hand"],
                row["ours"],
                row["against by hand"],
                row["against bare"],
                row["share of matmul"],
                row["ours fp32"],
                row["fp32 against by hand"],
                row["fp32 against bare"],
            ]
        )
    return (
        common.table(
            [
                "backbone",
                "precision",
                "batch",
                "by hand",
                "ours",
                "x hand",
                "x bare",
                "x matmul",
                "ours fp32",
                "x hand",
                "x bare",
            ],
            rows,
        )
        + "\n\nimages/s and ratios of the same run"
    )


def asked_for(about: str | None, seconds: float) -> argparse.Namespace:
    """What was asked on the command line."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a goal is missed")
    asked = parser.parse_args()
    asked.backbones = asked.backbones or list(backbones.CATALOG)
    return asked

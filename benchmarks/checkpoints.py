"""Checkpoints: how long a training is held up by one, and how long one takes to be read; VGG16 and
ResNet34.

    python benchmarks/checkpoints.py
    python benchmarks/checkpoints.py --backbone vgg16 --folder /mnt/store --json checkpoints.json

The rival writes it while the training waits: torch.save, fsync, the file read again for its
SHA-256. Measured is an epoch that begins with a checkpoint of the epoch before, against one that
does not; the folder's disk matters. A checkpoint is read in a process of its own that has torch
loaded, as a worker's child reads it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import common
import torch
from common import Goal
from torch import nn
from torch.nn import functional

from jobs import atomic
from jobs.spec.model import Recipe
from models.checkpoints import files, snapshot
from models.checkpoints.files import CheckpointContents
from models.networks import build
from models.runtime import device
from models.runtime.background import BackgroundThread
from models.training.learner import Learner

SIZE, BATCH_IMAGES = 64, 8
LARGE_MB = 500.0
"""Of a smaller checkpoint, what it holds up is less than what epochs differ by."""
TRIAL = "benchmark"


def main() -> int:
    """Measure, print, and say which goals were met."""
    asked = _asked()
    device.pick("cpu")
    with tempfile.TemporaryDirectory(prefix="orch-benchmark-", dir=asked.folder) as place:
        found = {name: measure(name, Path(place) / name, asked) for name in asked.backbones}
    rows = [
        [
            name,
            each["megabytes"],
            each["epoch"],
            *each["held up"].values(),
            *each["returned"].values(),
            *each["read"].values(),
        ]
        for name, each in found.items()
    ]
    shown = common.table(
        [
            "backbone",
            "MB",
            "an epoch",
            "rival longer by",
            "ours longer by",
            "rival returns in",
            "ours returns in",
            "rival reads in",
            "ours reads in",
        ],
        rows,
    )
    goals = [
        Goal(
            f"{name}: {what}, rival's seconds in ours",
            each[key]["rival"] / max(each[key]["ours"], 1e-3),
            wanted,
        )
        for name, each in found.items()
        for what, key, wanted in (
            ("held up", "held up", 2.0),
            ("until steps go on", "returned", 5.0),
            ("read", "read", 1.3),
        )
        if key != "held up" or each["megabytes"] >= LARGE_MB
    ]
    return common.publish(
        "Checkpoints", shown + "\n\nseconds", goals, found, asked.json, asked.check
    )


def measure(name: str, folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Seconds of an epoch without a checkpoint, with the rival's and with ours, and of
    reading one.
    """
    network = build.build_network(name, 10, 0)
    learner = Learner.of(network, Recipe(precision="fp32"), 0, torch.device("cpu"), "fp32")
    train(learner, 1)
    steps = max(2, round(asked.seconds / common.timed(partial(train, learner, 1))))
    saver, returned = BackgroundThread(), dict[str, list[float]](rival=[], ours=[])

    def epoch(kind: str) -> float:
        started = time.perf_counter()
        if kind == "rival":
            at_once(folder, contents(learner))
        elif kind == "ours":
            copied = snapshot.copy_state(contents(learner).parts())
            if copied is None:
                raise SystemExit("too little memory for a copy: nothing is measured.")
            saver.begin(partial(_write, folder, CheckpointContents(**copied)))
        if kind in returned:
            returned[kind].append(time.perf_counter() - started)
        train(learner, steps)
        # What is not down by then would hold up the next checkpoint.
        saver.wait()
        return time.perf_counter() - started

    kinds = ("none", "rival", "ours")
    found = common.interleaved({kind: partial(epoch, kind) for kind in kinds}, asked.repeats, name)
    longer = {
        kind: statistics.median(a - b for a, b in zip(found[kind], found["none"], strict=True))
        for kind in ("rival", "ours")
    }
    path = at_once(folder, contents(learner))
    read = common.interleaved(
        {"rival": partial(_alone, "rival", path), "ours": partial(_alone, "ours", path)},
        asked.repeats,
        f"{name} read",
    )
    return {
        "megabytes": path.stat().st_size / 1e6,
        "steps": steps,
        "epoch": statistics.median(found["none"]),
        "held up": longer,
        "returned": {kind: statistics.median(each[1:]) for kind, each in returned.items()},
        "read": common.medians(read),
        "epochs": found,
        "reads": read,
    }


def at_once(folder: Path, given: CheckpointContents) -> Path:
    """The rival: as one writes it by hand, with the same promises."""
    path = folder / "e0000-rival.pt"
    path.with_suffix(".json").unlink(missing_ok=True)
    with atomic.atomic_write(path) as draft, draft.open("wb") as handle:
        torch.save(given.parts(), handle)
    atomic.write_json(
        path.with_suffix(".json"),
        {"sha256": atomic.file_digest(path), "bytes": path.stat().st_size},
    )
    return path


def read_twice(path: Path) -> None:
    """The rival: the digest, then the contents."""
    if atomic.file_digest(path) != (atomic.read_json(path.with_suffix(".json")) or {})["sha256"]:
        raise SystemExit(f"{path} is rotten: nothing is measured.")
    torch.load(path, map_location="cpu", weights_only=True)


def train(learner: Learner, steps: int) -> None:
    """Steps on images of noise."""
    images = torch.rand(BATCH_IMAGES, 3, SIZE, SIZE).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(BATCH_IMAGES)
    learner.network.train()
    for _ in range(steps):
        learner.optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(_scores(learner.network, images), labels).backward()  # type: ignore[no-untyped-call]
        learner.optimizer.step()


def contents(learner: Learner) -> CheckpointContents:
    """All that a checkpoint holds."""
    return CheckpointContents(
        TRIAL,
        0,
        0,
        {},
        [],
        learner.network.state_dict(),
        learner.optimizer.state_dict(),
        learner.scheduler.state_dict(),
    )


def _scores(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    scores: torch.Tensor = network(images)
    return scores.flatten(1)


def _write(folder: Path, given: CheckpointContents) -> None:
    files.publish(folder, given, "ours")


def _alone(kind: str, path: Path) -> float:
    """Seconds that reading takes in a process of its own, forked from one that has torch loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["models.checkpoints.files"])
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_read, args=(kind, path, theirs))
    child.start()
    seconds: float = ours.recv()
    child.join()
    return seconds


def _read(kind: str, path: Path, answer: Any) -> None:
    device.pick("cpu")
    answer.send(
        common.timed(
            partial(read_twice, path) if kind == "rival" else partial(files.read, path, TRIAL)
        )
    )


def _asked() -> argparse.Namespace:
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
    asked = parser.parse_args()
    asked.backbones = asked.backbones or ["vgg16", "resnet34"]
    return asked


if __name__ == "__main__":
    raise SystemExit(main())

"""Saving and reading a checkpoint: by hand while the training waits, and as `orch` does it."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import common
import torch
from torch import nn
from torch.nn import functional

from jobs import atomic
from models.checkpoints import files, snapshot
from models.checkpoints.files import CheckpointContents
from models.runtime import device
from models.runtime.background import BackgroundThread
from models.training.learner import Learner

SIZE, BATCH_IMAGES = 64, 8
TRIAL = "benchmark"


@dataclass
class Saving:
    """Epochs that begin by saving a checkpoint.

    `returned_s` holds the seconds after which the training could go on, for each kind.
    """

    learner: Learner
    folder: Path
    steps: int
    saver: BackgroundThread = field(default_factory=BackgroundThread)
    returned_s: dict[str, list[float]] = field(default_factory=lambda: {"rival": [], "ours": []})

    def epoch(self, kind: str) -> float:
        """Save as the rival, as `orch` ("ours") or not ("none"), and train an epoch; seconds."""
        started = time.perf_counter()
        if kind == "rival":
            save_while_waiting(self.folder, contents(self.learner))
        elif kind == "ours":
            self._save_in_background()
        if kind in self.returned_s:
            self.returned_s[kind].append(time.perf_counter() - started)
        train(self.learner, self.steps)
        # A checkpoint that is not written by now would delay the next one.
        self.saver.wait()
        return time.perf_counter() - started

    def _save_in_background(self) -> None:
        copied = snapshot.copy_state(contents(self.learner).parts())
        if copied is None:
            raise SystemExit("too little memory for a copy: nothing is measured.")
        self.saver.begin(partial(_write, self.folder, CheckpointContents(**copied)))


def save_while_waiting(folder: Path, given: CheckpointContents) -> Path:
    """The rival: written by hand, with the same guarantees."""
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
    """The rival: read the file for its digest, then again for its contents."""
    if atomic.file_digest(path) != (atomic.read_json(path.with_suffix(".json")) or {})["sha256"]:
        raise SystemExit(f"{path} is rotten: nothing is measured.")
    torch.load(path, map_location="cpu", weights_only=True)


def train(learner: Learner, steps: int) -> None:
    """Train some steps on images of noise."""
    images = torch.rand(BATCH_IMAGES, 3, SIZE, SIZE).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(BATCH_IMAGES)
    learner.network.train()
    for _ in range(steps):
        learner.optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(_scores(learner.network, images), labels).backward()  # type: ignore[no-untyped-call]
        learner.optimizer.step()


def contents(learner: Learner) -> CheckpointContents:
    """Everything that a checkpoint holds."""
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
    files.write(folder, given, "ours")


def read_in_a_process(kind: str, path: Path) -> float:
    """Seconds that reading takes in a new process, forked from one that has torch loaded."""
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

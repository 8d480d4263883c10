"""What the children of `overhead.py` do: nothing, or what they always do, saying when."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from jobs.task import Task, TaskRequest
from models import entrypoint
from models.data.gpu_cache import OnUpload
from models.training import train
from models.training.state import TrainingState, begin_training

Tell = Callable[[dict[str, Any]], None]


def nothing(order: dict[str, Any], tell: Tell, should_stop: Callable[[], bool]) -> dict[str, Any]:
    """A task that is over as soon as it begins; its first step is none."""
    tell({"phase": "entered", "at": time.time()})
    tell({"phase": "begun", "at": time.time()})
    return {"files": {}, "epoch": Task.parse(order["task"]).epoch, "seconds": 0.0, "device": "cpu"}


def real(order: dict[str, Any], tell: Tell, should_stop: Callable[[], bool]) -> dict[str, Any]:
    """The task an order names; a training says when it has all it needs for its first step."""
    tell({"phase": "entered", "at": time.time()})
    if Task.parse(order["task"]).kind != "train":
        return entrypoint.main(order, tell, should_stop)

    def take_up(given: TaskRequest, heard: OnUpload) -> TrainingState:
        training = begin_training(given, heard)
        tell({"phase": "begun", "at": time.time()})
        return training

    return train.train(TaskRequest(**order), tell, should_stop, take_up)

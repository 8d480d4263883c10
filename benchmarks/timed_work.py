"""Entry points of the child processes of `overhead.py`: an empty task, and a real, timed one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from jobs.task import Task, TaskRequest
from models import entrypoint
from models.data.gpu_cache import OnUpload
from models.training import train
from models.training.state import TrainingState, begin_training

OnMessage = Callable[[dict[str, Any]], None]


def nothing(
    request: dict[str, Any], on_message: OnMessage, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """Do nothing. The first step counts as begun at once."""
    on_message({"phase": "entered", "at": time.time()})
    on_message({"phase": "begun", "at": time.time()})
    return {
        "files": {},
        "epoch": Task.parse(request["task"]).epoch,
        "seconds": 0.0,
        "device": "cpu",
    }


def real(
    request: dict[str, Any], on_message: OnMessage, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """Do the requested task. A training reports when all is loaded that its first step needs."""
    on_message({"phase": "entered", "at": time.time()})
    if Task.parse(request["task"]).kind != "train":
        return entrypoint.main(request, on_message, should_stop)

    def take_up(given: TaskRequest, on_upload: OnUpload) -> TrainingState:
        training = begin_training(given, on_upload)
        on_message({"phase": "begun", "at": time.time()})
        return training

    return train.train(TaskRequest(**request), on_message, should_stop, take_up)

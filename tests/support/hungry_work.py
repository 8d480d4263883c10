"""A child's work on a device that holds three images at a time in training; the rest is
`models.entrypoint`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from jobs.task import Task, TaskRequest
from models import entrypoint
from models.data.gpu_cache import OnUpload
from models.training.state import TrainingState, begin_training
from models.training.train import train

MOST = 3


def main(
    order: dict[str, Any], tell: Callable[[dict[str, Any]], None], should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """Execute the task request; a training runs out of memory above `MOST` images at once."""
    given = TaskRequest(**order)
    if Task.parse(given.task).kind != "train":
        return entrypoint.main(order, tell, should_stop)
    return train(given, tell, should_stop, small_device)


def small_device(order: TaskRequest, heard: OnUpload) -> TrainingState:
    """The training; its network rejects batches that do not fit."""
    training = begin_training(order, heard)
    training.learner.network.register_forward_pre_hook(refuse)
    return training


def refuse(module: nn.Module, given: tuple[Any, ...]) -> None:
    """Run out of memory like a GPU."""
    if module.training and len(given[0]) > MOST:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

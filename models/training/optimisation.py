"""The optimiser and the schedule of a recipe, made from their entries in the registries."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from pkgutil import resolve_name
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from jobs.catalog.optimisers import OPTIMISERS
from jobs.catalog.schedules import SCHEDULES
from jobs.spec.model import Recipe

Scheduler = LRScheduler | ReduceLROnPlateau


def make_optimiser(
    network: nn.Module, recipe: Recipe, device: torch.device, head: Collection[str] = ()
) -> Optimizer:
    """The optimiser of a network that is on `device` already.

    `head` names the values of the last layer, which may have a learning rate of its own.
    """
    entry = OPTIMISERS[recipe.optimiser]
    settings = {name: getattr(recipe, key) for name, key in entry.settings.items()}
    if entry.fused:
        settings["fused"] = device.type in entry.fused
    groups = _groups(network, recipe, head)
    made: Optimizer = resolve_name(entry.make)(groups, **settings, **entry.fixed)
    return made


def _groups(network: nn.Module, recipe: Recipe, head: Collection[str]) -> list[dict[str, Any]]:
    """What is trained, in groups: the body first, and norms and biases without weight decay.

    The head is apart where it has a learning rate of its own.
    """
    apart = head if recipe.head_learning_rate is not None else ()
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, value in network.named_parameters():
        if value.requires_grad:
            spared = recipe.weight_decay > 0 and value.ndim < 2
            groups.setdefault((name in apart, spared), []).append(value)
    return [
        {"params": values}
        | ({"lr": recipe.head_learning_rate} if in_head else {})
        | ({"weight_decay": 0.0} if spared else {})
        for (in_head, spared), values in sorted(groups.items(), key=lambda group: group[0])
    ]


def make_scheduler(optimizer: Optimizer, recipe: Recipe) -> Scheduler:
    """The schedule of an optimiser's learning rate."""
    entry = SCHEDULES[recipe.schedule]
    settings = {name: getattr(recipe, key) for name, key in entry.settings.items()}
    made: Scheduler = resolve_name(entry.make)(optimizer, **settings, **entry.fixed)
    return made


def clip(network: nn.Module, recipe: Recipe) -> None:
    """Scale the gradients down to the recipe's largest norm, if it has one."""
    if recipe.clip_norm is not None:
        nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)


def step_scheduler(scheduler: Scheduler, recipe: Recipe, val_loss: float) -> None:
    """Change the learning rate after an epoch with this validation loss."""
    if SCHEDULES[recipe.schedule].watches_loss:
        scheduler.step(val_loss)  # type: ignore[arg-type]
    else:
        with warnings.catch_warnings():
            # Where an attempt begins after the last step of an epoch, torch misses its steps.
            warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step")
            scheduler.step()  # type: ignore[call-arg]


def can_step_again(recipe: Recipe) -> bool:
    """Whether `StepRollback` can undo a step that ran out of memory."""
    return OPTIMISERS[recipe.optimiser].allocates_first

"""One epoch of training, step by step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from jobs.errors import BadSpec, LossNotFinite, OutOfMemory
from models.data.augment import Draws, changes
from models.data.batches import Batch, Data, Indices, batches, cut
from models.data.mix import mixing
from models.runtime import untried
from models.runtime.out_of_memory import out_of_memory
from models.runtime.rng import permutation
from models.training import finetuning, microbatches, optimisation
from models.training.learner import Learner, step
from models.training.rollback import StepRollback

SETTLE_S = 0.5


@dataclass(slots=True)
class EpochProgress:
    """Progress within an epoch: steps, images, summed loss, seconds."""

    step: int = 0
    images: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0

    @property
    def loss(self) -> float:
        """Mean loss per image so far."""
        return self.loss_sum / max(1, self.images)


@dataclass(slots=True)
class PendingLosses:
    """Losses still on the device, added up in order once they are read."""

    running: EpochProgress
    epoch: int
    learner: Learner
    steps: list[tuple[int, int, Tensor]] = field(default_factory=list)

    def settle(self) -> None:
        """Read and add the losses; raises `LossNotFinite` naming the first bad step."""
        if not self.steps:
            return
        losses = torch.stack([loss for _, _, loss in self.steps]).double().tolist()
        for (number, images, _), loss in zip(self.steps, losses, strict=True):
            if not math.isfinite(loss):
                raise LossNotFinite(
                    f"the loss is {loss} in epoch {self.epoch}, step {number}, at learning "
                    f"rate {self.learner.learning_rate:g}. {self.learner.smaller_rate}"
                )
            self.running.loss_sum += loss * images
            self.running.images += images
        self.steps.clear()


def steps_of(data: Data, learner: Learner, epoch: int) -> list[Indices]:
    """Image indices of each step of an epoch, in order."""
    train = data.splits["train"]
    shuffled = train[permutation(len(train), learner.seed, epoch)]
    return cut(shuffled, learner.recipe.batch_size, drop_single=True)


def train_epoch(
    learner: Learner,
    data: Data,
    epoch: int,
    running: EpochProgress,
    after_step: Callable[[EpochProgress, bool], None],
) -> None:
    """Train the rest of an epoch, from `running.step` on.

    `after_step(running, settled)` is called after each step. `settled` is true about twice a second
    and at the end, when `running` includes every loss. Whatever it raises leaves `running` settled.
    Raises `LossNotFinite`.
    """
    finetuning.training_mode(learner.network, learner.recipe)
    pieces = steps_of(data, learner, epoch)
    ledger = PendingLosses(running, epoch, learner)
    before = time.monotonic()
    try:
        for images, loss in _steps(learner, data, pieces, epoch, running):
            ledger.steps.append((running.step, images, loss))
            settled = running.step == len(pieces) or time.monotonic() - before >= SETTLE_S
            if settled:
                # Reading a loss waits for the device, so it is done rarely.
                ledger.settle()
                now = time.monotonic()
                running.seconds, before = running.seconds + now - before, now
            after_step(running, settled)
    finally:
        ledger.settle()
        running.seconds += time.monotonic() - before


def _steps(
    learner: Learner, data: Data, pieces: list[Indices], epoch: int, running: EpochProgress
) -> Iterator[tuple[int, Tensor]]:
    """Images and loss of each step after `running.step`.

    When memory runs out beside cached images or a recorded step, those are freed and the step is
    done again, if the optimiser allows that. On an error `running.step` is the step that failed.
    """
    draws = Draws(len(data.images), learner.seed, epoch, data.image_side)
    changed = changes(learner.recipe.augment, draws)
    mixed = mixing(learner.recipe, len(data.classes), learner.seed, epoch)
    undone = _rollback(learner, data)
    while running.step < len(pieces):
        left, done = pieces[running.step :], running.step
        try:
            for piece, fetched in zip(left, batches(data, left, learner.device), strict=True):
                running.step += 1
                if undone is not None:
                    undone.keep()
                batch = Batch(changed(fetched.images, piece), fetched.labels)
                if mixed is not None:
                    batch = mixed(batch, running.step)
                loss = _guarded_step(learner, data, batch, epoch, running.step)
                done = running.step
                yield len(batch), loss
        except (MemoryError, RuntimeError) as error:
            if (
                undone is None
                or out_of_memory(error) is None
                or not (learner.make_room() or data.make_room())
            ):
                raise
            if running.step > done:
                undone.put_back()
                running.step = done
        else:
            return
        # Only now is nothing of the failed step held any more.
        torch.cuda.empty_cache()


def _rollback(learner: Learner, data: Data) -> StepRollback | None:
    """What puts a failed step back; None where memory cannot be freed or the step not repeated."""
    can_free = data.resident is not None or learner.replay is not None
    again = can_free and optimisation.can_step_again(learner.recipe)
    return StepRollback(learner.network) if again and untried.enabled("rollback") else None


def _guarded_step(learner: Learner, data: Data, batch: Batch, epoch: int, number: int) -> Tensor:
    """One step; batch norm's error for a single value becomes a message with a remedy."""
    try:
        return step(learner, batch, epoch, number)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        if microbatches.parts_at(learner.splits, epoch, number) > 1:
            raise OutOfMemory(
                f"a batch of {learner.recipe.batch_size} does not fit into memory, and batch "
                "normalisation cannot train on single images. Use a smaller --image-size, or a "
                "device with more memory."
            ) from error
        raise BadSpec(
            f"batch size {len(batch)} is too small for this network at {data.image_side} px: "
            "batch normalisation needs more than one value. Use a --batch-size of 2 or more."
        ) from error

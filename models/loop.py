"""A step, an epoch, an evaluation."""

from __future__ import annotations

import functools
import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD
from torch.optim.lr_scheduler import ReduceLROnPlateau

from jobs.errors import BadSpec, LossNotFinite, OutOfMemory
from jobs.spec import Recipe
from models import graphs, microbatches, repeatable
from models.counted import derive, order
from models.data.augment import Change, changes
from models.data.batches import Batch, Data, Indices, batches, cut
from models.data.transfer import Coming
from models.device import Chosen, out_of_memory
from models.microbatches import Splits
from models.redo import Undone

log = logging.getLogger(__name__)
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
SETTLE_S = 0.5
MOST_UNTRAINED = 256


@dataclass(slots=True)
class Learner:
    """A network on its device with all that its training needs."""

    network: nn.Module
    optimizer: SGD
    scheduler: ReduceLROnPlateau
    device: torch.device
    precision: Chosen
    recipe: Recipe
    seed: int
    splits: Splits = ()
    replay: graphs.Replay | None = None

    @classmethod
    def of(
        cls, network: nn.Module, recipe: Recipe, seed: int, device: torch.device, precision: Chosen,
        splits: Splits = (),
    ) -> Learner:
        """The network moved to `device`, channels last, with SGD and a plateau scheduler as the recipe has them."""
        if recipe.deterministic and device.type == "cuda":
            network = repeatable.replace_pools(network)
        network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        # On a GPU one kernel for all parameters; on a processor it would round otherwise and gain little.
        fused = device.type == "cuda"
        optimizer = SGD(network.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum, fused=fused)
        scheduler = ReduceLROnPlateau(optimizer, factor=recipe.plateau_factor, patience=recipe.plateau_patience)
        made = cls(network, optimizer, scheduler, device, precision, recipe, seed, splits)
        if graphs.wanted(device, recipe.deterministic):
            made.replay = graphs.Replay(
                network, optimizer, recipe.batch_size, lambda batch: _in_parts(made, batch, [len(batch)])
            )
        return made

    @property
    def learning_rate(self) -> float:
        """The rate of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def scores(self, batch: Batch) -> Tensor:
        """Class scores (n, classes) in float32 of a batch, in the trial's precision."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            scores: Tensor = self.network(normalised(batch.images)).flatten(1)
        return scores.float()


@dataclass(slots=True)
class Running:
    """How far an epoch has come: steps done, images seen, summed loss, seconds spent."""

    step: int = 0
    images: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0

    @property
    def loss(self) -> float:
        """Mean loss an image so far."""
        return self.loss_sum / max(1, self.images)


@dataclass(slots=True)
class Ledger:
    """Losses of steps still on the device, added up in order once they are looked at."""

    running: Running
    epoch: int
    learning_rate: float
    steps: list[tuple[int, int, Tensor]] = field(default_factory=list)

    def settle(self) -> None:
        """Add the losses up; raises `LossNotFinite` with the first step whose loss is not a finite number."""
        if not self.steps:
            return
        losses = torch.stack([loss for _, _, loss in self.steps]).double().tolist()
        for (step, images, _), loss in zip(self.steps, losses, strict=True):
            if not math.isfinite(loss):
                raise LossNotFinite(
                    f"the loss became {loss} in epoch {self.epoch}, step {step}, at learning rate "
                    f"{self.learning_rate:g}. Try a smaller --learning-rate or --precision fp32."
                )
            self.running.loss_sum += loss * images
            self.running.images += images
        self.steps.clear()


def normalised(images: Tensor) -> Tensor:
    """Images (n, s, s, 3), uint8, as ImageNet-normalised float32 (n, 3, s, s), channels last in memory.

    The values are, bit for bit, those of torchvision's `ToTensor` and `Normalize`.
    """
    mean, deviation = _row(MEAN, images.shape[2], images.device), _row(DEVIATION, images.shape[2], images.device)
    # Row by row of an image: a processor works on long rows three times as fast as on single pixels.
    values = images.reshape(-1, len(mean)).float().div_(255).sub_(mean).div_(deviation)
    return values.view(images.shape).permute(0, 3, 1, 2)


@functools.cache
def _row(colour: tuple[float, float, float], width: int, device: torch.device) -> Tensor:
    """A colour for each pixel of a row of an image, on the device, which needs to be sent there only once."""
    return torch.tensor(colour, device=device).repeat(width)


def step(learner: Learner, batch: Batch, epoch: int, number: int) -> Tensor:
    """One step of SGD, in micro-batches where the trial keeps to such; the batch's mean loss, still on the device."""
    # Dropout draws from what this step is, so a resumed epoch draws the same.
    seed = derive("dropout", learner.seed, epoch, number)
    parts = microbatches.parts_at(learner.splits, epoch, number)
    if learner.replay is not None and parts == 1:
        return learner.replay.step(batch, seed)
    torch.manual_seed(seed)
    return _in_parts(learner, batch, microbatches.sizes(len(batch), learner.recipe.batch_size, parts))


def _in_parts(learner: Learner, batch: Batch, sizes: list[int]) -> Tensor:
    """One step of SGD in micro-batches of these sizes; the batch's mean loss."""
    learner.optimizer.zero_grad(set_to_none=True)
    losses = []
    for part in batch.split(sizes):
        loss = functional.cross_entropy(learner.scores(part), part.labels) * (len(part) / len(batch))
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
    learner.optimizer.step()
    return torch.stack(losses).sum() if len(losses) > 1 else losses[0]


def steps_of(data: Data, learner: Learner, epoch: int) -> list[Indices]:
    """The images of each step of an epoch, in its order."""
    train = data.splits["train"]
    shuffled = train[order(len(train), learner.seed, epoch)]
    return cut(shuffled, learner.recipe.batch_size, drop_single=True)


def train_epoch(
    learner: Learner, data: Data, epoch: int, running: Running, after_step: Callable[[Running, bool], None]
) -> None:
    """Train the rest of an epoch, from `running.step` on.

    `after_step(running, settled)` is called after each step; `settled`, about twice a second and at the end, says
    that `running` holds every loss. What it raises leaves `running` settled. Raises `LossNotFinite`.
    """
    learner.network.train()
    pieces = steps_of(data, learner, epoch)
    ledger = Ledger(running, epoch, learner.learning_rate)
    before = time.monotonic()
    try:
        for images, loss in _steps(learner, data, pieces, epoch, running):
            ledger.steps.append((running.step, images, loss))
            settled = running.step == len(pieces) or time.monotonic() - before >= SETTLE_S
            if settled:
                # Looking at a loss waits for the device, so it is done seldom.
                ledger.settle()
                now = time.monotonic()
                running.seconds, before = running.seconds + now - before, now
            after_step(running, settled)
    finally:
        ledger.settle()
        running.seconds += time.monotonic() - before


def _steps(
    learner: Learner, data: Data, pieces: list[Indices], epoch: int, running: Running
) -> Iterator[tuple[int, Tensor]]:
    """Images and loss of each step after `running.step`, which is the step that failed when an error is raised.

    Where memory runs out beside images that are kept on the device, those make room and the step is done again.
    """
    changed = changes(learner.recipe.augment, len(data.images), learner.seed, epoch)
    undone = Undone(learner.network) if data.resident is not None else None
    while running.step < len(pieces):
        left, done = pieces[running.step :], running.step
        try:
            for piece, fetched in zip(left, batches(data, left, learner.device), strict=True):
                running.step += 1
                if undone is not None:
                    undone.keep()
                batch = Batch(changed(fetched.images, piece), fetched.labels)
                loss = _guarded_step(learner, data, batch, epoch, running.step)
                done = running.step
                yield len(batch), loss
        except (MemoryError, RuntimeError) as error:
            if undone is None or out_of_memory(error) is None or not data.make_room():
                raise
            if running.step > done:
                undone.put_back()
                running.step = done
        else:
            return
        # Only now nothing of the failed step is held any more.
        torch.cuda.empty_cache()


def answers(
    learner: Learner, data: Data, split: str, change: Change = lambda images, places: images
) -> Iterator[tuple[Indices, Tensor, Tensor]]:
    """Indices, labels and scores of every image of a split, in order, with dropout and batch statistics at rest.

    Labels and scores are on the host, brought there while the next images are looked at. `change` is what is done to
    a batch's images, given their places in the data set, before they are looked at. Half as many images at a time
    are looked at when memory runs out; an image's scores do not depend on the others.
    """
    learner.network.eval()
    images, left = min(MOST_UNTRAINED, 4 * learner.recipe.batch_size), data.splits[split]
    ahead: tuple[Indices, Coming] | None = None

    def known(piece: Indices, scores: Coming) -> tuple[Indices, Tensor, Tensor]:
        return piece, torch.from_numpy(data.labels[piece]), scores.arrived()

    while len(left):
        pieces = cut(left, images)
        try:
            for piece, batch in zip(pieces, batches(data, pieces, learner.device), strict=True):
                with torch.inference_mode():
                    scores = learner.scores(Batch(change(batch.images, piece), batch.labels))
                    ready, ahead = ahead, (piece, Coming.of(scores))
                left = left[len(piece) :]
                if ready is not None:
                    yield known(*ready)
        except (MemoryError, RuntimeError) as error:
            if out_of_memory(error) is None:
                raise
            if not data.make_room():
                if images == 1:
                    raise
                log.warning("%d images at once do not fit into memory: half as many are looked at", images)
                images //= 2
        else:
            break
        torch.cuda.empty_cache()
    if ahead is not None:
        yield known(*ahead)


def validate(learner: Learner, data: Data, epoch: int, tell: Callable[[int], None]) -> tuple[float, float]:
    """Mean loss and share of right answers on the validation images; `tell` gets the number of images done."""
    losses, correct, done = list[float](), 0, 0
    for piece, labels, scores in answers(learner, data, "validation"):
        losses += losses_of(scores, labels)
        correct += int((scores.argmax(1) == labels).sum().item())
        done += len(piece)
        tell(done)
    loss_sum = math.fsum(losses)
    if not math.isfinite(loss_sum):
        raise LossNotFinite(
            f"the validation loss became {loss_sum} after epoch {epoch}, trained at learning rate "
            f"{learner.learning_rate:g}. Try a smaller --learning-rate or --precision fp32."
        )
    return loss_sum / done, correct / done


def losses_of(scores: Tensor, labels: Tensor) -> list[float]:
    """Each image's loss. Summed exactly (`math.fsum`), they do not depend on how many were looked at at once."""
    found: list[float] = functional.cross_entropy(scores, labels, reduction="none").double().tolist()
    return found


def ranks(scores: np.ndarray[tuple[int, int], np.dtype[np.float32]], labels: Indices) -> Indices:
    """How many classes came before the true one; of equal scores the lower class index comes first, as in argmax."""
    own = scores[np.arange(len(labels)), labels][:, None]
    index = np.arange(scores.shape[1])[None, :]
    before = (scores > own) | ((scores == own) & (index < labels[:, None]))
    counted: Indices = before.sum(axis=1)
    return counted


def _guarded_step(learner: Learner, data: Data, batch: Batch, epoch: int, number: int) -> Tensor:
    """A step; batch norm's refusal of a single value becomes a message that says what to change."""
    try:
        return step(learner, batch, epoch, number)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        if microbatches.parts_at(learner.splits, epoch, number) > 1:
            raise OutOfMemory(
                f"a batch of {learner.recipe.batch_size} does not fit into memory, and batch normalisation cannot be "
                "trained on parts of a single image. Take a smaller --image-size, or a bigger device."
            ) from error
        raise BadSpec(
            f"batch size {len(batch)} is too small for this network at {data.images.shape[1]} px: batch normalisation "
            "needs more than one value. Take a --batch-size of 2 or more."
        ) from error

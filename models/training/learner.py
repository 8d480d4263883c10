"""A network with optimiser and scheduler, and one step of training."""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from jobs.spec.model import Recipe
from models.data.batches import Batch
from models.networks import deterministic
from models.networks.of_trial import Normalisation
from models.runtime.device import Chosen
from models.runtime.rng import derive_seed
from models.training import cuda_graphs, finetuning, microbatches, optimisation
from models.training.average import Average
from models.training.loss import mean_loss
from models.training.microbatches import Splits
from models.training.optimisation import Scheduler

FULL = (255.0, 255.0, 255.0)
"""Divisor as a tensor: a GPU would multiply by the inverse of a number and round differently."""
IMAGENET = Normalisation()
CACHED = 600_000
"""Values normalised at a time on a processor, so that they stay in its cache."""


@dataclass(slots=True)
class Learner:
    """A network on its device, with all that training needs.

    Batches of a learner with a `head` hold features instead of images.
    """

    network: nn.Module
    optimizer: Optimizer
    scheduler: Scheduler
    device: torch.device
    precision: Chosen
    recipe: Recipe
    seed: int
    splits: Splits = ()
    normalisation: Normalisation = IMAGENET
    replay: cuda_graphs.Replay | None = None
    head: nn.Module | None = None
    average: Average | None = None
    class_weights: Tensor | None = None

    @classmethod
    def of(
        cls,
        network: nn.Module,
        recipe: Recipe,
        seed: int,
        device: torch.device,
        precision: Chosen,
        splits: Splits = (),
        normalisation: Normalisation = IMAGENET,
        head_values: Collection[str] = (),
    ) -> Learner:
        """The network on `device`, channels last, with the recipe's optimiser and schedule.

        `head_values` names the values of its last layer, for recipes that treat it apart.
        """
        if recipe.deterministic and device.type == "cuda":
            network = deterministic.replace_pools(network)
        network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        finetuning.freeze(network, recipe, head_values)
        optimizer = optimisation.make_optimiser(network, recipe, device, head_values)
        scheduler = optimisation.make_scheduler(optimizer, recipe)
        made = cls(
            network, optimizer, scheduler, device, precision, recipe, seed, splits, normalisation
        )
        if recipe.ema is not None:
            made.average = Average.of(network, recipe.ema)
        # A recorded step of AdamW would need another variant of it.
        plain = "capturable" in optimizer.defaults
        if cuda_graphs.wanted(device, recipe.deterministic) and not plain:
            made.replay = cuda_graphs.Replay(
                network,
                optimizer,
                recipe.batch_size,
                lambda batch: _in_parts(made, batch, [len(batch)]),
            )
        return made

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def smaller_rate(self) -> str:
        """What to try where the loss was not finite at the rate of the next step.

        A recipe does not know whether its rate is the run's or of the network's own.
        """
        asked, head = self.recipe.learning_rate, self.recipe.head_learning_rate
        told = f"Try --learning-rate {asked / 10:g} instead of {asked:g}"
        if head is not None:
            told += f" and --head-learning-rate {head / 10:g} instead of {head:g}"
        other = ", or --precision fp32" if self.precision != "fp32" else ""
        return (
            f"{told}{other}. A network with a learning_rate of its own in backbones needs the "
            "smaller one there."
        )

    def tested(self) -> dict[str, Tensor]:
        """The values of the network that is validated: its average, if there is one."""
        averaged = {} if self.average is None else self.average.values
        values: dict[str, Tensor] = self.network.state_dict()
        return values | averaged

    def make_room(self) -> bool:
        """Free the device memory of a recorded step; False if there is none."""
        return self.replay is not None and self.replay.release()

    def scores(self, batch: Batch) -> Tensor:
        """Class scores (n, classes) of a batch in float32, computed in the trial's precision."""
        half = self.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            if self.head is not None:
                of_features: Tensor = self.head(batch.images)
                return of_features.float()
            kind = torch.bfloat16 if half else torch.float32
            images = normalised(batch.images, kind, self.normalisation)
            scores: Tensor = self.network(images).flatten(1)
        return scores.float()


def normalised(
    images: Tensor, kind: torch.dtype = torch.float32, by: Normalisation = IMAGENET
) -> Tensor:
    """Images (n, s, s, 3), 0 to 255, as normalised floats (n, 3, s, s), channels last.

    Bit for bit equal to torchvision's `ToTensor` and `Normalize`, rounded to `kind` as autocast
    does.
    """
    full, mean, deviation = (
        _row(colour, images.shape[2], images.device) for colour in (FULL, by.mean, by.deviation)
    )
    # By image rows: a processor works on long rows three times as fast as on single pixels.
    rows = images.reshape(-1, len(mean))
    values = torch.empty(rows.shape, dtype=kind, device=images.device)
    at_once = max(1, CACHED // len(mean)) if images.device.type == "cpu" else max(1, len(rows))
    for some, place in zip(torch.split(rows, at_once), torch.split(values, at_once), strict=True):
        place.copy_(some.to(torch.float32, copy=True).div_(full).sub_(mean).div_(deviation))
    return values.view(images.shape).permute(0, 3, 1, 2)


@functools.cache
def _row(colour: tuple[float, float, float], width: int, device: torch.device) -> Tensor:
    """A colour per pixel of an image row, on the device; sent there once."""
    return torch.tensor(colour, device=device).repeat(width)


def step(learner: Learner, batch: Batch, epoch: int, number: int) -> Tensor:
    """One step, in micro-batches where recorded; returns the mean loss, on the device."""
    loss = _step(learner, batch, epoch, number)
    if learner.average is not None:
        learner.average.update()
    return loss


def _step(learner: Learner, batch: Batch, epoch: int, number: int) -> Tensor:
    # Seeded by the step, so a resumed epoch draws the same dropout.
    seed = derive_seed("dropout", learner.seed, epoch, number)
    parts = microbatches.parts_at(learner.splits, epoch, number)
    if learner.replay is not None and parts == 1:
        return learner.replay.step(batch, seed)
    torch.manual_seed(seed)
    return _in_parts(
        learner, batch, microbatches.sizes(len(batch), learner.recipe.batch_size, parts)
    )


def _in_parts(learner: Learner, batch: Batch, sizes: list[int]) -> Tensor:
    """One step in micro-batches of these sizes; returns the mean loss of the batch."""
    learner.optimizer.zero_grad(set_to_none=True)
    losses, smoothing = [], learner.recipe.label_smoothing
    for part in batch.split(sizes):
        mean = mean_loss(learner.scores(part), part.labels, smoothing, learner.class_weights)
        loss = mean * (len(part) / len(batch))
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
    optimisation.clip(learner.network, learner.recipe)
    learner.optimizer.step()
    return torch.stack(losses).sum() if len(losses) > 1 else losses[0]

"""Mixed images: mixup and cutmix of torchvision on whole batches, with soft labels."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torchvision.transforms import v2

from jobs.spec.model import Recipe
from models.data.batches import Batch
from models.runtime.rng import derive_seed

Mix = Callable[[Batch, int], Batch]
"""Mixes the batch of a step, given its number."""


def mixing(recipe: Recipe, classes: int, seed: int, epoch: int) -> Mix | None:
    """The mixing of a recipe; None where it has none. Draws come from (seed, epoch, step) alone.

    Where both kinds are chosen, each step uses one of them at random. Images of a mixed batch are
    floats from 0 to 255, and its labels are the shares of the classes (n, classes).
    """
    kinds: list[v2.Transform] = []
    if recipe.mixup:
        kinds.append(v2.MixUp(alpha=recipe.mixup, num_classes=classes))
    if recipe.cutmix:
        kinds.append(v2.CutMix(alpha=recipe.cutmix, num_classes=classes))
    if not kinds:
        return None
    chosen = kinds[0] if len(kinds) == 1 else v2.RandomChoice(kinds)

    def mixed(batch: Batch, step: int) -> Batch:
        # torchvision draws from the default generator, which the step seeds anew afterwards.
        torch.default_generator.manual_seed(derive_seed("mix", seed, epoch, step))
        images, labels = chosen(batch.images.permute(0, 3, 1, 2).float(), batch.labels)
        return Batch(images.permute(0, 2, 3, 1).contiguous(), labels)

    return mixed

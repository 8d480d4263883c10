"""Which parts of a network are trained."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from jobs.spec.model import Recipe


def freeze(network: nn.Module, recipe: Recipe, head: Collection[str]) -> None:
    """Mark what is not trained; `head` holds the names of the values of the last layer."""
    if recipe.finetune == "head" and head:
        for name, value in network.named_parameters():
            value.requires_grad_(name in head)
    if recipe.freeze_batch_norm:
        for norm in _batch_norms(network):
            norm.requires_grad_(False)


def training_mode(network: nn.Module, recipe: Recipe) -> None:
    """The network in training mode, but for batch norms that stay as they are."""
    network.train()
    if recipe.freeze_batch_norm:
        for norm in _batch_norms(network):
            norm.eval()


def _batch_norms(network: nn.Module) -> Iterator[nn.Module]:
    return (layer for layer in network.modules() if isinstance(layer, _BatchNorm))

"""The early-stopping rule, applied to the epochs of a trial."""

from __future__ import annotations

from collections.abc import Iterable


def stop_epoch(val_losses: Iterable[float | None], patience: int | None) -> int | None:
    """The first epoch (from 1) at which the best validation loss is `patience` epochs old, or None.

    The decision depends only on the epochs up to that one, so the division into periods does not
    matter. Source: Prechelt 1998 (Neural Networks: Tricks of the Trade, LNCS 1524:55-69),
    criterion UP without strips.
    """
    best, best_epoch = float("inf"), 0
    for epoch, loss in enumerate(val_losses, 1):
        if loss is not None and loss < best:
            best, best_epoch = loss, epoch
        elif patience is not None and epoch - best_epoch >= patience:
            return epoch
    return None

"""The schedules of the learning rate, each with a linear warm-up; they step after each epoch."""

from __future__ import annotations

import math
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau


class WarmPlateau(ReduceLROnPlateau):
    """A plateau after a warm-up of `warmup` epochs, whose validation losses do not count."""

    def __init__(self, optimizer: Optimizer, warmup: int, **settings: Any) -> None:
        super().__init__(optimizer, **settings)
        self.warmup, self.warmed = warmup, 0
        self.full_rates = [group["lr"] for group in optimizer.param_groups]
        self._set_rates()

    def step(  # type: ignore[override]
        self, metrics: Any, epoch: int | None = None
    ) -> None:
        """An epoch is done, with this validation loss."""
        if self.warmed < self.warmup:
            self.warmed += 1
            self._set_rates()
        else:
            super().step(metrics, epoch)

    def _set_rates(self) -> None:
        share = warm_share(self.warmed, self.warmup)
        for group, rate in zip(self.optimizer.param_groups, self.full_rates, strict=True):
            group["lr"] = rate * share


def plateau(optimizer: Optimizer, warmup: int, **settings: Any) -> ReduceLROnPlateau:
    """Multiply the rate by a factor when the validation loss no longer improves."""
    if warmup:
        return WarmPlateau(optimizer, warmup, **settings)
    return ReduceLROnPlateau(optimizer, **settings)


def constant(optimizer: Optimizer, warmup: int) -> LambdaLR:
    """The same rate after the warm-up."""
    return LambdaLR(optimizer, lambda done: warm_share(done, warmup))


def cosine(optimizer: Optimizer, warmup: int, horizon: int | None) -> LambdaLR:
    """Half a cosine from the full rate after the warm-up to 0 after `horizon` epochs."""
    if horizon is None:
        raise ValueError("the schedule cosine needs horizon_epochs")

    def share(done: int) -> float:
        if done < warmup:
            return warm_share(done, warmup)
        passed = (done - warmup) / max(1, horizon - warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, passed)))

    return LambdaLR(optimizer, share)


def warm_share(done: int, warmup: int) -> float:
    """The share of the full rate after `done` epochs: 1/4, 2/4, 3/4, 1 for a warm-up of 3."""
    return min(1.0, (done + 1) / (warmup + 1))

"""Saves what a failed step may have changed, so that it can be done again."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class StepRollback:
    """The buffers of a network (batch statistics): all that a step out of memory may change.

    Gradients are cleared at the start of the next step, and the optimiser changes weights only
    after its last allocation (`Optimiser.allocates_first`).
    """

    def __init__(self, network: nn.Module) -> None:
        self.pairs: list[tuple[list[Tensor], list[Tensor]]] = []
        buffers = list(network.buffers())
        # One kernel per dtype; mixed, each tensor would need its own.
        for kind in dict.fromkeys(buffer.dtype for buffer in buffers):
            live = [buffer for buffer in buffers if buffer.dtype == kind]
            self.pairs.append((live, [torch.empty_like(buffer) for buffer in live]))

    def keep(self) -> None:
        """Copy the buffers, in stream order and without waiting."""
        for live, kept in self.pairs:
            torch._foreach_copy_(kept, live)

    def put_back(self) -> None:
        """Restore the buffers."""
        for live, kept in self.pairs:
            torch._foreach_copy_(live, kept)

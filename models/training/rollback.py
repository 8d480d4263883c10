"""What a step changes before it is over, kept so that it can be done again."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class StepRollback:
    """A network's buffers (batch statistics): all that a step which ran out of memory may have changed.

    Gradients are cleared at the next step's begin, and the optimiser changes weights only after its last allocation.
    """

    def __init__(self, network: nn.Module) -> None:
        self.pairs: list[tuple[list[Tensor], list[Tensor]]] = []
        buffers = list(network.buffers())
        # One kernel for all of a type; mixed, each would have its own.
        for kind in dict.fromkeys(buffer.dtype for buffer in buffers):
            live = [buffer for buffer in buffers if buffer.dtype == kind]
            self.pairs.append((live, [torch.empty_like(buffer) for buffer in live]))

    def keep(self) -> None:
        """Copy them as they are now, in stream order and without waiting."""
        for live, kept in self.pairs:
            torch._foreach_copy_(kept, live)

    def put_back(self) -> None:
        """Make them again what they were."""
        for live, kept in self.pairs:
            torch._foreach_copy_(live, kept)

"""A moving average of the weights: it is validated, tested and kept instead of the last weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(slots=True)
class Average:
    """An exponential moving average of what training changes: parameters and float statistics.

    The decay grows with the steps, so that the first values are soon forgotten. It is
    (1 + steps) / (10 + steps), and at most `decay`.
    """

    decay: float
    live: dict[str, Tensor]
    values: dict[str, Tensor]
    steps: int = 0

    @classmethod
    def of(cls, network: nn.Module, decay: float) -> Average:
        """The average before the first step: the network itself."""
        live: dict[str, Tensor] = {
            name: value.detach()
            for name, value in network.named_parameters()
            if value.requires_grad
        } | {name: value for name, value in network.named_buffers() if value.is_floating_point()}
        kept = network.state_dict().keys()
        live = {name: value for name, value in live.items() if name in kept}
        return cls(decay, live, {name: value.clone() for name, value in live.items()})

    def update(self) -> None:
        """A step is done."""
        share = 1 - min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, value in self.values.items():
            value.lerp_(self.live[name], share)
        self.steps += 1

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """The average in the network, until the end of the block."""
        live = {name: value.clone() for name, value in self.live.items()}
        self._put(self.values)
        try:
            yield
        finally:
            self._put(live)

    def state(self) -> dict[str, dict[str, Tensor]]:
        """What a checkpoint holds."""
        return {"average": self.values, "averaged": {"steps": torch.tensor(self.steps)}}

    def load_state(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """The state from a checkpoint."""
        for name, value in self.values.items():
            value.copy_(state["average"][name])
        self.steps = int(state["averaged"]["steps"])

    @torch.no_grad()
    def _put(self, values: Mapping[str, Tensor]) -> None:
        for name, value in values.items():
            self.live[name].copy_(value)

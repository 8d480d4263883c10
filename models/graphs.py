"""A training step recorded once as a CUDA graph and replayed, which spares a GPU the wait for Python.

Not yet run on a GPU, and off unless `ORCH_CUDA_GRAPHS=1`. A recording is used only after one step, done both ways
from the same state, had the same loss and left the same weights, statistics and momenta, bit for bit; whatever else
happens, steps are done plainly.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import SGD

from models.data.batches import Batch

log = logging.getLogger(__name__)
WARM_UPS = 3
Recorded = tuple[Callable[[], object], Tensor]
"""What does the recorded step again, and where it puts its loss."""


def wanted(device: torch.device, deterministic: bool) -> bool:
    """Whether steps shall be replayed: on a GPU, where that was asked for, and never for a deterministic recipe."""
    return device.type == "cuda" and not deterministic and os.environ.get("ORCH_CUDA_GRAPHS") == "1"


def recorded(work: Callable[[], Tensor]) -> Recorded:
    """The work as a CUDA graph, after a few runs beside the main stream; it changes what the work changes."""
    beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(WARM_UPS):
            work()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    # Threads that fetch images or write checkpoints may go on calling CUDA meanwhile.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        loss = work()
    return graph.replay, loss


class Replay:
    """Does steps of whole batches of `images` images by a recording, made anew for each learning rate."""

    def __init__(
        self, network: nn.Module, optimizer: SGD, images: int, whole: Callable[[Batch], Tensor],
        record: Callable[[Callable[[], Tensor]], Recorded] = recorded,
    ) -> None:
        self.network, self.optimizer, self.images, self.whole, self.record = network, optimizer, images, whole, record
        self.trusted = True
        self.rate: float | None = None
        self.batch: Batch | None = None
        self.again: Recorded | None = None

    def step(self, batch: Batch, seed: int) -> Tensor:
        """One step; its loss. Dropout draws from the seed, replayed or not."""
        # A recording holds the learning rate, the batch's size, and that there are momenta already.
        if not self.trusted or len(batch) != self.images or not self.optimizer.state:
            return self._plainly(batch, seed)
        rate = float(self.optimizer.param_groups[0]["lr"])
        if self.again is None or self.batch is None or rate != self.rate:
            return self._begin(batch, seed, rate)
        self.batch.images.copy_(batch.images)
        self.batch.labels.copy_(batch.labels)
        return self._replayed(seed, self.again)

    def _begin(self, batch: Batch, seed: int, rate: float) -> Tensor:
        """Record, do the step both ways, and compare; plainly from now on where that fails."""
        before = self._state()
        kept = [value.clone() for value in before]
        self.again = None
        try:
            self.batch = held = Batch(batch.images.clone(), batch.labels.clone())
            again = self.record(lambda: self.whole(held))
            torch._foreach_copy_(before, kept)
            expected = [self._plainly(batch, seed).clone(), *(value.clone() for value in self._state())]
            torch._foreach_copy_(before, kept)
            found = [self._replayed(seed, again), *self._state()]
            if not all(map(torch.equal, expected, found)):
                raise ArithmeticError("a replayed step gives other numbers")
            self.again, self.rate = again, rate
            return found[0]
        except Exception as error:  # whatever a driver or torch raises, the plain step is there
            log.warning("steps are not replayed: %s", " ".join(str(error).split())[:300])
            self.trusted = False
        torch._foreach_copy_(before, kept)
        return self._plainly(batch, seed)

    def _plainly(self, batch: Batch, seed: int) -> Tensor:
        torch.manual_seed(seed)
        return self.whole(batch)

    def _replayed(self, seed: int, again: Recorded) -> Tensor:
        # A replay draws from where the default generator stands, as the plain step does.
        torch.manual_seed(seed)
        again[0]()
        return again[1].clone()

    def _state(self) -> list[Tensor]:
        """All that a step changes: weights, statistics, momenta."""
        momenta = [self.optimizer.state[each]["momentum_buffer"] for each in self.network.parameters()
                   if self.optimizer.state[each].get("momentum_buffer") is not None]
        return [*(each.data for each in self.network.parameters()), *self.network.buffers(), *momenta]

"""A training step recorded as a CUDA graph and replayed, to avoid Python's overhead on a GPU.

Off unless `ORCH_CUDA_GRAPHS=1` (`models/runtime/untried.py`). A recording is used only after one
step was done both ways from the same state with the same loss, weights, statistics and optimiser
state, bit for bit. Otherwise, or without memory for a recording, steps are done plainly. So are
the steps of optimisers whose state is more than tensors. If recording fails in another way the task
fails: torch is unreliable in a process whose recording was aborted.
"""

from __future__ import annotations

import functools
import gc
import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from jobs.errors import WorkError
from models.data.batches import Batch
from models.runtime import untried
from models.runtime.out_of_memory import out_of_memory

log = logging.getLogger(__name__)
WARM_UPS = 3
Recorded = tuple[Callable[[], object], Tensor]
"""Function that replays the step, and the tensor that receives its loss."""


def wanted(device: torch.device, deterministic: bool) -> bool:
    """Whether to replay steps: on a GPU, if requested, and not for deterministic recipes."""
    return device.type == "cuda" and not deterministic and untried.enabled("cuda_graphs")


def recorded(work: Callable[[], Tensor]) -> Recorded:
    """The work as a CUDA graph, after warm-up runs on a side stream; it has side effects."""
    beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(WARM_UPS):
            work()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    # Garbage collected meanwhile may free GPU memory or another recording and break this one.
    gc.collect()
    gc.disable()
    try:
        # Threads that fetch images or write checkpoints may call CUDA meanwhile.
        with torch.cuda.graph(graph, stream=_stream(), capture_error_mode="thread_local"):
            loss = work()
    finally:
        gc.enable()
    return graph.replay, loss


@functools.cache
def _stream() -> torch.cuda.Stream:
    """The stream for recording, one per process."""
    return torch.cuda.Stream()  # type: ignore[no-untyped-call]


class Replay:
    """Replay steps of whole batches of `images` images; records anew per learning rate.

    Every other setting of the optimiser counts too, such as a momentum that a schedule changes.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: Optimizer,
        images: int,
        whole: Callable[[Batch], Tensor],
        record: Callable[[Callable[[], Tensor]], Recorded] = recorded,
    ) -> None:
        self.network, self.optimizer, self.images, self.whole, self.record = (
            network,
            optimizer,
            images,
            whole,
            record,
        )
        self.trusted = True
        self.recorded_with: list[dict[str, Any]] | None = None
        self.batch: Batch | None = None
        self.again: Recorded | None = None

    def step(self, batch: Batch, seed: int) -> Tensor:
        """One step; returns its loss. Dropout draws from the seed, replayed or not."""
        # A recording is tied to the settings, the batch size, and the optimiser's existing state.
        if not self.trusted or len(batch) != self.images or not self.optimizer.state:
            return self._plainly(batch, seed)
        now = settings(self.optimizer)
        if self.again is None or self.batch is None or now != self.recorded_with:
            return self._begin(batch, seed, now)
        self.batch.images.copy_(batch.images)
        self.batch.labels.copy_(batch.labels)
        return self._replayed(seed, self.again)

    def _begin(self, batch: Batch, seed: int, now: list[dict[str, Any]]) -> Tensor:
        """Record, compare one step both ways, and fall back to plain steps if they differ."""
        if (kept_beside := beyond_tensors(self.optimizer)) is not None:
            name = type(self.optimizer).__name__
            log.warning(
                "using plain steps, not a CUDA graph: %s keeps %s, which is not a tensor",
                name,
                kept_beside,
            )
            self.release()
            return self._plainly(batch, seed)
        before = self._state()
        kept = [value.clone() for value in before]
        self.again = self.batch = None
        try:
            loss = self._tried(batch, seed, now, before, kept)
        except (MemoryError, RuntimeError) as error:
            if out_of_memory(error) is None:
                raise WorkError(
                    f"cannot record a training step as a CUDA graph: {_in_a_line(error)} "
                    "Unset ORCH_CUDA_GRAPHS and retry the run with 'orch retry'."
                ) from error
            log.warning("using plain steps, not a CUDA graph: %s", _in_a_line(error))
            loss = None
        if loss is not None:
            return loss
        self.release()
        torch._foreach_copy_(before, kept)
        del kept
        _give_back()
        return self._plainly(batch, seed)

    def _tried(
        self,
        batch: Batch,
        seed: int,
        now: list[dict[str, Any]],
        before: list[Tensor],
        kept: list[Tensor],
    ) -> Tensor | None:
        """Loss of a recorded step that equals the plain one bit for bit; None otherwise."""
        self.batch = held = Batch(batch.images.clone(), batch.labels.clone())
        again = self.record(lambda: self.whole(held))
        torch._foreach_copy_(before, kept)
        expected = [self._plainly(batch, seed).clone(), *(value.clone() for value in self._state())]
        torch._foreach_copy_(before, kept)
        replayed = [self._replayed(seed, again), *self._state()]
        if not all(map(torch.equal, expected, replayed)):
            log.warning("using plain steps, not a CUDA graph: a replayed step gave other results")
            return None
        self.again, self.recorded_with = again, now
        return replayed[0]

    def release(self) -> bool:
        """Fall back to plain steps and free the recording; False if there was none."""
        held = self.again is not None
        self.trusted, self.again, self.batch = False, None, None
        return held

    def _plainly(self, batch: Batch, seed: int) -> Tensor:
        torch.manual_seed(seed)
        return self.whole(batch)

    def _replayed(self, seed: int, again: Recorded) -> Tensor:
        # A replay draws from the default generator, as the plain step does.
        torch.manual_seed(seed)
        again[0]()
        return again[1].clone()

    def _state(self) -> list[Tensor]:
        """All that a step changes: weights, statistics, the optimiser's state."""
        return [
            *(each.data for each in self.network.parameters()),
            *self.network.buffers(),
            *state_tensors(self.optimizer),
        ]


def settings(optimizer: Optimizer) -> list[dict[str, Any]]:
    """The settings of each group of parameters, such as the learning rate."""
    return [
        {
            name: value.tolist() if isinstance(value, Tensor) else value
            for name, value in group.items()
            if name != "params"
        }
        for group in optimizer.param_groups
    ]


def state_tensors(optimizer: Optimizer) -> list[Tensor]:
    """The tensors of the optimiser's state, such as momenta."""
    return [
        value
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, Tensor)
    ]


def beyond_tensors(optimizer: Optimizer) -> str | None:
    """The name of something in the optimiser's state that is no tensor, and not None."""
    return next(
        (
            f"'{name}'"
            for state in optimizer.state.values()
            for name, value in state.items()
            if value is not None and not isinstance(value, Tensor)
        ),
        None,
    )


def _in_a_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300].rstrip(".") + "."


def _give_back() -> None:
    """Return the cached memory of freed tensors to the GPU."""
    gc.collect()
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()

"""Measure the latency and memory of one network, in a process that holds nothing else.

`python -m models.bench.latency` reads a request as JSON from its standard input, which stays open:
the process ends when its parent closes it or dies. It prints a JSON line. A process that answers by
ONNX Runtime never imports torch.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

WARM_UP_S, MIN_WARM_UP = 0.5, 3
MAX_RUNS, MIN_RUNS = 200, 20
SETTLED_S, LONGEST_S = 5.0, 60.0
"""A batch size is measured `MAX_RUNS` times, or for `SETTLED_S` and at least `MIN_RUNS` times, and
never longer than `LONGEST_S`."""
LOWEST_TAIL = 20
"""With fewer runs there is no 95th percentile."""
PEAK_OF_NOW = "5"
"""Written to `clear_refs`, it makes the memory that is held now the peak (proc(5))."""

Run = Callable[[], float]
"""Answers one batch and returns the seconds that it took."""


@dataclass(frozen=True, slots=True)
class LatencyRequest:
    """What to measure: an ONNX `file`, or the training `task` of a store if there is none.

    `shape` is that of one image. `quick` shortens the measurement, for tests.
    """

    runtime: str
    batches: tuple[int, ...]
    threads: int
    shape: tuple[int, int, int]
    classes: int
    file: str = ""
    store: str = ""
    task: str = ""
    device: str = "cpu"
    quick: bool = False


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds of each run of a batch size, the peak memory, and the processors that others used."""

    batch: int
    seconds: tuple[float, ...]
    peak_memory_bytes: int
    others_load: float

    def quantile_ms(self, share: float) -> float | None:
        """A quantile in milliseconds; None for a tail of too few runs."""
        if share > 0.5 and len(self.seconds) < LOWEST_TAIL:
            return None
        return 1000 * float(np.quantile(self.seconds, share))

    @property
    def images_per_second(self) -> float:
        """Images in the median time."""
        return self.batch / float(np.median(self.seconds))


def measure(request: LatencyRequest) -> Iterator[Latency]:
    """The latency of each batch size, smallest first."""
    prepare = _onnx(request) if request.file else _torch(request)
    for batch in sorted(request.batches):
        run = prepare(batch)
        gc.collect()
        _forget_peak()
        with _others() as load:
            seconds = _timed(run, request.quick)
        yield Latency(batch, tuple(seconds), _peak_bytes(request), load())


def _timed(run: Run, quick: bool) -> list[float]:
    """Seconds of each run after a warm-up."""
    fewer = 10 if quick else 1
    began, warm = time.perf_counter(), 0
    while warm < MIN_WARM_UP or time.perf_counter() - began < WARM_UP_S / fewer:
        run()
        warm += 1
        if time.perf_counter() - began > LONGEST_S / 4:
            break
    began, seconds = time.perf_counter(), list[float]()
    while len(seconds) < MAX_RUNS:
        spent = time.perf_counter() - began
        settled = len(seconds) >= MIN_RUNS and spent > SETTLED_S / fewer
        if seconds and (settled or spent > LONGEST_S):
            break
        seconds.append(run())
    return seconds


def _torch(request: LatencyRequest) -> Callable[[int], Run]:
    """Runs of a network of torch; on a GPU the time is that of its own events."""
    import torch

    from jobs.store.store import Store
    from jobs.task import Task
    from models.evaluation import restore

    torch.set_num_threads(request.threads)
    store, training = Store(Path(request.store)), Task.parse(request.task)
    learner = restore.learner(store, training, request.classes, request.device)
    network, device = learner.network.eval().requires_grad_(False), learner.device
    del learner

    def prepare(batch: int) -> Run:
        images = torch.from_numpy(_images(batch, request.shape)).to(device)

        def on_processor() -> float:
            began = time.perf_counter()
            with torch.inference_mode():
                network(images)
            return time.perf_counter() - began

        def on_gpu() -> float:
            first = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            last = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            with torch.inference_mode():
                first.record()
                network(images)
                last.record()
            torch.cuda.synchronize()
            return float(first.elapsed_time(last)) / 1000

        return on_gpu if device.type == "cuda" else on_processor

    return prepare


def _onnx(request: LatencyRequest) -> Callable[[int], Run]:
    """Runs of an ONNX file, on the processor."""
    from models.bench import session

    network = session.start(Path(request.file), request.threads)

    def prepare(batch: int) -> Run:
        images = {"image": _images(batch, request.shape)}

        def run() -> float:
            began = time.perf_counter()
            network.run(["scores"], images)
            return time.perf_counter() - began

        return run

    return prepare


def _images(batch: int, shape: tuple[int, int, int]) -> Any:
    """Images of noise: the time of a network does not depend on what it sees."""
    return np.random.default_rng(0).standard_normal((batch, *shape), np.float32)


def _forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text(PEAK_OF_NOW)


def _peak_bytes(request: LatencyRequest) -> int:
    """The peak of this process's resident memory; on a GPU that of torch's allocator."""
    if request.device == "cuda":
        import torch

        return torch.cuda.max_memory_reserved()
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    return psutil.Process().memory_info().rss


@contextlib.contextmanager
def _others() -> Iterator[Callable[[], float]]:
    """How many processors the other processes of this machine used meanwhile."""
    began, busy, own = time.monotonic(), _busy_s(), _own_s()

    def load() -> float:
        taken = (_busy_s() - busy) - (_own_s() - own)
        return max(0.0, taken / max(time.monotonic() - began, 1e-9))

    yield load


def _busy_s() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - _guest_s(times))


def _guest_s(times: Any) -> float:
    """Time of guests, which `user` and `nice` count already."""
    return float(getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0))


def _own_s() -> float:
    return sum(os.times()[:2])


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


def main() -> None:
    """Measure what the first line of the standard input asks for."""
    given = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    request = LatencyRequest(
        **given | {"batches": tuple(given["batches"]), "shape": (*given["shape"],)}
    )
    print(json.dumps([asdict(each) for each in measure(request)]), flush=True)
    os._exit(0)  # the thread above may still read


if __name__ == "__main__":
    main()

"""The GPUs of this machine by NVML, where the package nvidia-ml-py and a driver are."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU now; `used_share` (0 to 1) is None where the driver does not tell (as with MIG)."""

    uuid: str
    model: str
    used_share: float | None
    memory_used_bytes: int
    memory_bytes: int


def read_gpus(load: Callable[[], Any] | None = None) -> tuple[Gpu, ...]:
    """The GPUs of this machine; empty without a GPU, a driver, or the package.

    NVML is opened for each reading: a driver that was loaded anew is then no problem. `load` gives
    the module `pynvml`.
    """
    with contextlib.suppress(Exception):  # an error of measuring must not hide the store
        nvml = load() if load else _pynvml()
        nvml.nvmlInit()
        try:
            return tuple(_gpus(nvml))
        finally:
            nvml.nvmlShutdown()
    return ()


def _gpus(nvml: Any) -> Iterator[Gpu]:
    for index in range(nvml.nvmlDeviceGetCount()):
        with contextlib.suppress(nvml.NVMLError):  # one broken GPU must not hide the others
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            memory = nvml.nvmlDeviceGetMemoryInfo(handle)
            used_share = None
            with contextlib.suppress(nvml.NVMLError):
                used_share = nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
            uuid, model = nvml.nvmlDeviceGetUUID(handle), nvml.nvmlDeviceGetName(handle)
            yield Gpu(str(uuid), str(model), used_share, int(memory.used), int(memory.total))


def _pynvml() -> Any:
    import pynvml

    return pynvml

"""How a trained network is benchmarked: by which runtime, on how many threads, on which host.

A latency belongs to a machine, so the host is part of the task. All networks of a run are then
measured on the same one, whoever else works on the store.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

Runtime = Literal["torch", "onnx", "int8"]
RUNTIMES: tuple[Runtime, ...] = get_args(Runtime)
BATCHES = (1, 32)
"""The batch sizes that are measured."""
MAX_THREADS = 999
SUFFIX = re.compile(rf"({'|'.join(RUNTIMES)})-t([1-9][0-9]{{0,2}})-([a-z0-9-]{{1,63}})")


@dataclass(frozen=True, slots=True)
class Way:
    """One way to benchmark a network. `host` is a host's name as `host_key` writes it.

    `onnx` is ONNX Runtime, and `int8` the same with 8-bit numbers; both compute on the processor.
    """

    runtime: Runtime
    threads: int
    host: str

    @property
    def suffix(self) -> str:
        """The end of a task id: `onnx-t1-myhost`."""
        return f"{self.runtime}-t{self.threads}-{self.host}"


def read_way(suffix: str) -> Way | None:
    """The way that the end of a task id names; None if it names none."""
    match = SUFFIX.fullmatch(suffix)
    if match is None:
        return None
    return Way(match[1], int(match[2]), match[3])  # type: ignore[arg-type]


def host_key(host: str) -> str:
    """A host's name as task ids hold it: small letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9-]", "-", host.lower())[:63] or "host"

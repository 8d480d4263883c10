"""Find and lock a GPU without torch, and pin it by environment."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from jobs.errors import RequestError


class NoSuchDevice(RequestError):
    """A device that does not exist on this machine."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device as a child sees it: `kind` cpu or cuda, `name` as requested.

    `visible` is for CUDA_VISIBLE_DEVICES; `threads` are those of one child.
    """

    kind: str
    name: str
    visible: str
    threads: int

    def environment(self) -> dict[str, str]:
        """The environment that pins a process; set before the fork server starts."""
        return {
            "CUDA_VISIBLE_DEVICES": self.visible,
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
            "OMP_NUM_THREADS": str(self.threads),
            "MKL_NUM_THREADS": str(self.threads),
            # cuBLAS repeats its sums only with this; torch refuses --deterministic without it.
            "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        }


def gpus(environment: Mapping[str, str] | None = None) -> list[str]:
    """GPUs that this process may use, as in CUDA_VISIBLE_DEVICES; empty without a driver."""
    values = os.environ if environment is None else environment
    if "CUDA_VISIBLE_DEVICES" in values:
        return [
            part.strip()
            for part in values["CUDA_VISIBLE_DEVICES"].split(",")
            if part.strip() not in ("", "-1")
        ]
    if shutil.which("nvidia-smi") is None:
        return []
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        listed = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=True
        )
        return listed_gpus(listed.stdout)
    return []


def listed_gpus(text: str) -> list[str]:
    """GPUs listed by `nvidia-smi -L`: indices, or UUIDs of parts of a divided one (MIG)."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if whole := re.match(r"GPU (\d+):", line):
            found.append((whole[1], []))
        elif found and (part := re.search(r"\(UUID: (MIG-[^)\s]+)\)", line)):
            found[-1][1].append(part[1])
    return [each for number, parts in found for each in (parts or [number])]


def device_model(device: Device) -> str:
    """A key of devices of equal speed: GPU name, or processor and threads per child.

    Empty if unknown, as for parts of a divided GPU.
    """
    if device.kind == "cuda":
        return query_gpu(device.visible, "name")
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, IndexError):
        name = re.findall(
            r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE
        )[0]
    return f"{name} x{device.threads}"


def query_gpu(visible: str, what: str) -> str:
    """A field of `nvidia-smi --query-gpu` for a GPU (index or UUID); empty for parts of one.

    `what` is the name of the field.
    """
    asked = [
        "nvidia-smi",
        f"--id={visible}",
        f"--query-gpu={what}",
        "--format=csv,noheader,nounits",
    ]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        said = subprocess.run(
            asked, capture_output=True, text=True, timeout=30, check=True
        ).stdout.splitlines()
        return said[0].strip() if said else ""
    return ""


def available_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_device(
    asked: str | None, threads: int | None, found: list[str] | None = None, slots: int = 1
) -> tuple[Device, IO[str] | None]:
    """The requested device, else the first GPU no other worker here holds, else the CPU.

    The second value is a lock to keep open while the device is used. By default a worker uses half
    the cores: sums depend on the number of threads, so one or two workers give the same numbers.
    `slots` share the worker's threads; each has at least one. Raises `NoSuchDevice`.
    """
    there = gpus() if found is None else found
    threads_used = max(1, (threads or max(1, available_cores() // 2)) // slots)
    if asked is None:
        for index, visible in enumerate(there):
            if (lock := _lock(visible)) is not None:
                return Device("cuda", f"cuda:{index}", visible, threads_used), lock
        return Device("cpu", "cpu", "", threads_used), None
    if asked == "cpu":
        return Device("cpu", "cpu", "", threads_used), None
    match = re.fullmatch(r"(?:cuda|gpu)(?::(\d+))?", asked)
    if match is None:
        raise NoSuchDevice(f"'{asked}' is not a device. Give cpu, or cuda:0 for the first GPU.")
    index = int(match[1] or 0)
    if index >= len(there):
        raise NoSuchDevice(
            f"there is no {asked}: this machine has {len(there)} GPU(s). Give --device cpu."
        )
    return Device("cuda", f"cuda:{index}", there[index], threads_used), None


def _lock(visible: str) -> IO[str] | None:
    """A machine-wide lock on a GPU, held while the file is open; None if another worker has it."""
    plain = re.sub(r"[^A-Za-z0-9-]", "_", visible)
    handle = (Path(tempfile.gettempdir()) / f"orch-{os.getuid()}-gpu-{plain}.lock").open("a")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        return None
    return handle

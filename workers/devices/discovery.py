"""Which GPU is mine: found without torch, and pinned by environment before anything else."""

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
    """A device that this machine does not have."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device as a child sees it: `kind` cpu or cuda; `name` as asked for; `visible` for CUDA_VISIBLE_DEVICES.

    `threads` are those of one child.
    """

    kind: str
    name: str
    visible: str
    threads: int

    def environment(self) -> dict[str, str]:
        """What pins a process to the device: set before the fork server starts."""
        return {
            "CUDA_VISIBLE_DEVICES": self.visible,
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
            "OMP_NUM_THREADS": str(self.threads),
            "MKL_NUM_THREADS": str(self.threads),
            # What cuBLAS needs to repeat its sums; without it torch refuses --deterministic on a GPU.
            "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        }


def gpus(environment: Mapping[str, str] | None = None) -> list[str]:
    """The GPUs this process may use, as CUDA_VISIBLE_DEVICES would name them; empty without an NVIDIA driver."""
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
    """The GPUs that `nvidia-smi -L` lists: their numbers, or the identities of its parts where one is divided (MIG)."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if whole := re.match(r"GPU (\d+):", line):
            found.append((whole[1], []))
        elif found and (part := re.search(r"\(UUID: (MIG-[^)\s]+)\)", line)):
            found[-1][1].append(part[1])
    return [each for number, parts in found for each in (parts or [number])]


def device_model(device: Device) -> str:
    """What devices of equal speed have in common: a GPU's name, or the processor's with the threads of one child.

    Empty where nobody says it, as of the parts of a divided GPU.
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
    """What nvidia-smi says of a GPU (an index or identity of its own); empty for parts of one, which it does not tell.

    `what` is a field of its `--query-gpu`.
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
    """The processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_device(
    asked: str | None, threads: int | None, found: list[str] | None = None, slots: int = 1
) -> tuple[Device, IO[str] | None]:
    """The device asked for, else the first GPU that no other worker of this machine holds, else the CPU.

    The second value is a lock that must be kept open while the device is used. By default a worker uses half the
    cores: sums depend on the number of threads, so one or two workers on a machine give the same numbers. `slots`
    tasks at a time share the worker's threads, each has at least one.
    Raises `NoSuchDevice`.
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
            f"there is no {asked} here: this machine shows {len(there)} GPU(s). Give --device cpu."
        )
    return Device("cuda", f"cuda:{index}", there[index], threads_used), None


def _lock(visible: str) -> IO[str] | None:
    """A lock on a GPU for this machine, held as long as the file is open; None when another worker holds it."""
    plain = re.sub(r"[^A-Za-z0-9-]", "_", visible)
    handle = (Path(tempfile.gettempdir()) / f"orch-{os.getuid()}-gpu-{plain}.lock").open("a")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        return None
    return handle

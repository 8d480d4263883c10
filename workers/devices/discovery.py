"""Find and lock a GPU without torch, and pin it by environment."""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from jobs.errors import RequestError
from workers.devices import device_lock

DEVICE_FILES = Path("/dev")


class NoSuchDevice(RequestError):
    """A device that does not exist on this machine."""


class DriverFailed(RequestError):
    """GPUs are there, and the driver does not answer; never silently a CPU worker."""

    temporary = True


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


class DeviceTaken(RequestError):
    """Another worker of this machine holds the device, or other programs its memory."""

    temporary = True


def gpus(environment: Mapping[str, str] | None = None) -> list[str]:
    """GPUs that this process may use, as in CUDA_VISIBLE_DEVICES; empty without a driver.

    An entry there that the driver does not list ends the list, as in CUDA. Raises `DriverFailed`.
    """
    values = os.environ if environment is None else environment
    chosen = values.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return listed_gpus(_listing())
    entries = [part.strip() for part in chosen.split(",")]
    if not any(re.fullmatch(r"\d+|(GPU|MIG)-.+", entry) for entry in entries):
        return []
    text = _listing()
    visible = list(itertools.takewhile(lambda entry: _is_listed(entry, text), entries))
    return list(dict.fromkeys(visible))


def gpu_uuids() -> list[str]:
    """The UUID of each of `gpus()`, in their order; the index where the driver tells no UUID.

    A UUID names the same GPU after others are added, removed or numbered anew.
    """
    text = _listing()
    uuids = dict(re.findall(r"^GPU (\d+):.*\(UUID: (GPU-[^)\s]+)\)", text, re.MULTILINE))
    return list(dict.fromkeys(uuids.get(each, each) for each in gpus()))


def require_free(device: Device, needed_bytes: int) -> None:
    """Raise `DeviceTaken` if other programs leave less memory of a GPU free.

    Raises `NoSuchDevice` for a device whose free memory is unknown.
    """
    said = query_gpu(device.visible, "memory.free") if device.kind == "cuda" else ""
    if not said.isdecimal():
        raise NoSuchDevice(
            f"--min-free: the free memory of {device.name} is unknown. Leave --min-free out."
        )
    if (free_bytes := int(said) * 2**20) < needed_bytes:
        raise DeviceTaken(
            f"{device.name} has {free_bytes / 1e9:.1f} GB free, and --min-free is "
            f"{needed_bytes / 1e9:.1f} GB. Other programs use it; try again later."
        )


def _listing() -> str:
    """What the driver lists (`nvidia-smi -L`); without that program, its device files."""
    files = sorted(DEVICE_FILES.glob("nvidia[0-9]*"), key=lambda path: int(path.name[6:]))
    if shutil.which("nvidia-smi") is None:
        return "".join(f"GPU {path.name[6:]}: (UUID: unknown)\n" for path in files)
    try:
        return subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        if not files:
            return ""
        said = (getattr(error, "stdout", None) or str(error)).strip().splitlines()[:1]
        raise DriverFailed(
            f"this machine has {len(files)} NVIDIA GPU(s), but the driver does not list them: "
            f"{''.join(said)}. Repair it, or give --device cpu."
        ) from None


def _is_listed(entry: str, text: str) -> bool:
    """Whether CUDA_VISIBLE_DEVICES may name a device so: index, UUID or the start of a UUID."""
    if entry.isdecimal():
        return re.search(rf"^GPU {int(entry)}:", text, re.MULTILINE) is not None
    if "(UUID: unknown)" in text:
        return entry.startswith(("GPU-", "MIG-"))
    return entry.startswith(("GPU-", "MIG-")) and f"(UUID: {entry}" in text


def listed_gpus(text: str) -> list[str]:
    """GPUs listed by `nvidia-smi -L`: indices, or UUIDs of parts of a divided one (MIG)."""
    cards: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if whole := re.match(r"GPU (\d+):", line):
            cards.append((whole[1], []))
        elif cards and (part := re.search(r"\(UUID: (MIG-[^)\s]+)\)", line)):
            cards[-1][1].append(part[1])
    return [each for number, parts in cards for each in (parts or [number])]


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


def uuid_of(device: Device) -> str:
    """The UUID of a GPU; empty for a processor, or where the driver does not tell."""
    if device.visible.startswith(("GPU-", "MIG-")):
        return device.visible
    return query_gpu(device.visible, "uuid") if device.kind == "cuda" else ""


def available_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def task_threads(threads: int, slots: int) -> int:
    """Threads of each task of a worker with so many threads, shared by its slots."""
    return max(1, threads // slots)


def choose_device(
    asked: str | None, threads: int | None, gpus_here: list[str] | None = None, slots: int = 1
) -> tuple[Device, IO[str] | None]:
    """The requested device, else the first GPU no other worker here holds, else the CPU.

    The CPU only where there is no GPU. The second value is a lock to keep open while the device is
    used. By default a worker uses half the cores: sums depend on the number of threads, so one or
    two workers give the same numbers. `slots` share the worker's threads; each has at least one.
    Raises `NoSuchDevice` and `DeviceTaken`.
    """
    threads_used = task_threads(threads or max(1, available_cores() // 2), slots)
    there, index = look_up(asked, gpus_here)
    if index is None and (asked == "cpu" or not there):
        return Device("cpu", "cpu", "", threads_used), None
    for number in range(len(there)) if index is None else [index]:
        if (lock := device_lock.take(there[number])) is not None:
            return Device("cuda", f"cuda:{number}", there[number], threads_used), lock
    if index is None:
        raise DeviceTaken(
            f"all {len(there)} GPU(s) of this machine have a worker. Give --device cpu, or start "
            "the workers with --slots to train several networks on each."
        )
    raise DeviceTaken(
        f"cuda:{index} has a worker already. Give another device, or start its worker with --slots "
        "to train several networks on it."
    )


def require_device(asked: str | None, gpus_here: list[str] | None = None) -> None:
    """Raise `NoSuchDevice` unless this machine has the device; takes no lock."""
    look_up(asked, gpus_here)


def look_up(asked: str | None, gpus_here: list[str] | None) -> tuple[list[str], int | None]:
    """GPUs of this machine, and the index of the requested one; raises `NoSuchDevice`."""
    if asked == "cpu":
        return [], None
    if asked is not None and re.fullmatch(r"(GPU|MIG)-[\w/-]+", asked):
        return _with_uuid(asked)
    match = re.fullmatch(r"(?:cuda|gpu)(?::(\d+))?", asked) if asked is not None else None
    if asked is not None and match is None:
        raise NoSuchDevice(f"'{asked}' is not a device. Give cpu, or cuda:0 for the first GPU.")
    there = gpus() if gpus_here is None else gpus_here
    if match is None:
        return there, None
    if (index := int(match[1] or 0)) >= len(there):
        chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
        seen = (
            "" if chosen is None or gpus_here is not None else f" (CUDA_VISIBLE_DEVICES={chosen})"
        )
        raise NoSuchDevice(
            f"there is no {asked} here: this machine shows {len(there)} GPU(s){seen}. "
            "Give --device cpu."
        )
    return there, index


def _with_uuid(uuid: str) -> tuple[list[str], int]:
    """The GPUs of this machine by UUID, and the index of this one; raises `NoSuchDevice`."""
    uuids = gpu_uuids()
    if uuid not in uuids:
        known = f" ({', '.join(uuids)})" if uuids else ""
        raise NoSuchDevice(
            f"there is no GPU {uuid} here: this machine shows {len(uuids)} GPU(s){known}."
        )
    return uuids, uuids.index(uuid)

"""Which GPU a worker uses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workers.devices import discovery


def test_parts_of_a_divided_gpu_are_devices_each() -> None:
    """By number, CUDA would show any one part. The listing is NVIDIA's own example."""
    listed = """GPU 0: A100-SXM4-40GB (UUID: GPU-e86cb44c-6756-fd30-cd4a-1e6da3caf9b0)
  MIG 3g.20gb     Device  0: (UUID: MIG-c7384736-a75d-5afc-978f-d2f1294409fd)
  MIG 3g.20gb     Device  1: (UUID: MIG-a28ad590-3fda-56dd-84fc-0a0b96edc58d)
GPU 1: NVIDIA H200 (UUID: GPU-11111111-6756-fd30-cd4a-1e6da3caf9b0)
"""

    assert discovery.listed_gpus(listed) == [
        "MIG-c7384736-a75d-5afc-978f-d2f1294409fd",
        "MIG-a28ad590-3fda-56dd-84fc-0a0b96edc58d",
        "1",
    ]
    assert discovery.listed_gpus("No devices found.\n") == []


def test_a_worker_is_pinned_to_the_device_asked_for() -> None:
    """cuda:1 is the second visible GPU, and the only one its child will see."""
    chosen, lock = discovery.choose_device("cuda:1", 4, gpus_here=["2", "5"])
    assert lock is not None
    lock.close()

    assert chosen.environment()["CUDA_VISIBLE_DEVICES"] == "5"
    assert chosen.environment()["OMP_NUM_THREADS"] == "4"
    assert (chosen.kind, chosen.name) == ("cuda", "cuda:1")


@pytest.mark.parametrize("asked", ["cuda:2", "tpu", "cuda:x", "", "cuda:-1"])
def test_a_device_that_is_not_there_is_refused(asked: str) -> None:
    """The message says what this machine has."""
    with pytest.raises(discovery.NoSuchDevice, match="cpu"):
        discovery.choose_device(asked, 1, gpus_here=["0", "1"])


@pytest.mark.parametrize(("threads", "slots", "each"), [(8, 1, 8), (8, 3, 2), (1, 4, 1)])
def test_slots_share_the_threads_of_a_worker(threads: int, slots: int, each: int) -> None:
    """Each slot has at least one thread."""
    chosen, _ = discovery.choose_device("cpu", threads, slots=slots)

    assert chosen.threads == each
    assert chosen.environment()["OMP_NUM_THREADS"] == str(each)


def test_threads_default_to_half_the_cores_so_that_two_workers_agree() -> None:
    """One worker or two on a machine: the same number of threads, so the same sums."""
    chosen, _ = discovery.choose_device("cpu", None)

    assert chosen.threads == max(1, discovery.available_cores() // 2)


def test_devices_of_one_model_say_the_same_of_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU by its name, a CPU by its name and threads. Parts of a divided GPU have no model."""
    program = tmp_path / "nvidia-smi"
    program.write_text("""#!/bin/sh
case "$*" in
    *--id=[01]*--query-gpu=name*) echo 'NVIDIA H200' ;;
    *) echo 'No devices were found'; exit 6 ;;
esac
""")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = [
        discovery.choose_device(f"cuda:{index}", 1, gpus_here=["0", "1", "MIG-c7384736"])[0]
        for index in range(3)
    ]
    processors = [
        discovery.device_model(discovery.choose_device("cpu", threads)[0]) for threads in (1, 2, 1)
    ]

    assert [discovery.device_model(each) for each in found] == ["NVIDIA H200", "NVIDIA H200", ""]
    assert processors[0] == processors[2] != processors[1]
    assert processors[0].endswith(" x1")

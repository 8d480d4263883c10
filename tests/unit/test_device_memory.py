"""The memory of a device, and what earlier tasks used of it."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from jobs import atomic, plan
from jobs.data.data_source import built_in
from jobs.spec import model
from jobs.store.store import Store
from jobs.task import Task, Trial
from workers.devices import memory
from workers.devices.discovery import Device
from workers.devices.memory import MeasuredMemory

SMI = """#!/bin/sh
test "$1" = --id=1 && test "$2" = --query-gpu=memory.total && echo 40000
"""


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An nvidia-smi that knows one GPU, number 1, of 40,000 MiB."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(SMI)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def gpu(visible: str) -> Device:
    """A GPU as CUDA_VISIBLE_DEVICES names it."""
    return Device("cuda", "cuda:0", visible, 1)


@pytest.mark.usefixtures("smi")
def test_a_gpu_holds_what_nvidia_smi_says_of_it_but_for_a_share() -> None:
    """It is queried by the name that the worker was given; the memory of an unknown one is
    unknown.
    """
    assert memory.total_bytes(gpu("1")) == int(0.95 * 40_000 * 2**20)
    assert memory.total_bytes(gpu("MIG-1f3a")) == 0


def test_a_processor_holds_what_the_machine_has_available_but_for_a_share() -> None:
    """Never more than the machine has."""
    found = memory.total_bytes(Device("cpu", "cpu", "", 1))

    assert 0 < found <= 0.8 * psutil.virtual_memory().total


def test_limits_of_control_groups_of_both_versions_are_heeded(tmp_path: Path) -> None:
    """`max` means no limit."""
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("3000\n")
    (tmp_path / "memory.max").write_text("2000\n")
    both = memory.limits(tmp_path)
    (tmp_path / "memory.max").write_text("max\n")

    assert sorted(both) == [2000, 3000]
    assert memory.limits(tmp_path) == [3000]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store that contains the data set `digits`."""
    return Store(tmp_path / "store").open(create=True)


def trial(store: Store, backbone: str = "scratch", **asked: object) -> Trial:
    """A trial of digits, saved."""
    wanted = model.build({"backbones": [backbone], "periods": 1, **asked})
    source = built_in("digits")
    data = source.data_id(wanted.data_settings())
    store.save_data(data, source, wanted.data_settings())
    (made,) = plan.unfold(wanted, data).trials
    store.save_trial(made, [10], "run")
    return made


def done(store: Store, trial: Trial, epoch: int = 10, device: str = "cpu", **facts: object) -> None:
    """Record a finished training."""
    task = Task("train", trial.name, epoch)
    atomic.create_json(
        store.done_path(task), {"files": [], "epoch": epoch, "device": device, **facts}
    )


def test_what_is_expected_is_the_highest_peak_of_trainings_alike(store: Store) -> None:
    """Same backbone, image size, batch size and precision, any seed; evaluations use no more."""
    first, second = trial(store), trial(store, learning_rate=0.1)
    done(store, first, 10, peak_memory_bytes=500)
    done(store, first, 20, peak_memory_bytes=900)
    measured = MeasuredMemory(store, "cpu")

    assert measured.expected(Task("train", second.name, 10)) == 900
    assert measured.expected(Task("evaluate", second.name, 10)) == 900


@pytest.mark.parametrize(
    "other",
    [
        {"backbone": "squeezenet"},
        {"image_size": 96},
        {"batch_size": 16},
        {"precision": "bf16"},
    ],
    ids=str,
)
def test_what_took_another_network_size_batch_or_precision_says_nothing(
    store: Store, other: dict[str, object]
) -> None:
    """Nothing was measured then."""
    done(store, trial(store), peak_memory_bytes=500)

    assert (
        MeasuredMemory(store, "cpu").expected(Task("train", trial(store, **other).name, 10)) is None
    )  # type: ignore[arg-type]


def test_a_gpu_is_reckoned_with_what_torch_reserved_and_the_context(store: Store) -> None:
    """If only tensors were measured they count a fifth more. CPU memory says nothing about a
    GPU.
    """
    known, old, other = trial(store), trial(store, "squeezenet"), trial(store, "alexnet")
    done(
        store,
        known,
        device="cuda (NVIDIA H200)",
        peak_memory_bytes=5 * 10**9,
        peak_reserved_bytes=7 * 10**9,
    )
    done(store, old, device="cuda (NVIDIA H200)", peak_memory_bytes=5 * 10**9)
    done(store, other, device="cpu", peak_memory_bytes=5 * 10**9)
    measured = MeasuredMemory(store, "cuda")
    expected = [measured.expected(Task("train", each.name, 10)) for each in (known, old, other)]

    assert expected == [7 * 10**9 + 2**30, 6 * 10**9 + 2**30, None]


def test_preparing_images_takes_nothing_of_a_gpu_and_an_unknown_part_of_a_machine(
    store: Store,
) -> None:
    """So on a CPU it starts exclusively."""
    task = Task("prepare", trial(store).data)

    assert (
        MeasuredMemory(store, "cuda").expected(task),
        MeasuredMemory(store, "cpu").expected(task),
    ) == (0, None)


def test_records_that_are_torn_or_of_trials_that_are_gone_measure_nothing(store: Store) -> None:
    """They do not prevent others from being read either."""
    whole = trial(store)
    done(store, whole, 10, peak_memory_bytes=500)
    store.done_path(Task("train", whole.name, 20)).write_text('{"pea')
    gone = Task("train", "scratch-s9-00000000", 10)
    atomic.create_json(store.done_path(gone), {"device": "cpu", "peak_memory_bytes": 9000})

    assert MeasuredMemory(store, "cpu").expected(Task("train", whole.name, 10)) == 500

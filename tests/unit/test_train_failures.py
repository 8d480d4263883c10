"""How a training fails: each error has its own class, and says what to change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from support.learning import Laboratory  # noqa: E402
from support.noise_laboratories import noise_laboratories  # noqa: E402

from jobs.errors import (  # noqa: E402
    BadWeights,
    Crowded,
    DeviceFailed,
    LossNotFinite,
    MissingWeights,
    OutOfMemory,
)
from jobs.task import Task  # noqa: E402
from models import entrypoint  # noqa: E402
from models.checkpoints.files import listed  # noqa: E402
from models.runtime.device import explained  # noqa: E402
from models.runtime.out_of_memory import out_of_memory  # noqa: E402

RECIPE: dict[str, Any] = {"batch_size": 8, "learning_rate": 0.05, "plateau_patience": 0}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Laboratory]:
    """Makes laboratories of their own, each with the data set prepared."""
    return noise_laboratories(tmp_path_factory)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Resets torch to one thread, whatever a trial used."""
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(1)


def test_a_diverging_trial_fails_with_a_message_that_says_when(
    prepared: Callable[[], Laboratory],
) -> None:
    """Not with a table full of NaN."""
    laboratory = prepared()
    trial = laboratory.trial("scratch", [3], batch_size=8, learning_rate=1e30)
    with pytest.raises(
        LossNotFinite, match=r"epoch \d, step \d+, at learning rate 1e\+30|after epoch"
    ):
        laboratory.train(trial, 3)


def test_missing_weights_name_the_file_before_anything_is_recorded(
    prepared: Callable[[], Laboratory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the address does not answer, the message says which file to provide."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    laboratory = prepared()
    laboratory.weights_dir = tmp_path
    trial = laboratory.trial("squeezenet", [1], weights="imagenet", **RECIPE)
    with pytest.raises(MissingWeights, match=r"squeezenet1_0\.pth"):
        laboratory.train(trial, 1)

    assert not (laboratory.store.trial_folder(trial) / "numerics.json").exists()


def test_a_trial_begun_from_one_weights_file_is_not_begun_again_from_another(
    prepared: Callable[[], Laboratory], tmp_path: Path
) -> None:
    """A wrong file is refused and leaves no trace; a different right one is refused once the trial
    is on record.
    """
    torchvision = pytest.importorskip("torchvision")
    laboratory, file = prepared(), tmp_path / "squeezenet1_0.pth"
    laboratory.weights_dir = tmp_path
    trial = laboratory.trial("squeezenet", [1], weights="imagenet", **RECIPE)
    file.write_bytes(b"wrong")
    with pytest.raises(BadWeights, match="not a weights file"):
        laboratory.train(trial, 1)
    torch.save(torchvision.models.squeezenet1_0().state_dict(), file)
    laboratory.train(trial, 1)
    for found in listed(laboratory.store.trial_folder(trial) / "checkpoints"):
        found.path.unlink()
    laboratory.store.done_path(Task("train", trial, 1)).unlink()
    torch.save(torchvision.models.squeezenet1_0().state_dict(), file)
    with pytest.raises(BadWeights, match="is not the file that this trial started with"):
        laboratory.train(trial, 1)


def test_running_out_of_memory_is_recognised() -> None:
    """The machine's, the device's, and torch's own on the CPU; no other errors."""
    found = [
        out_of_memory(MemoryError()),
        out_of_memory(torch.OutOfMemoryError("CUDA out of memory")),
        out_of_memory(
            RuntimeError(
                "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
            )
        ),
    ]
    engine = "GET was unable to find an engine to execute this computation"

    assert all(isinstance(each, OutOfMemory) and "--batch-size" in str(each) for each in found)
    assert all(
        type(out_of_memory(RuntimeError(words))) is OutOfMemory
        for words in (
            "CUDA error: out of memory",
            "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
            "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        )
    )
    assert isinstance(out_of_memory(RuntimeError(engine), alone=False), Crowded)
    assert out_of_memory(RuntimeError(engine)) is None
    assert out_of_memory(RuntimeError("another matter")) is None


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("CUDA error: uncorrectable ECC error encountered"),
        RuntimeError("No CUDA GPUs are available"),
        RuntimeError(
            "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU"
        ),
        AssertionError("Torch not compiled with CUDA enabled"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    ],
)
def test_a_gpu_that_fails_is_no_bug_of_the_work(
    prepared: Callable[[], Laboratory], error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is reported as such and retried; a bug stays a bug."""

    def fail(*_: Any) -> Any:
        raise error

    laboratory = prepared()
    trial = laboratory.trial("squeezenet", [1], **RECIPE)
    monkeypatch.setattr(entrypoint, "train", fail)
    with pytest.raises(DeviceFailed, match="cannot be used") as caught:
        entrypoint.main(
            laboratory.order(Task("train", trial, 1)).as_dict(),
            laboratory.told.append,
            lambda: False,
        )

    assert caught.value.retry
    assert explained(AssertionError("a wrong turn")) is None


def test_a_batch_that_does_not_fit_into_memory_fails_as_such(
    prepared: Callable[[], Laboratory],
) -> None:
    """Out of memory in torch reaches the worker as `OutOfMemory`."""
    laboratory = prepared()
    trial = laboratory.trial("squeezenet", [1], **RECIPE)
    order = laboratory.order(Task("train", trial, 1)).as_dict()

    def greedy(message: dict[str, Any]) -> None:
        torch.empty(1 << 60, dtype=torch.uint8)

    with pytest.raises(OutOfMemory, match="out of memory"):
        entrypoint.main(order, greedy, lambda: False)

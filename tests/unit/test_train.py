"""A trial is a line of epochs: however it is divided, stopped and resumed, it is the same bit for
bit.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from support.learning import Laboratory, stop_after  # noqa: E402

from jobs.errors import (  # noqa: E402
    BadWeights,
    Crowded,
    DeviceFailed,
    LossNotFinite,
    MissingWeights,
    OutOfMemory,
    Stopped,
)
from jobs.store import tables  # noqa: E402
from jobs.task import Task  # noqa: E402
from models import entrypoint  # noqa: E402
from models.checkpoints.files import listed  # noqa: E402
from models.runtime.device import choose_precision, explained, out_of_memory  # noqa: E402

TIMES = ("seconds", "images_per_second", "period")
RECIPE: dict[str, Any] = {"batch_size": 8, "learning_rate": 0.05, "plateau_patience": 0}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Laboratory]:
    """Creates laboratories on copies of one prepared data set of 32 pixels."""
    import numpy as np
    from PIL import Image

    images = tmp_path_factory.mktemp("data") / "noise"
    rng = np.random.default_rng(1)
    for label in "abc":
        (images / label).mkdir(parents=True)
        for number in range(20):
            Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(
                images / label / f"{number}.png"
            )

    def make() -> Laboratory:
        laboratory = Laboratory.of(tmp_path_factory.mktemp("store"), images, image_size=32)
        laboratory.prepare()
        return laboratory

    return make


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Resets torch to one thread, whatever a trial used."""
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(1)


def rows_of(laboratory: Laboratory, trial: str) -> list[dict[str, Any]]:
    """The trial's published rows of epochs without their times."""
    rows = tables.read_rows(laboratory.store.root, "epochs", [trial]).sort_by("epoch").to_pylist()
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]


@pytest.fixture(scope="module")
def straight(
    prepared: Callable[[], Laboratory],
) -> Callable[[str, str], tuple[str, list[dict[str, Any]]]]:
    """The checksum and rows of six epochs trained without a stop, once for each network and
    precision.
    """
    laboratory = prepared()
    known: dict[tuple[str, str], tuple[str, list[dict[str, Any]]]] = {}

    def get(backbone: str, precision: str) -> tuple[str, list[dict[str, Any]]]:
        if (backbone, precision) not in known:
            trial = laboratory.trial(backbone, [6], precision=precision, **RECIPE)
            digest = laboratory.train(trial, 6)["weights_digest"]
            known[backbone, precision] = digest, rows_of(laboratory, trial)
        return known[backbone, precision]

    return get


BOTH = pytest.mark.parametrize(
    ("backbone", "precision"),
    [("scratch", "bf16"), ("squeezenet", "fp32")],
)


@BOTH
def test_three_periods_of_two_epochs_are_one_of_six(
    prepared: Callable[[], Laboratory], straight: Any, backbone: str, precision: str
) -> None:
    """Weights and all rows except times, each period resumed from files, across a reduction of the
    learning rate.
    """
    laboratory = prepared()
    trial = laboratory.trial(backbone, [2, 4, 6], precision=precision, **RECIPE)
    outcomes = [laboratory.train(trial, epoch, period=epoch // 2) for epoch in (2, 4, 6)]
    digest, rows = straight(backbone, precision)

    assert outcomes[-1]["weights_digest"] == digest
    assert rows_of(laboratory, trial) == rows
    assert len({row["learning_rate"] for row in rows}) > 1


@BOTH
def test_a_trial_stopped_in_mid_epoch_again_and_again_is_the_same(
    prepared: Callable[[], Laboratory], straight: Any, backbone: str, precision: str
) -> None:
    """Every attempt gets four more calls of `should_stop`; steps, validations and epochs are
    interrupted anywhere.
    """
    laboratory = prepared()
    trial, stops, outcome = laboratory.trial(backbone, [6], precision=precision, **RECIPE), 0, None
    while outcome is None:
        try:
            outcome = laboratory.train(trial, 6, should_stop=stop_after(4))
        except Stopped:
            stops += 1
    digest, rows = straight(backbone, precision)

    assert stops >= 6
    assert outcome["weights_digest"] == digest
    assert rows_of(laboratory, trial) == rows


class Killed(BaseException):
    """Like SIGKILL, but as an exception: nothing is saved."""


@BOTH
def test_a_trial_killed_in_mid_epoch_goes_on_from_the_middle_and_is_the_same(
    prepared: Callable[[], Laboratory], straight: Any, backbone: str, precision: str
) -> None:
    """Checkpoints by time: the second attempt resumes within the epoch, not at its start."""
    laboratory = prepared()
    trial = laboratory.trial(backbone, [6], precision=precision, **RECIPE)
    folder = laboratory.store.trial_folder(trial) / "checkpoints"

    def struck() -> bool:
        time.sleep(0.2)
        if any(found.step for found in listed(folder)):
            raise Killed
        return False

    with pytest.raises(Killed):
        laboratory.train(trial, 6, should_stop=struck, checkpoint_every_s=0.0)
    middle = max(listed(folder))
    laboratory.told.clear()
    outcome = laboratory.train(trial, 6, checkpoint_every_s=None)
    first = next(told for told in laboratory.told if told["phase"] == "train")
    digest, rows = straight(backbone, precision)

    assert middle.step > 0
    assert first["epoch"] == middle.epoch + 1
    assert outcome["weights_digest"] == digest
    assert rows_of(laboratory, trial) == rows
    assert not any(found.step for found in listed(folder))


def test_checkpoints_within_an_epoch_are_made_by_time_and_only_when_asked_for(
    prepared: Callable[[], Laboratory],
) -> None:
    """With `never` none, with an hour none in a short epoch, with an interval of 0 s some."""
    made: dict[float | None, int] = {}
    for every_s in (None, 3600.0, 0.0):
        laboratory = prepared()
        trial, steps = laboratory.trial("squeezenet", [1], **RECIPE), set[int]()

        def look(
            trial: str = trial, laboratory: Laboratory = laboratory, steps: set[int] = steps
        ) -> bool:
            time.sleep(0.15)
            steps |= {
                found.step for found in listed(laboratory.store.trial_folder(trial) / "checkpoints")
            }
            return False

        laboratory.train(trial, 1, should_stop=look, checkpoint_every_s=every_s)
        made[every_s] = len(steps - {0})

    assert made[None] == made[3600.0] == 0
    assert made[0.0] >= 1


def in_a_process_of_its_own(order: dict[str, Any], answers: Any) -> None:
    """What a worker's child does."""
    answers.put(entrypoint.main(order, lambda message: None, lambda: False))


def test_fresh_processes_give_the_same_too(
    prepared: Callable[[], Laboratory], straight: Any
) -> None:
    """Nothing in the memory of a process is needed by the next one."""
    laboratory, context = prepared(), multiprocessing.get_context("spawn")
    trial = laboratory.trial("squeezenet", [3, 6], precision="bf16", **RECIPE)
    for epoch in (3, 6):
        task = Task("train", trial, epoch)
        order, answers = laboratory.order(task), context.Queue()
        child = context.Process(target=in_a_process_of_its_own, args=(order.as_dict(), answers))
        child.start()
        outcome = answers.get(timeout=120)
        child.join(30)
        laboratory.store.publish(task, outcome, Path(order.work_folder), lambda: True)
    digest, rows = straight("squeezenet", "bf16")

    assert outcome["weights_digest"] == digest
    assert rows_of(laboratory, trial) == rows


def test_a_rotten_newest_checkpoint_costs_an_epoch_and_changes_nothing(
    prepared: Callable[[], Laboratory], straight: Any
) -> None:
    """The previous one is used, and the trial continues as it would have."""
    laboratory = prepared()
    trial = laboratory.trial("squeezenet", [4, 6], precision="fp32", **RECIPE)
    path = laboratory.store.root / laboratory.train(trial, 4)["checkpoint"]
    path.write_bytes(path.read_bytes()[:-1000])
    outcome = laboratory.train(trial, 6)
    digest, rows = straight("squeezenet", "fp32")

    assert outcome["weights_digest"] == digest
    assert rows_of(laboratory, trial) == rows


def test_a_mark_added_later_is_reached_without_touching_what_is_there(
    prepared: Callable[[], Laboratory], straight: Any
) -> None:
    """A second run needs epoch 3 of a trial trained to 6: the same trial, and no row is published
    twice.
    """
    laboratory = prepared()
    trial = laboratory.trial("squeezenet", [6], precision="fp32", **RECIPE)
    laboratory.train(trial, 6)
    laboratory.trial("squeezenet", [3, 6], precision="fp32", **RECIPE)
    early = laboratory.train(trial, 3)
    laboratory.evaluate(trial, 3)
    laboratory.evaluate(trial, 6)

    assert early["files"] == {}
    assert early["weights_digest"] != straight("squeezenet", "fp32")[0]
    assert rows_of(laboratory, trial) == straight("squeezenet", "fp32")[1]


def test_another_seed_is_another_trial(prepared: Callable[[], Laboratory]) -> None:
    """Other initial weights, other order, other results."""
    laboratory = prepared()
    digests = {
        laboratory.train(laboratory.trial("squeezenet", [1], seed=seed, **RECIPE), 1)[
            "weights_digest"
        ]
        for seed in (0, 1)
    }

    assert len(digests) == 2


def test_the_outcome_says_what_was_done_and_where_it_lies(
    prepared: Callable[[], Laboratory],
) -> None:
    """Facts, one file of rows, a checkpoint that exists, times of this period only."""
    laboratory = prepared()
    trial = laboratory.trial("squeezenet", [1, 3], precision="bf16", **RECIPE)
    laboratory.train(trial, 1)
    outcome = laboratory.train(trial, 3, period=2)
    rows = tables.read_rows(laboratory.store.root, "epochs", [trial]).sort_by("epoch").to_pylist()

    assert list(outcome["files"]) == ["epochs-0002-0003.parquet"]
    assert (outcome["epoch"], outcome["precision"], outcome["threads"], outcome["device"]) == (
        3,
        "bf16",
        1,
        "cpu",
    )
    assert (laboratory.store.root / outcome["checkpoint"]).is_file()
    assert outcome["seconds"] == pytest.approx(rows[1]["seconds"] + rows[2]["seconds"])
    assert [row["period"] for row in rows] == [1, 2, 2]
    assert all(row["images_per_second"] > 0 and 0 <= row["val_accuracy"] <= 1 for row in rows)


def test_old_checkpoints_go_and_marks_stay(prepared: Callable[[], Laboratory]) -> None:
    """After five epochs with a target epoch at 2: that one and the newest two."""
    laboratory = prepared()
    trial = laboratory.trial("squeezenet", [2, 5], **RECIPE)
    laboratory.train(trial, 2)
    laboratory.train(trial, 5)
    kept = sorted(
        found.epoch for found in listed(laboratory.store.trial_folder(trial) / "checkpoints")
    )

    assert kept == [2, 4, 5]


def test_precision_and_threads_of_the_first_attempt_are_kept(
    prepared: Callable[[], Laboratory],
) -> None:
    """A later attempt on a machine with more threads uses the recorded number."""
    laboratory = prepared()
    trial = laboratory.trial("squeezenet", [1], precision="auto", **RECIPE)
    numerics = laboratory.store.trial_folder(trial) / "numerics.json"
    numerics.write_text(
        json.dumps({"precision": "bf16", "threads": 2, "device": "cpu", "weights_sha256": None})
    )
    outcome = laboratory.train(trial, 1)

    assert (outcome["precision"], outcome["threads"]) == ("bf16", 2)


def test_progress_is_told_of_every_phase(prepared: Callable[[], Laboratory]) -> None:
    """Epoch of epochs, images of images, loss, speed and the time left."""
    laboratory = prepared()
    laboratory.train(laboratory.trial("squeezenet", [2], **RECIPE), 2)
    training = [told for told in laboratory.told if told["phase"] == "train"]
    last = [told for told in laboratory.told if told["phase"] == "validate"][-1]

    assert {told["epoch"] for told in training} == {1, 2}
    assert training[-1].keys() >= {"done", "total", "epochs", "loss", "images_per_second", "eta_s"}
    assert (last["done"], last["total"], last["epochs"]) == (6, 6, 2)


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
    """A wrong file is rejected and leaves no trace; another valid one is rejected once the trial is
    recorded.
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


def test_automatic_precision_follows_the_hardware_and_a_wish_is_a_wish() -> None:
    """bf16 on a CPU that multiplies it fast, else fp32; a requested precision is used."""
    cpu = torch.device("cpu")
    flags = Path("/proc/cpuinfo").read_text()
    fast = "amx_bf16" in flags or "avx512_bf16" in flags

    assert choose_precision("auto", cpu, "resnet34") == ("bf16" if fast else "fp32")
    assert choose_precision("fp32", cpu, "resnet34") == "fp32"
    assert choose_precision("bf16", cpu, "mobilenet-v3") == "bf16"


def test_depthwise_convolutions_stay_in_float32_on_a_processor() -> None:
    """They are slower in bf16 on every CPU that was measured."""
    assert choose_precision("auto", torch.device("cpu"), "mobilenet-v3") == "fp32"


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

    with pytest.raises(OutOfMemory, match="too little memory"):
        entrypoint.main(order, greedy, lambda: False)

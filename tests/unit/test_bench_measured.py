"""A benchmark measures the trained network itself, and compares its answers on every test image."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")
for package in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(package, reason=f"{package} is not installed (extra 'bench')")

from PIL import Image  # noqa: E402
from support.exported_networks import OWN, SIZE  # noqa: E402
from support.learning import Laboratory  # noqa: E402

from jobs.benchmark import Way  # noqa: E402
from jobs.data import sources  # noqa: E402
from jobs.errors import Stopped  # noqa: E402
from jobs.install_hints import HOME  # noqa: E402
from jobs.spec import model  # noqa: E402
from jobs.store import marks  # noqa: E402
from jobs.store.store import Store  # noqa: E402
from jobs.task import Task  # noqa: E402
from models.bench.bench import QUICK  # noqa: E402
from models.bench.latency import Latency, LatencyRequest  # noqa: E402
from models.data.batches import Data  # noqa: E402
from models.evaluation import restore  # noqa: E402
from models.export import onnx_file, parity, quantise  # noqa: E402
from models.networks import of_trial  # noqa: E402
from orchestrator.analysis import benchmarks  # noqa: E402
from orchestrator.submission.run_creation import create_run  # noqa: E402

HOST = "here"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Laboratory, str]:
    """A tiny network of one's own, trained for an epoch on 90 images of three classes."""
    folder, rng = tmp_path_factory.mktemp("bench"), np.random.default_rng(1)
    for number, label in enumerate(("ape", "bear", "cat")):
        (folder / "animals" / label).mkdir(parents=True)
        for image in range(30):
            pixels = rng.integers(40 * number, 150 + 40 * number, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "animals" / label / f"{image:03d}.png")
    (folder / "nets.py").write_text(OWN)
    asked = {"data": str(folder / "animals"), "periods": 1, "epochs_per_period": 1}
    asked |= {"backbones": [{"name": f"{folder}/nets.py:make", **SIZE}], "batch_size": 8}
    asked |= {"precision": "fp32", "weights": "none", "name": "study"}
    spec = model.build(asked)
    store = Store(folder / "store").open(create=True)
    run = create_run(store, spec, sources.read(spec))
    laboratory = Laboratory(store, run.data)
    laboratory.do(Task("prepare", run.data))
    laboratory.train(run.trials[0], 1)
    laboratory.evaluate(run.trials[0], 1)
    return laboratory, run.trials[0]


def task_of(laboratory: Laboratory, trial: str, runtime: Any) -> Task:
    """A benchmark that is wanted."""
    task = Task("bench", trial, 1, way=Way(runtime, 1, HOST))
    marks.mark(laboratory.store, [task])
    return task


@pytest.mark.long
def test_each_runtime_is_measured_and_compared(
    trained: tuple[Laboratory, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The counts are those of the runtimes' answers, asked again here."""
    laboratory, trial = trained
    monkeypatch.setenv(QUICK, "1")
    for runtime in ("torch", "onnx", "int8"):
        laboratory.do(task_of(laboratory, trial, runtime))
    run = laboratory.store.load_run("study")

    by = {one.runtime: one for one in benchmarks.of_run(laboratory.store, run)}

    evaluated = laboratory.store.done(Task("evaluate", trial, 1))
    trained_in = laboratory.store.done(Task("train", trial, 1))
    assert evaluated is not None
    assert trained_in is not None
    for one in by.values():
        assert [each.batch for each in one.latencies] == [1, 32]
        for each in one.latencies:
            assert each.runs >= 20
            assert each.p95_ms is not None
            assert 0 < each.p50_ms <= each.p95_ms
            assert each.images_per_second == pytest.approx(1000 * each.batch / each.p50_ms)
            assert each.peak_memory_bytes > 2**24
        assert one.images == evaluated.total
        assert one.float32_accuracy == evaluated.accuracy
        assert one.evaluated is not None
        assert one.evaluated.precision == trained_in.precision
        assert one.evaluated.accuracy == evaluated.accuracy
        assert one.evaluated.differing == 0
        assert one.same_answers == one.images - len(one.changed)
        assert round(one.images * one.difference) == one.only_this - one.only_float32
    assert by["onnx"].changed == ()
    assert by["onnx"].latencies[0].peak_memory_bytes < by["torch"].latencies[0].peak_memory_bytes
    assert by["onnx"].calibration_images is None
    assert by["int8"].max_score_difference > by["onnx"].max_score_difference > 0
    assert by["torch"].max_score_difference == 0


def test_ranges_of_8_bit_numbers_come_from_training_images(
    trained: tuple[Laboratory, str], tmp_path: Path
) -> None:
    """None is a test image; 8-bit weights are smaller, and any number of images is answered."""
    import onnx

    laboratory, trial = trained
    store = laboratory.store
    data = Data.load(store, store.load_trial(trial).data)
    by = of_trial.normalisation_of(store.load_trial(trial))
    network = restore.learner(store, Task("train", trial, 1), 3, "cpu").network
    onnx_file.write(network, data.image_side, tmp_path / "a.onnx")

    images = quantise.write(network, tmp_path / "b.onnx", data, by)
    chosen = quantise.calibration_images(data)
    answer, test = onnx_file.answer(tmp_path / "b.onnx"), data.splits["test"]
    scores = np.concatenate([answer(batch) for batch in parity.batches(data, test, by)])

    assert images == len(chosen) == len(set(chosen.tolist()))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.onnx", "b.onnx"]
    assert set(chosen.tolist()) <= set(data.splits["train"].tolist())
    exact, eighth = (onnx.load(tmp_path / name).graph.initializer for name in ("a.onnx", "b.onnx"))
    assert onnx.TensorProto.INT8 in {each.data_type for each in eighth}
    assert sum(each.ByteSize() for each in eighth) < sum(each.ByteSize() for each in exact)
    assert scores.shape == (len(test), 3)


def test_a_stopped_benchmark_leaves_no_process(trained: tuple[Laboratory, str]) -> None:
    """It publishes nothing, and begins again later."""
    laboratory, trial = trained
    task = Task("bench", trial, 1, way=Way("torch", 2, HOST))
    marks.mark(laboratory.store, [task])

    with pytest.raises(Stopped):
        laboratory.do(task, should_stop=lambda: True)

    assert not laboratory.store.is_done(task)
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    commands = [Path(f"/proc/{child}/cmdline").read_bytes() for child in children]
    assert not [each for each in commands if b"models.bench.latency" in each]


def test_the_measuring_process_ends_with_its_parent(tmp_path: Path) -> None:
    """A worker that is killed leaves nothing behind that would disturb others."""
    request = LatencyRequest("onnx", (1,), 1, (3, 8, 8), 2, file=str(tmp_path / "pipe"))
    os.mkfifo(tmp_path / "pipe")  # reading it blocks for ever
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys; p = subprocess.Popen([sys.executable, '-m', "
            "'models.bench.latency'], stdin=subprocess.PIPE, text=True); "
            f"p.stdin.write({json.dumps(asdict(request))!r} + chr(10)); p.stdin.flush(); "
            "print(p.pid, flush=True); p.wait()",
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=HOME,
    )
    assert parent.stdout is not None
    probe = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()

    until = time.monotonic() + 20
    while _lives(probe) and time.monotonic() < until:
        time.sleep(0.05)

    assert not _lives(probe)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_tail_needs_twenty_runs() -> None:
    """The 95th percentile of fewer is not told."""
    few = Latency(1, (0.1,) * 19, 1, 0.0)
    enough = Latency(1, (*(0.1,) * 19, 0.2), 1, 0.0)

    assert few.quantile_ms(0.95) is None
    assert few.quantile_ms(0.5) == pytest.approx(100)
    assert enough.quantile_ms(0.95) == pytest.approx(
        1000 * float(np.quantile(enough.seconds, 0.95))
    )

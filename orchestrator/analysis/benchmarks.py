"""What was measured of each network on a machine: latency, memory, size, and its answers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.benchmark import RUNTIMES, Runtime
from jobs.statistics.interval import Interval
from jobs.statistics.mcnemar import mcnemar
from orchestrator.analysis.spreads import Z95

if TYPE_CHECKING:
    import pyarrow as pa

    from jobs.store.runs import Run
    from jobs.store.store import Store

DISTURBED = 0.25
"""Processors used by other processes from which on a measurement counts as disturbed."""
ONE, MANY = 1, 32


@dataclass(frozen=True, slots=True)
class BatchLatency:
    """Milliseconds for one batch over so many runs; `p95_ms` is None after fewer than 20.

    `peak_memory_bytes` is that of the process, and `others_load` the processors that others used.
    """

    batch: int
    runs: int
    p50_ms: float
    p95_ms: float | None
    images_per_second: float
    peak_memory_bytes: int
    others_load: float


@dataclass(frozen=True, slots=True)
class ChangedAnswer:
    """A test image that a runtime answers otherwise than torch in float32.

    `margin` is by how much torch's score of its own answer is higher.
    """

    image: str
    label: str
    float32: str
    predicted: str
    margin: float


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The accuracy of the run's own evaluation, its precision, and the images answered otherwise.

    `differing` counts the test images that torch in float32 answers otherwise.
    """

    precision: str | None
    accuracy: float
    differing: int


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A network by one runtime on one machine, and its answers on `images` test images.

    `accuracy` is the runtime's and `float32_accuracy` torch's in float32; `only_float32` images are
    right for torch alone, `only_this` for the runtime alone. `interval` is that of the difference,
    `p` McNemar's exact p-value. `latencies` are by batch size; `weights_licence` is as timm says.
    `evaluated` is the run's own evaluation beside float32; None where that was not recorded.
    """

    backbone: str
    trial: str
    seed: int
    epoch: int
    runtime: Runtime
    threads: int
    host: str
    device: str
    processor: str
    runtime_version: str
    size_bytes: int
    latencies: tuple[BatchLatency, ...]
    images: int
    accuracy: float
    float32_accuracy: float
    only_float32: int
    only_this: int
    same_answers: int
    max_score_difference: float
    calibration_images: int | None
    weight_bits: int | None
    weights_licence: str | None
    interval: Interval
    p: float
    changed: tuple[ChangedAnswer, ...]
    evaluated: Evaluated | None = None

    @property
    def difference(self) -> float:
        """The runtime's accuracy minus that of float32."""
        return self.accuracy - self.float32_accuracy

    @property
    def disturbed(self) -> bool:
        """Whether other processes used the machine meanwhile."""
        return any(each.others_load >= DISTURBED for each in self.latencies)

    @property
    def where(self) -> tuple[str, int, str]:
        """What latencies can only be compared within: the host, the threads, and the device.

        A GPU's latencies are not ranked against those of ONNX Runtime, which uses the processor.
        """
        return self.host, self.threads, self.device

    @property
    def latency_ms(self) -> float | None:
        """The latency that counts: 95 of 100 single images are answered within it.

        After fewer than 20 runs it is the median.
        """
        single = self.at(ONE)
        return None if single is None else single.p50_ms if single.p95_ms is None else single.p95_ms

    def at(self, batch: int) -> BatchLatency | None:
        """The latency of a batch size; None if it was not measured."""
        return next((each for each in self.latencies if each.batch == batch), None)


def of_run(store: Store, run: Run) -> tuple[Benchmark, ...]:
    """All benchmarks of a run's trials."""
    from jobs import plan
    from jobs.store import tables

    labels = {name: plan.label_of(run.spec, store.load_trial(name)) for name in run.trials}
    rows = tables.read_rows(store.root, "benchmarks", run.trials)
    differences = tables.read_rows(store.root, "benchmark_differences", run.trials)
    return read_benchmarks(rows, differences, labels, run.spec.epochs)


def read_benchmarks(
    rows: pa.Table, differences: pa.Table, labels: Mapping[str, str], last_epoch: int
) -> tuple[Benchmark, ...]:
    """The benchmarks of a run's trials up to an epoch: each trial's newest, by host and runtime.

    `labels` are the networks of the trials.
    """
    grouped: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows.to_pylist():
        if row["trial"] in labels and row["epoch"] <= last_epoch:
            grouped.setdefault((row["trial"], *_way(row), row["epoch"]), []).append(row)
    newest = {key[:-1]: group for key, group in sorted(grouped.items())}
    changed: dict[tuple[Any, ...], list[ChangedAnswer]] = {}
    for row in differences.to_pylist():
        changed.setdefault((row["trial"], *_way(row), row["epoch"]), []).append(_changed(row))
    made = [
        _benchmark(labels[group[0]["trial"]], group, changed.get((*key, group[0]["epoch"]), []))
        for key, group in newest.items()
    ]
    order = list(dict.fromkeys(labels.values()))
    return tuple(
        sorted(
            made,
            key=lambda one: (
                one.host,
                one.threads,
                order.index(one.backbone),
                one.seed,
                RUNTIMES.index(one.runtime),
            ),
        )
    )


def paired_interval(only_first: int, only_second: int, images: int) -> Interval:
    """The 95% interval of a difference between two shares of the same images.

    Agresti and Min 2005 (Statistics in Medicine 24:729-740): Wald's interval after 0.5 is added to
    each of the four counts.
    """
    first, second, total = only_first + 0.5, only_second + 0.5, images + 2
    middle = (first - second) / total
    half = Z95 * math.sqrt(first + second - (first - second) ** 2 / total) / total
    return Interval(max(-1.0, middle - half), min(1.0, middle + half))


def _way(row: Mapping[str, Any]) -> tuple[str, int, str]:
    return row["host"], row["threads"], row["runtime"]


def _changed(row: Mapping[str, Any]) -> ChangedAnswer:
    return ChangedAnswer(
        row["image"],
        row["label"],
        row["float32_predicted"],
        row["predicted"],
        row["float32_margin"],
    )


def _benchmark(label: str, rows: list[dict[str, Any]], changed: list[ChangedAnswer]) -> Benchmark:
    one = rows[0]
    batches = {row["batch"]: _latency(row) for row in rows}
    images, lost, won = one["total"], one["only_float32_correct"], one["only_this_correct"]
    return Benchmark(
        backbone=label,
        trial=one["trial"],
        seed=one["seed"],
        epoch=one["epoch"],
        runtime=one["runtime"],
        threads=one["threads"],
        host=one["host"],
        device=one["device"],
        processor=one["processor"],
        runtime_version=one["runtime_version"],
        size_bytes=one["size_bytes"],
        latencies=tuple(batches[batch] for batch in sorted(batches)),
        images=images,
        accuracy=one["correct"] / images,
        float32_accuracy=one["float32_correct"] / images,
        only_float32=lost,
        only_this=won,
        same_answers=one["same_answers"],
        max_score_difference=one["max_score_difference"],
        calibration_images=one["calibration_images"],
        weight_bits=one["weight_bits"],
        weights_licence=one["weights_licence"],
        interval=paired_interval(won, lost, images),
        p=mcnemar(lost, won),
        changed=tuple(changed),
        evaluated=_evaluated(one),
    )


def _evaluated(row: Mapping[str, Any]) -> Evaluated | None:
    same, correct, images = (
        row["evaluation_same_answers"],
        row["evaluation_correct"],
        row["total"],
    )
    if same is None or correct is None:
        return None
    return Evaluated(row["evaluation_precision"], correct / images, images - same)


def _latency(row: Mapping[str, Any]) -> BatchLatency:
    names = BatchLatency.__dataclass_fields__
    return BatchLatency(**{name: row[name] for name in names})

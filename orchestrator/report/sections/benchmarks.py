"""Section: what `orch bench` measured of each network and runtime."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.analysis.benchmarks import MANY, ONE, Benchmark
from orchestrator.report.decision_words import megabytes, milliseconds
from orchestrator.report.rendering import wording
from orchestrator.report.rendering.elements import Cell, Content, Heading, Part, Table, Text
from orchestrator.report.report_data import ReportData

MAX_CHANGED = 40
MAX_NAMED = 8
HEAD = (
    "Network",
    "Runtime",
    "1 image (median)",
    "95% within",
    "32 images (median)",
    "95% within",
    "Images/s",
    "Peak memory",
    "Size",
)
CALLED = {"torch": "torch", "onnx": "ONNX", "int8": "ONNX int8"}


def section(report: ReportData) -> Content | None:
    """A table for each machine and number of threads; None without benchmarks."""
    done = report.run_data.benchmarks
    if not done:
        return None
    parts: list[Part] = []
    for number, where in enumerate(dict.fromkeys(one.where for one in done), 1):
        group = [one for one in done if one.where == where]
        parts += [Heading(_where(group[0])), *_cautions(group), _latencies(number, group)]
        parts += _answers(number, group)
    lead = (
        "Each network (one seed of it) alone, in a process of its own, which takes normalised "
        "images and gives scores, by torch or by ONNX Runtime (ONNX). Images/s are those of 32 at "
        "a time. Peak memory is that of the whole process, with its libraries. Answers on all test "
        f"images are compared with torch’s in float32 (fp32). {_precisions(done)}"
    )
    return Content(lead, tuple(parts))


def _precisions(done: Sequence[Benchmark]) -> str:
    """Why accuracies here may differ from those of the other tables."""
    told = [
        f"{wording.title(one.backbone)} {wording.percent(one.evaluated.accuracy)} in "
        f"{one.evaluated.precision or 'unknown precision'}, here "
        f"{wording.percent(one.float32_accuracy)}, with "
        f"{one.evaluated.differing:,} of {wording.count(one.images, 'image')} answered otherwise"
        for one in {each.backbone: each for each in done if each.evaluated}.values()
        if one.evaluated
    ]
    more = len(told) - MAX_NAMED
    told = [*told[:MAX_NAMED], f"{more} more networks"] if more > 0 else told
    if not told:
        return "The run’s own evaluation may have used bfloat16 (bf16) and differ by a few images."
    return (
        "The other tables have the run’s own evaluation, in the precision of the training "
        f"(of the seed that is benchmarked): {'; '.join(told)}."
    )


def _where(one: Benchmark) -> str:
    gpu = "" if one.device == "cpu" else f", torch on {one.device}"
    return f"{one.processor}{gpu}, {wording.count(one.threads, 'thread')} (host {one.host})"


def _cautions(group: Sequence[Benchmark]) -> list[Text]:
    disturbed = list(dict.fromkeys(wording.title(one.backbone) for one in group if one.disturbed))
    if not disturbed:
        return []
    load = max(each.others_load for one in group for each in one.latencies)
    return [
        Text(
            f"Caution: other processes used up to {load:.1f} processors while "
            f"{wording.listed(disturbed)} {'was' if len(disturbed) == 1 else 'were'} measured. "
            "Latencies, above all those of the slowest runs, are too high."
        )
    ]


def _latencies(number: int, group: Sequence[Benchmark]) -> Table:
    rows = tuple(_row(one) for one in group)
    title = "Latency, memory and size"
    return Table(
        HEAD,
        rows,
        tuple(range(2, len(HEAD))),
        name=f"benchmarks-{number}",
        title=title,
        style="long",
    )


def _row(one: Benchmark) -> tuple[str, ...]:
    cells: list[str] = [wording.title(one.backbone), CALLED[one.runtime]]
    for batch in (ONE, MANY):
        known = one.at(batch)
        cells += [_ms(known.p50_ms if known else None), _ms(known.p95_ms if known else None)]
    many = one.at(MANY)
    speed = many.images_per_second if many else None
    memory = many.peak_memory_bytes if many else None
    return (
        *cells,
        Cell("–" if speed is None else f"{speed:,.0f}", -1.0 if speed is None else speed),
        Cell(wording.memory(memory), -1.0 if memory is None else memory),
        Cell(megabytes(one.size_bytes), one.size_bytes),
    )


def _ms(value: float | None) -> Cell:
    return Cell(milliseconds(value), -1.0 if value is None else value)


def _answers(number: int, group: Sequence[Benchmark]) -> list[Part]:
    """The answers of ONNX Runtime, with and without 8-bit numbers, against torch's."""
    exported = [one for one in group if one.runtime != "torch"]
    if not exported:
        return []
    head = (
        "Network",
        "Runtime",
        "Same answers",
        "Accuracy",
        "float32",
        "Difference (points)",
        "95% interval",
        "p (McNemar)",
    )
    rows = tuple(
        (
            wording.title(one.backbone),
            CALLED[one.runtime],
            Cell(f"{one.same_answers:,} of {one.images:,}", one.same_answers / one.images),
            Cell(wording.percent(one.accuracy), one.accuracy),
            Cell(wording.percent(one.float32_accuracy), one.float32_accuracy),
            Cell(wording.signed(one.difference), one.difference),
            wording.difference(one.interval),
            Cell(wording.p_value(one.p), one.p),
        )
        for one in exported
    )
    title = "Answers on the test images, against torch in float32"
    table = Table(
        head,
        rows,
        tuple(range(2, len(head))),
        name=f"benchmark-answers-{number}",
        title=title,
        style="long",
    )
    return [table, *_ranges(exported), *_changed(exported)]


def _ranges(exported: Sequence[Benchmark]) -> list[Part]:
    """Where the ranges of 8-bit numbers come from."""
    int8 = next((one for one in exported if one.runtime == "int8"), None)
    if int8 is None or int8.calibration_images is None:
        return []
    bits = "" if int8.weight_bits == 8 else f" Weights have {int8.weight_bits} bits here."
    return [
        Text(
            f"Ranges of 8-bit numbers come from {int8.calibration_images} training images, never "
            f"from test images.{bits} The interval is that of Agresti and Min (2005)."
        )
    ]


def _changed(exported: Sequence[Benchmark]) -> list[Part]:
    """The images that ONNX Runtime answers otherwise in float32, with torch's margins."""
    told = [
        f"{wording.title(one.backbone)}: {each.image} is {each.predicted} instead of "
        f"{each.float32} (margin {each.margin:.2g})"
        for one in exported
        if one.runtime == "onnx"
        for each in one.changed
    ]
    more = len(told) - MAX_CHANGED
    shown = [*told[:MAX_CHANGED], f"{more:,} more are in the table benchmark_differences"]
    lines = told if more <= 0 else shown
    return [Text(f"Answered otherwise by ONNX Runtime: {'; '.join(lines)}.")] if told else []

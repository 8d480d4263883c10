"""The results of benchmarks as a table for the terminal, and as JSON values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from orchestrator.analysis.benchmarks import MANY, ONE, Benchmark
from orchestrator.formatting import megabytes

HEAD = ("network", "runtime", "1 image p50", "p95", "32 images p50", "images/s", "memory", "size",
        "same answers", "accuracy")  # fmt: skip
SHOWN = 10


def facts(one: Benchmark) -> dict[str, Any]:
    """A benchmark as JSON values."""
    return asdict(one) | {"difference": one.difference, "disturbed": one.disturbed}


def lines(done: list[Benchmark]) -> list[str]:
    """A table, what the 8-bit networks lose, and the images that are answered otherwise."""
    if not done:
        return ["no benchmark is done"]
    rows = [HEAD, *map(_row, done)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEAD))]
    told = [_aligned(row, widths) for row in rows]
    first = done[0]
    told += ["", f"{first.processor}, {first.threads} thread(s), host {first.host}"]
    told += _disturbed(done)
    told += _precisions(done)
    told += [_int8(one) for one in done if one.runtime == "int8"]
    for one in done:
        if one.runtime == "onnx":
            told += _changed(one)
    return told


def _aligned(row: tuple[str, ...], widths: list[int]) -> str:
    """The first two columns to the left, numbers to the right."""
    cells = (
        cell.ljust(width) if at < 2 else cell.rjust(width)
        for at, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells).rstrip()


def _row(one: Benchmark) -> tuple[str, ...]:
    single, many = one.at(ONE), one.at(MANY)
    return (
        one.backbone,
        one.runtime if one.device == "cpu" else f"{one.runtime} on {one.device}",
        _ms(single.p50_ms if single else None),
        _ms(single.p95_ms if single else None),
        _ms(many.p50_ms if many else None),
        "–" if many is None else f"{many.images_per_second:,.0f}",
        "–" if many is None else f"{many.peak_memory_bytes / 1e6:,.0f} MB",
        megabytes(one.size_bytes),
        f"{one.same_answers:,}/{one.images:,}",
        f"{one.accuracy:.1%}",
    )


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g} ms" if value < 100 else f"{value:,.0f} ms"


def _disturbed(done: list[Benchmark]) -> list[str]:
    """A caution where other processes used the machine."""
    loads = [each.others_load for one in done if one.disturbed for each in one.latencies]
    if not loads:
        return []
    count = sum(one.disturbed for one in done)
    return [
        f"caution: other processes used up to {max(loads):.1f} processors during {count} of "
        f"{len(done)} benchmarks, which makes latencies too high, above all p95"
    ]


def _precisions(done: list[Benchmark]) -> list[str]:
    """In which precision accuracies were computed, and which images that changes."""
    told = ["accuracy: torch and onnx compute in float32 (fp32), int8 with 8-bit numbers"]
    for one in {each.backbone: each for each in done if each.evaluated}.values():
        of = one.evaluated
        assert of is not None
        told.append(
            f"{one.backbone}: {one.float32_accuracy:.1%} here in fp32, {of.accuracy:.1%} in the "
            f"run's evaluation in {of.precision or 'unknown precision'}: {of.differing:,} of "
            f"{one.images:,} test images are answered otherwise"
        )
    return told


def _int8(one: Benchmark) -> str:
    return (
        f"{one.backbone}: int8 {one.accuracy:.1%}, float32 {one.float32_accuracy:.1%} of "
        f"{one.images:,} test images: {100 * one.difference:+.1f} points, 95% interval "
        f"{100 * one.interval.low:+.1f} to {100 * one.interval.high:+.1f}, McNemar p = {one.p:.2g}"
    )


def _changed(one: Benchmark) -> list[str]:
    told = [
        f"{one.backbone}: {each.image} is {each.predicted} instead of {each.float32}, margin "
        f"{each.margin:.2g}"
        for each in one.changed[:SHOWN]
    ]
    more = len(one.changed) - len(told)
    return [*told, f"{one.backbone}: {more} more"] if more > 0 else told

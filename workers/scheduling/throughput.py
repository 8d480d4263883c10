"""Training throughput of workers, as measured: images per second, by kind of training."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping

from jobs.catalog import backbones

Rates = Mapping[str, float]
"""Measured images per second of one worker, by kind of training."""


def training_kind(backbone: str, image_size: int, threads: int | None) -> str:
    """What a training's throughput depends on, besides the worker.

    For example `resnet34@224` on a GPU, or `resnet34@224x4` on a CPU with four threads.
    """
    return f"{backbone}@{image_size}{'' if threads is None else f'x{threads}'}"


def work(kind: str) -> float:
    """Estimated computation per image before any measurement; only ratios are meaningful."""
    backbone, _, rest = kind.partition("@")
    size = rest.partition("x")[0]
    return backbones.relative_cost(backbone) * (int(size) if size.isdecimal() else 224) ** 2


def ratio(rates: Rates, others: Rates) -> float:
    """How many times as fast one worker is as another.

    Uses the kinds that both were measured on, else the relative costs in the catalog.
    """
    both = rates.keys() & others.keys()
    if both:
        return statistics.geometric_mean(rates[kind] / others[kind] for kind in both)
    return _typical(rates) / _typical(others)


def expected_rate(rates: Rates, kind: str, fleet: Iterable[Rates]) -> float:
    """Expected images per second of a worker for a kind of training.

    The worker's own measurement if there is one. Otherwise the median of the peers' measurements,
    each scaled by how fast this worker is compared with that peer.
    `rates` must not be empty: there is no estimate for a worker that was never measured.
    """
    if kind in rates:
        return rates[kind]
    known = [others[kind] * ratio(rates, others) for others in fleet if kind in others]
    return statistics.median(known) if known else _typical(rates) / work(kind)


def _typical(rates: Rates) -> float:
    return statistics.geometric_mean(rate * work(kind) for kind, rate in rates.items())

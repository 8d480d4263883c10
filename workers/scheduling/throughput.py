"""Training throughput of workers, as measured: images per second, by kind of training."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping

from jobs.catalog import backbones

Rates = Mapping[str, float]
"""Measured images per second of one worker, by kind of training."""
Costs = Mapping[str, float]
"""Cost of an image in units of the catalog's at 224 px, by kind of training outside it."""


def training_kind(backbone: str, image_size: int, threads: int | None) -> str:
    """What a training's throughput depends on, besides the worker.

    For example `resnet34@224` on a GPU, or `resnet34@224x4` on a CPU with four threads.
    """
    return f"{backbone}@{image_size}{'' if threads is None else f'x{threads}'}"


def work(kind: str, costs: Costs) -> float | None:
    """Estimated computation per image before any measurement; only ratios are meaningful.

    None for a network outside the catalog that `costs` lacks.
    """
    if kind in costs:
        return costs[kind] * backbones.PUBLISHED_SIZE**2
    backbone, size = _parts(kind)
    return backbones.relative_cost(backbone) * size**2 if backbone in backbones.CATALOG else None


def ratio(rates: Rates, others: Rates, costs: Costs) -> float:
    """How many times as fast one worker is as another.

    Uses the kinds that both were measured on, else the costs of those that each was measured on.
    """
    both = rates.keys() & others.keys()
    if both:
        return statistics.geometric_mean(rates[kind] / others[kind] for kind in both)
    return _typical(rates, costs) / _typical(others, costs)


def expected_rate(rates: Rates, kind: str, fleet: Iterable[Rates], costs: Costs) -> float:
    """Expected images per second of a worker for a kind of training.

    The worker's own measurement if there is one. Otherwise the median of the peers' measurements,
    each scaled by how fast this worker is compared with that peer.
    `rates` must not be empty: there is no estimate for a worker that was never measured.
    """
    if kind in rates:
        return rates[kind]
    known = [others[kind] * ratio(rates, others, costs) for others in fleet if kind in others]
    if known:
        return statistics.median(known)
    return _typical(rates, costs) / (work(kind, costs) or _guess(kind))


def _typical(rates: Rates, costs: Costs) -> float:
    """The computation per second that a worker reached, by the kinds whose cost is known."""
    known = [rate * cost for kind, rate in rates.items() if (cost := work(kind, costs))]
    return statistics.geometric_mean(known or [rate * _guess(kind) for kind, rate in rates.items()])


def _guess(kind: str) -> float:
    """The computation per image of a typical network."""
    return backbones.TYPICAL_COST * float(_parts(kind)[1] ** 2)


def _parts(kind: str) -> tuple[str, int]:
    """The backbone and the image size in the name of a kind."""
    backbone, _, rest = kind.partition("@")
    size = rest.partition("x")[0]
    usual = backbones.PUBLISHED_SIZE
    return backbone.removesuffix("+head"), int(size) if size.isdecimal() else usual

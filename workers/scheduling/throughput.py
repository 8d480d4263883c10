"""How fast workers train, learned from what they did: images a second, by kind of training."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping

from jobs.catalog import backbones

Rates = Mapping[str, float]
"""Images a second that one worker was measured at, by kind of training."""


def training_kind(backbone: str, image_size: int, threads: int | None) -> str:
    """What a training's pace depends on besides the worker: `resnet34@224`, on a processor `resnet34@224x4`."""
    return f"{backbone}@{image_size}{'' if threads is None else f'x{threads}'}"


def work(kind: str) -> float:
    """How much there is to compute for one image, before anything was measured; only ratios have a meaning."""
    backbone, _, rest = kind.partition("@")
    size = rest.partition("x")[0]
    cost = backbones.CATALOG[backbone].relative_cost if backbone in backbones.CATALOG else 1.0
    return cost * (int(size) if size.isdecimal() else 224) ** 2


def ratio(rates: Rates, others: Rates) -> float:
    """How many times as fast a worker is as another: by what both were measured at, else by the catalog's costs."""
    both = rates.keys() & others.keys()
    if both:
        return statistics.geometric_mean(rates[kind] / others[kind] for kind in both)
    return _typical(rates) / _typical(others)


def expected_rate(rates: Rates, kind: str, fleet: Iterable[Rates]) -> float:
    """Images a second that a worker will train at: measured, else as others were and it compares with them.

    `rates` must not be empty: nothing is expected of a worker that was never measured.
    """
    if kind in rates:
        return rates[kind]
    known = [others[kind] * ratio(rates, others) for others in fleet if kind in others]
    return statistics.median(known) if known else _typical(rates) / work(kind)


def _typical(rates: Rates) -> float:
    return statistics.geometric_mean(rate * work(kind) for kind, rate in rates.items())

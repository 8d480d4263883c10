"""The metrics as prometheus_client collects them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from orchestrator.prometheus.facts import Facts
from orchestrator.prometheus.families import FAMILIES, Family, GpuFamily

MAX_SERIES = 1000
"""Series of one metric at most; how many more there are is a metric itself."""

Exposed: TypeAlias = GaugeMetricFamily | CounterMetricFamily


@dataclass(frozen=True)
class StoreCollector(Collector):
    """Exposes what `read` gives; it must raise nothing and return soon."""

    read: Callable[[], Facts]

    def collect(self) -> Iterator[Exposed]:
        """All metrics of this moment."""
        facts = self.read()
        up = GaugeMetricFamily("orch_store_up", "1 if the store could be read in time.")
        if facts.store_up is not None:
            up.add_metric((), float(facts.store_up))
        yield up
        left_out = GaugeMetricFamily(
            "orch_series_left_out", f"Series beyond {MAX_SERIES} of a metric.", labels=["metric"]
        )
        for family in FAMILIES:
            exposed, more = _exposed(family, facts)
            if more:
                left_out.add_metric((family.name,), more)
            yield exposed
        yield left_out


def _exposed(family: Family | GpuFamily, facts: Facts) -> tuple[Exposed, int]:
    """A metric with its samples, and how many were left out."""
    kind = CounterMetricFamily if family.name.endswith("_total") else GaugeMetricFamily
    exposed = kind(family.name, family.help, labels=list(family.labels))
    samples = dict(family.samples(facts))  # of two with the same labels the last counts
    for labels, value in itertools.islice(samples.items(), MAX_SERIES):
        exposed.add_metric(labels, float(value))
    return exposed, max(0, len(samples) - MAX_SERIES)


def registry_of(read: Callable[[], Facts]) -> CollectorRegistry:
    """A registry with these metrics alone, without those of this Python process."""
    registry = CollectorRegistry()
    registry.register(StoreCollector(read))
    return registry


def as_text(facts: Facts) -> str:
    """The metrics in Prometheus's text format."""
    return generate_latest(registry_of(lambda: facts)).decode()

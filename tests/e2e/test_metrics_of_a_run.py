"""Dashboards and alerts name only what a real run exposes."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from support.harness import Lab
from support.monitoring_files import Expression, alerts, panels

from jobs import atomic
from jobs.store.store import Store
from orchestrator.prometheus import server
from orchestrator.prometheus.bounded import BoundedReader
from orchestrator.prometheus.facts import Facts, FactsReader
from orchestrator.prometheus.gpus import Gpu

parser = pytest.importorskip(
    "prometheus_client.parser", reason="prometheus_client is not installed (extra 'metrics')"
)

A_GPU = Gpu("GPU-1", "A 16", 0.5, 1, 2)
"""Machines of the tests have none; the rest of what is exposed is real."""

Series = set[tuple[str, frozenset[tuple[str, str]]]]


@pytest.mark.whole
def test_dashboards_and_alerts_name_what_a_run_exposes(
    new_lab: Callable[..., Lab], animal_folder: Path
) -> None:
    """Every metric, label and value of a label; one run trains, another fails, a third is newer."""
    lab = new_lab()
    lab.submit("--backbone", "scratch", "--periods", "1", "--epochs-per-period", "3")
    lab.submit("--backbone", "scratch", "--periods", "1", "--data", str(animal_folder))
    next(animal_folder.rglob("*.png")).unlink()  # that run's preparation fails for good
    atomic.write_json(lab.store.run_path("of-tomorrow"), {"format": 99})
    lab.worker()
    wanted = [*alerts(), *panels()]
    address = _serve(lab.store)
    seen: Series = set()

    deadline = time.monotonic() + 120
    while (missing := list(_missing(wanted, seen))) and time.monotonic() < deadline:
        seen |= _scrape(address)
        time.sleep(0.1)

    assert not missing, f"{missing}\n{lab.last_words()}"


def _serve(store: Store) -> server.Address:
    """The real server on a port of its own, in this process."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        address = server.Address("127.0.0.1", free.getsockname()[1])
    reader = FactsReader(store, lambda: (A_GPU,))
    server.start(address, server.Exposure(BoundedReader[Facts](reader.read, 8.0, store.root)))
    return address


def _scrape(address: server.Address) -> Series:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=20) as answer:
        families = list(parser.text_string_to_metric_families(answer.read().decode()))
    return {
        (each.name, frozenset(each.labels.items()))
        for family in families
        for each in family.samples
    }


def _missing(wanted: Iterable[Expression], seen: Series) -> Iterable[str]:
    """What the expressions name and no series has."""
    for each in wanted:
        known: set[str] = set()
        for name, selected in each.selectors():
            of_name = [dict(labels) for other, labels in seen if other == name]
            known |= {label for labels in of_name for label in labels}
            if not of_name:
                yield f"{each.where}: {name}"
            for label, values in selected.items():
                for value in values:
                    if not any(labels.get(label) == value for labels in of_name):
                        yield f'{each.where}: {name}{{{label}="{value}"}}'
        yield from (f"{each.where}: label {label}" for label in each.labels() - known)

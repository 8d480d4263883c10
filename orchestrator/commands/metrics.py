"""`orch metrics`: the state of the store and of this machine's GPUs, for Prometheus."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from jobs import install_hints
from jobs.errors import MissingExtra
from jobs.settings import Settings
from orchestrator.terminal.options import examples, store_option

if TYPE_CHECKING:
    from orchestrator.prometheus.facts import Facts

SCRAPE_LIMIT_S = 8.0
"""Less than the time after which Prometheus gives a scrape up (10 s)."""


@click.command(epilog=examples("orch metrics", "orch metrics --listen 127.0.0.1:9840"))
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help="Serve them until Ctrl-C. Anyone who can reach the address can read them.",
)
@click.option("--gpus-only", is_flag=True, help="Only the GPUs of this machine, not the store.")
@store_option
@click.pass_obj
def metrics_command(settings: Settings, listen: str | None, gpus_only: bool) -> None:
    """Print the state of the store as Prometheus metrics: tasks, workers, disk, GPUs.

    Metrics of GPUs are of this machine alone; docs/monitoring.md lists all.
    """
    from orchestrator.prometheus import server
    from orchestrator.prometheus.bounded import BoundedReader
    from orchestrator.terminal import signals, stalled_store

    if importlib.util.find_spec("prometheus_client") is None:
        raise MissingExtra(
            "prometheus_client is not installed. Install it with: "
            f"{install_hints.install_command('metrics')}"
        )
    address = None if listen is None else server.parse_address(listen)
    reader = _reader(settings, gpus_only)
    # Once before anything is served: a wrong store is then an error, not an empty page.
    first = reader()
    if address is None:
        from orchestrator.prometheus.collector import as_text

        click.echo(as_text(first), nl=False)
        return
    stalled_store.end()  # scrapes have their own limit, and the server goes on
    signals.leave()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    exposure = server.Exposure(BoundedReader(reader, SCRAPE_LIMIT_S, settings.store))
    serving = server.start(address, exposure)
    click.echo(f"metrics are served on http://{address}/metrics (Ctrl-C ends it)", err=True)
    serving.join()


def _reader(settings: Settings, gpus_only: bool) -> Callable[[], Facts]:
    from jobs.store.store import Store
    from orchestrator.prometheus.facts import Facts, FactsReader
    from orchestrator.prometheus.gpus import read_gpus

    if gpus_only:
        return lambda: Facts(None, read_gpus(), store_up=None)
    return FactsReader(Store(settings.store)).read

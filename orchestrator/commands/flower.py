"""`orch flower`: the queue and its workers in a browser."""

from __future__ import annotations

import importlib.util

import click

from jobs.errors import MissingExtra
from jobs.settings import Settings
from orchestrator.options import examples, store_option


@click.command(epilog=examples("orch flower", "orch flower --port 8888"))
@click.option("--port", type=click.IntRange(1, 65535), default=5555, show_default=True, help="Port to listen on.")
@click.option("--address", default="127.0.0.1", show_default=True, metavar="ADDRESS",
              help="Address to bind to; beyond loopback anyone who reaches it can control the queue.")
@store_option
@click.pass_obj
def flower(settings: Settings, port: int, address: str) -> None:
    """Show the queue and its workers in a browser (Flower), until Ctrl-C."""
    from orchestrator import start
    from orchestrator.submit import require_writable
    from workers import queue

    if importlib.util.find_spec("flower") is None:
        raise MissingExtra("Flower is not installed. Install it with: pip install 'orch[flower]'.")
    require_writable(settings.store)
    broker_url = start.broker(settings)
    click.echo(f"Flower listens on http://{address}:{port} (Ctrl-C ends it)", err=True)
    queue.flower(broker_url, port, address)

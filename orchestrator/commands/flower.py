"""`orch flower`: the queue and its workers in a browser."""

from __future__ import annotations

import importlib.util

import click

from jobs import install_hints
from jobs.errors import MissingExtra, RequestError
from jobs.settings import Settings
from orchestrator.terminal.options import examples, store_option

OPEN_TO_ALL = (
    "anyone who can reach this address sees tasks, workers and settings. "
    "Set FLOWER_BASIC_AUTH=USER:PASSWORD to ask for a login."
)


@click.command(epilog=examples("orch flower", "orch flower --port 8888"))
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=5555,
    show_default=True,
    help="Port to listen on.",
)
@click.option(
    "--address",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Address to listen on. Set a login (FLOWER_BASIC_AUTH) if others can reach it.",
)
@store_option
@click.pass_obj
def flower_command(settings: Settings, port: int, address: str) -> None:
    """Show the queue and its workers in a browser (Flower) until Ctrl-C.

    FLOWER_BASIC_AUTH=USER:PASSWORD asks for a login and enables the buttons; without it Flower
    only shows. docs/monitoring.md says what each button does.
    """
    from orchestrator import preflight
    from orchestrator.submission import launch
    from orchestrator.terminal import signals, stalled_store
    from workers.messaging import flower

    if importlib.util.find_spec("flower") is None:
        raise MissingExtra(
            f"Flower is not installed. Install it with: {install_hints.install_command('flower')}"
        )
    login = flower.require_login_usable()
    _require_free(address, port)
    preflight.require_writable(settings.store)
    broker_url = launch.broker(settings)
    click.echo(f"Flower listens on http://{address}:{port} (Ctrl-C ends it)", err=True)
    if not login and not _is_loopback(address):
        click.echo(f"warning: {OPEN_TO_ALL}", err=True)
    store_id = launch.open_store(settings).id
    stalled_store.end()  # the broker alone is asked from here on
    signals.leave()
    flower.run(broker_url, port, address, store_id)


def _is_loopback(address: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _require_free(address: str, port: int) -> None:
    """Raise `RequestError` unless the address is this machine's and the port is nobody's."""
    import socket

    try:
        addresses = socket.getaddrinfo(
            address or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        with socket.socket(addresses[0][0], socket.SOCK_STREAM) as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            line.bind(addresses[0][4])
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RequestError(
            f"cannot listen on {address}:{port}: {reason}. Give another --address or --port."
        ) from None

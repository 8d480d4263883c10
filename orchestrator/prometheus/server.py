"""Serve metrics over HTTP until Ctrl-C."""

from __future__ import annotations

import logging
import re
import threading
from dataclasses import dataclass

from jobs.errors import OrchError, RequestError
from jobs.store.stall_watch import StoreStalled
from orchestrator.prometheus.bounded import BoundedReader
from orchestrator.prometheus.facts import Facts
from orchestrator.prometheus.gpus import read_gpus

log = logging.getLogger("orch.metrics")

ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>\d{1,5})")


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """The address in `HOST:PORT` or `[IPv6]:PORT`; raises `RequestError`."""
    match = ADDRESS.fullmatch(text.strip())
    if match is None or not 1 <= int(match["port"]) <= 65535:
        raise RequestError(
            f"--listen: {text[:80]!r} is not HOST:PORT. Give one such as 127.0.0.1:9840, or "
            "0.0.0.0:9840 for all addresses of this machine."
        )
    return Address(match["v6"] or match["host"], int(match["port"]))


@dataclass(slots=True)
class Exposure:
    """What a scrape gets: the store, or that it could not be read, which is logged once."""

    reader: BoundedReader[Facts]
    complained: str = ""

    def read(self) -> Facts:
        """The facts of this moment; `store_up` is false where the store cannot be read."""
        try:
            facts = self.reader.read()
        except (OrchError, OSError, ValueError) as error:
            gpus = () if isinstance(error, StoreStalled) else read_gpus()
            self._complain(str(error))
            return Facts(None, gpus, store_up=False)
        self._complain("")
        return facts

    def _complain(self, problem: str) -> None:
        if problem != self.complained:
            log.warning("%s", problem or "the store can be read again")
        self.complained = problem


def start(address: Address, exposure: Exposure) -> threading.Thread:
    """Answer scrapes in threads; raises `RequestError` where the address cannot be listened on."""
    from prometheus_client import start_http_server

    from orchestrator.prometheus.collector import registry_of

    try:
        _, thread = start_http_server(address.port, address.host, registry_of(exposure.read))
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RequestError(
            f"cannot listen on {address}: {reason}. Give another --listen."
        ) from None
    return thread

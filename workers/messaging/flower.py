"""Flower on our application: which columns it shows, and what it shows without a login."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from jobs.errors import BadEnvironment, OrchError
from workers.messaging import broker

LOGIN = "FLOWER_BASIC_AUTH"
COLUMNS = "name,state,result,runtime,received,worker,uuid"
MAX_SHOWN = 60
"""Characters of a reason in the table of tasks; the page of a task shows all of it."""
FORGET_S = 60
"""Flower forgets workers that have been offline for so long."""


def run(broker_url: str, port: int, address: str = "127.0.0.1", store: str = "") -> None:
    """Run Flower until it is stopped."""
    from flower.options import options

    _protect_metrics()
    options.format_task = with_reason
    columns = os.environ.get("FLOWER_TASKS_COLUMNS") or COLUMNS
    words = [f"--port={port}", f"--address={address}", f"--purge_offline_workers={FORGET_S}"]
    broker.app(broker_url, store).start(argv=["flower", *words, f"--tasks_columns={columns}"])


def with_reason(task: Any) -> Any:
    """A copy of a row that Flower is about to show; why it has no result is shown as its result."""
    if not task.result and task.exception:
        reason = str(task.exception)
        short = f"{reason[: MAX_SHOWN - 4].rstrip()} ..."
        task.result = reason if len(reason) <= MAX_SHOWN else short
    return task


def require_login_usable(environment: Mapping[str, str] | None = None) -> bool:
    """Whether the environment names a login; raises `BadEnvironment` if nobody could use it."""
    values = os.environ if environment is None else environment
    logins = values.get(LOGIN, "")
    if logins and not all(user and word for user, _, word in map(_parted, logins.split(","))):
        raise BadEnvironment(
            f"{LOGIN} is not of the form USER:PASSWORD. Set it so, several with a comma between "
            "them; a password cannot hold a comma. Unset it to ask for no login."
        )
    return bool(logins or values.get("FLOWER_AUTH"))


def _parted(login: str) -> tuple[str, str, str]:
    return login.partition(":")


def _protect_metrics() -> None:
    """Put `/metrics` behind the login: Flower itself shows names of tasks and workers to anyone."""
    from flower import urls
    from flower.views import monitor
    from tornado.web import authenticated

    class Metrics(monitor.Metrics):  # type: ignore[misc]  # flower is not typed
        """Flower's metrics, for those who are logged in."""

        get = authenticated(monitor.Metrics.get)

    open_to_all = (r"/metrics", monitor.Metrics)
    if open_to_all not in urls.handlers:
        raise OrchError("this version of Flower serves /metrics in another way. Install 2.2.")
    urls.handlers[urls.handlers.index(open_to_all)] = (r"/metrics", Metrics)

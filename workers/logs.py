"""The log of a worker: lines for people, or one JSON object a line, with the task at work."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from celery.platforms import SecurityWarning

from jobs.errors import BadEnvironment

FORMATS = ("text", "json")
VARIABLE = "ORCH_LOG_FORMAT"
KEYS = ("time", "level", "logger", "message", "host", "worker", "task", "trial", "attempt", "error")
"""The keys of a JSON line. Those that mean nothing are null; `error` is a traceback."""

_CONTEXT: ContextVar[Mapping[str, Any] | None] = ContextVar("context", default=None)
_PROCESS: dict[str, Any] = {}
"""What is the same for all lines of this process: host and worker."""


@contextlib.contextmanager
def context(**facts: Any) -> Iterator[None]:
    """Add facts to all lines that this thread logs in the block."""
    token = _CONTEXT.set({**(_CONTEXT.get() or {}), **facts})
    try:
        yield
    finally:
        _CONTEXT.reset(token)


def task_context(task_id: str) -> contextlib.AbstractContextManager[None]:
    """Add a task, and its trial if it has one, to all lines that this thread logs in the block."""
    kind, _, rest = task_id.partition(".")
    return context(task=task_id, trial=None if kind == "prepare" else rest.partition(".")[0])


def name_process(host: str, worker: str) -> None:
    """Add the host and the worker to all lines of this process."""
    _PROCESS.update(host=host, worker=worker)


def chosen_format(option: str | None, environment: Mapping[str, str] | None = None) -> str:
    """The format of the option, else of `ORCH_LOG_FORMAT`, else text; raises `BadEnvironment`."""
    values = os.environ if environment is None else environment
    given = option or values.get(VARIABLE) or FORMATS[0]
    if given not in FORMATS:
        raise BadEnvironment(
            f"{VARIABLE} is {given[:80]!r}. Set it to {' or '.join(FORMATS)}; unset it for text."
        )
    return given


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with the keys `KEYS`; times are ISO 8601 in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        values: dict[str, Any] = dict.fromkeys(KEYS) | _PROCESS | dict(_CONTEXT.get() or {})
        values |= {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            values["error"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(values, default=str)


def to_stderr(chosen: str = "text") -> None:
    """Write the log of this process to stderr, with times."""
    handler = logging.StreamHandler(sys.stderr)
    if chosen == "json":
        handler.setFormatter(JsonFormatter())
        logging.captureWarnings(True)
    else:
        lines = "%(asctime)s %(levelname)s %(message)s"
        handler.setFormatter(logging.Formatter(lines, "%Y-%m-%d %H:%M:%S"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    warnings.filterwarnings("ignore", message=".*superuser privileges", category=SecurityWarning)
    for noisy in ("celery", "kombu", "amqp"):
        logging.getLogger(noisy).setLevel(logging.WARNING)

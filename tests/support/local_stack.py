"""A local stack whose workers only sleep."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobs.errors import MissingExtra
from jobs.settings import Settings
from orchestrator.local import embedded_redis, stack

PATIENT = "import time; print('ready', flush=True); time.sleep(60)"


def sleeper(program: str = PATIENT) -> Callable[[str, str, int], Sequence[str]]:
    """A worker's command line that runs a small program instead."""
    return lambda name, device, threads: [sys.executable, "-c", program, name, device, str(threads)]


@contextmanager
def own_store(root: Path) -> Iterator[Settings]:
    """Settings with a new store; whatever is started for it is ended. Skips without Redis."""
    try:
        embedded_redis.binary()
    except MissingExtra as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    chosen = Settings(root, None, None)
    chosen.store.mkdir()
    yield chosen
    stack.down(chosen, gentle_s=0.1)


def ensure(
    settings: Settings, workers: int | None = 0, program: str = PATIENT, gpus: int = 0
) -> stack.Stack:
    """The stack with workers that only sleep, on a machine of four cores."""
    return stack.ensure(settings, workers, command=sleeper(program), cores=4, gpus=gpus)


def wait_for(condition: Callable[[], bool], patience_s: float = 10.0) -> bool:
    """Whether something came true in time."""
    deadline = time.monotonic() + patience_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()

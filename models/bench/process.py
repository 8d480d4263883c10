"""Run the measuring process of a benchmark, and read what it measured."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict

from jobs.errors import Stopped, WorkError
from jobs.install_hints import HOME
from models.bench.latency import Latency, LatencyRequest
from models.runtime.progress import Tell

SAID_S, LOOK_S = 5.0, 0.25


def measure(
    request: LatencyRequest, title: str, tell: Tell, should_stop: Callable[[], bool]
) -> list[Latency]:
    """Each batch size, measured in a process of its own.

    Raises `Stopped` when asked to stop, and `WorkError` if the process fails.
    """
    threads = {name: str(request.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    process = subprocess.Popen(
        [sys.executable, "-m", "models.bench.latency"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=HOME,
        env=os.environ | threads,
    )
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(asdict(request)) + "\n")
        process.stdin.flush()
        _await(process, title, len(request.batches), tell, should_stop)
        return _read(process)
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(BrokenPipeError):
                if stream is not None:
                    stream.close()


def _await(
    process: subprocess.Popen[str],
    title: str,
    total: int,
    tell: Tell,
    should_stop: Callable[[], bool],
) -> None:
    said = float("-inf")
    while process.poll() is None:
        if should_stop():
            raise Stopped(f"the benchmark of {title} was stopped. It will start again.")
        if time.monotonic() - said > SAID_S:
            said = time.monotonic()
            tell({"phase": "measure", "done": 0, "total": total})
        time.sleep(LOOK_S)


def _read(process: subprocess.Popen[str]) -> list[Latency]:
    assert process.stdout is not None
    assert process.stderr is not None
    lines = process.stdout.read().splitlines()
    if process.returncode or not lines:
        last = (process.stderr.read().strip().splitlines() or ["it said nothing"])[-1]
        raise WorkError(
            f"the process that measures ended with exit code {process.returncode}: {last[:300]}"
        )
    return [Latency(**each | {"seconds": (*each["seconds"],)}) for each in json.loads(lines[-1])]

"""A faster worker takes over a training from a slower one, and results do not change."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from support.harness import Lab, children_of, digests, rows

from jobs import atomic

pytestmark = [pytest.mark.whole, pytest.mark.long]

ASKED = (
    *("--backbone", "squeezenet", "--periods", "1", "--epochs-per-period", "24"),
    *("--image-size", "32", "--weights", "none", "--batch-size", "8", "--data"),
)
RUN_S, STOPPED_S = 0.02, 0.48


def slow_down(worker: subprocess.Popen[bytes], over: threading.Event) -> None:
    """Let a worker's children run only a small share of the time."""
    while not over.wait(RUN_S):
        with contextlib.suppress(psutil.NoSuchProcess):
            stopped = children_of(worker)
            strike(stopped, signal.SIGSTOP)
            over.wait(STOPPED_S)
            strike(stopped, signal.SIGCONT)


def strike(processes: list[int], blow: signal.Signals) -> None:
    """Send a signal to those that still live."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, blow)


def test_an_idle_faster_worker_takes_over_and_every_number_is_the_same(
    new_lab: Callable[..., Lab], animal_folder: Path
) -> None:
    """A worker recorded as fast requests the training. It is handed over after a step and ends as
    if undisturbed.
    """
    calm, moved, over = new_lab("calm"), new_lab("moved", pause_s=0.4), threading.Event()
    slow = moved.worker("--name", "slow")
    calm.worker()
    calm_run = calm.submit(*ASKED, str(animal_folder))
    calm.finished(calm_run)
    run = moved.submit(*ASKED, str(animal_folder))
    training = next(task for task in run.tasks if task.startswith("train.squeezenet"))
    moved.until(lambda: moved.progress(training).get("epoch", 0) >= 1, what="the long training")
    atomic.write_json(moved.store.pace_path(socket.gethostname(), "cpu"), {"squeezenet@32x1": 1e4})
    brake = threading.Thread(target=slow_down, args=(slow, over))
    brake.start()
    try:
        moved.worker("--name", "fast")
        states = moved.finished(run)
    finally:
        over.set()
        brake.join()
    attempts = [
        (row["worker"], row["state"])
        for row in rows(moved, run, "attempts")
        if row["task"] == training
    ]

    assert set(states.values()) == {"done"}
    assert sorted(attempts) == [("fast", "done"), ("slow", "stopped")]
    assert digests(moved, run) == digests(calm, calm_run)
    for table in ("epochs", "evaluations", "predictions"):
        assert rows(moved, run, table) == rows(calm, calm_run, table)
    assert not list(moved.store.root.glob("asked/*/*.json"))

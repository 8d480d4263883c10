"""Several tasks at a time on one worker give the same results as one after the other."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.harness import Lab, digests, rows

from orchestrator.monitoring import heartbeats

pytestmark = pytest.mark.whole

SMALL = (
    "--backbone",
    "scratch",
    "--backbone",
    "squeezenet",
    "--image-size",
    "32",
    "--weights",
    "none",
    "--batch-size",
    "8",
    "--periods",
    "1",
    "--epochs-per-period",
)


def test_two_slots_give_the_numbers_of_one(
    new_lab: Callable[..., Lab], animal_folder: Path
) -> None:
    """Two networks with one thread each: weights and rows are equal, and they did train
    at the same time.
    """
    one, two = new_lab("one"), new_lab("two")
    for lab, slots in ((one, "1"), (two, "2")):
        lab.worker("--slots", slots, "--threads", slots)
    runs = {
        lab.folder.name: lab.submit(*SMALL, "6", "--data", str(animal_folder)) for lab in (one, two)
    }
    for lab in (one, two):
        lab.finished(runs[lab.folder.name])
    alone, beside = digests(one, runs["one"]), digests(two, runs["two"])

    assert len(alone) == 2
    assert alone == beside
    for table in ("epochs", "evaluations", "predictions"):
        assert rows(one, runs["one"], table) == rows(two, runs["two"], table)
    assert not _overlaps(rows(one, runs["one"], "attempts"))
    assert _overlaps(rows(two, runs["two"], "attempts"))


def test_a_stop_reaches_all_slots(new_lab: Callable[..., Lab], animal_folder: Path) -> None:
    """SIGTERM during two trainings: both save a checkpoint, the worker exits with 0, and the run
    continues.
    """
    lab = new_lab()
    worker = lab.worker("--slots", "2", "--threads", "2")
    run = lab.submit(*SMALL, "200", "--data", str(animal_folder))
    lab.until(
        lambda: [
            each for each in heartbeats.read_heartbeats(lab.store.root) if len(each.tasks) == 2
        ],
        what="two tasks at a time",
    )
    shown = lab.orch("status", run.name)
    worker.send_signal(signal.SIGTERM)
    code = worker.wait(40)
    states = [row["state"] for row in rows(lab, run, "attempts") if row["kind"] == "train"]

    assert "2 of 2 slots" in shown
    assert code == 0
    assert states.count("stopped") == 2
    assert heartbeats.read_heartbeats(lab.store.root) == []


def _overlaps(attempts: list[dict[str, Any]]) -> bool:
    """Whether some attempt began while another one was under way."""
    spans: list[tuple[datetime, datetime]] = sorted(
        (row["started_at"], row["finished_at"]) for row in attempts
    )
    return any(after[0] < before[1] for before, after in pairwise(spans))

"""The log of a worker as JSON, and the log of an attempt: short lines, bounded in size."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path

import pytest

from jobs.errors import BadEnvironment
from workers import logs
from workers.execution.callbacks import LogLimit
from workers.process.progress_log import ProgressLog

TASK = "train.scratch-s0-96059515.0002"


def as_json(message: str, *args: object, **more: object) -> dict[str, object]:
    """What is written for a record."""
    record = logging.LogRecord("orch.worker", logging.INFO, "x.py", 1, message, args, None)
    for name, value in more.items():
        setattr(record, name, value)
    line = logs.JsonFormatter().format(record)
    assert "\n" not in line
    return dict(json.loads(line))


def test_each_line_is_an_object_that_names_worker_task_trial_and_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Times are ISO 8601 in UTC; what does not apply is null."""
    monkeypatch.setattr(logs, "_PROCESS", {})
    logs.name_process("box", "w1")
    with logs.task_context(TASK), logs.context(attempt=3):
        told = as_json("%s: done\nand more", TASK, created=0.25)
    idle, prepare = as_json("idle"), None
    with logs.task_context("prepare.digits.0000"):
        prepare = as_json("prepare")

    assert tuple(told) == logs.KEYS
    assert told == {
        "time": "1970-01-01T00:00:00.250+00:00",
        "level": "INFO",
        "logger": "orch.worker",
        "message": f"{TASK}: done\nand more",
        "host": "box",
        "worker": "w1",
        "task": TASK,
        "trial": "scratch-s0-96059515",
        "attempt": 3,
        "error": None,
    }
    assert (idle["task"], idle["attempt"]) == (None, None)
    assert (prepare["task"], prepare["trial"]) == ("prepare.digits.0000", None)


def test_an_exception_is_in_the_same_line() -> None:
    """With its traceback."""
    try:
        raise ValueError("a reason")
    except ValueError:
        told = as_json("it failed", exc_info=sys.exc_info())

    assert "ValueError: a reason" in str(told["error"])


def test_the_option_comes_before_the_variable_and_other_formats_are_refused() -> None:
    """Text is the default, also for an empty variable."""
    chosen = [
        logs.chosen_format(option, {logs.VARIABLE: value})
        for option, value in ((None, ""), (None, "json"), ("text", "json"), ("json", ""))
    ]

    assert chosen == ["text", "json", "text", "json"]
    with pytest.raises(BadEnvironment, match=r"'xml'[.] Set it to text or json"):
        logs.chosen_format(None, {logs.VARIABLE: "xml"})


def test_a_long_log_keeps_its_beginning_and_its_end(tmp_path: Path) -> None:
    """A process that still appends to it goes on behind the cut."""
    log, limit = tmp_path / "0001.log", LogLimit(tmp_path / "0001.log", 1000, every_s=0.0)
    with log.open("ab", buffering=0) as child:
        for number in range(500):
            child.write(f"line {number:04d}\n".encode())
            limit()
    lines = log.read_text().splitlines()

    assert log.stat().st_size <= 1100
    assert (lines[0], lines[-1]) == ("line 0000", "line 0499")
    assert any("left out" in line for line in lines)


def test_an_attempt_has_a_line_for_each_phase_of_each_epoch(tmp_path: Path) -> None:
    """With what the phase came to; the last one too."""
    place = tmp_path / "log"
    file = os.open(place, os.O_WRONLY | os.O_CREAT)
    log = ProgressLog(file)
    log.note({"listens": True})
    log.note({"phase": "load"})
    for epoch in (1, 2):
        facts = {"phase": "train", "epoch": epoch, "epochs": 2, "total": 60}
        log.note(facts | {"done": 8, "loss": 3.0})
        log.note(facts | {"done": 60, "loss": 3.0 - epoch, "images_per_second": 99.6})
    log.end_phase()
    log.end_phase()
    os.close(file)
    log.write("nobody reads this, and nothing is raised")

    assert [line[20:] for line in place.read_text().splitlines()] == [
        "load",
        "epoch 1/2 train: 60 of 60, loss 2.000, 100 images/s",
        "epoch 2/2 train: 60 of 60, loss 1.000, 100 images/s",
    ]

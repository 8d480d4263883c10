"""The report of a cancelled run says what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("scipy", reason="scipy is not installed (extra 'report')")

from support.fakes import fill_store

from orchestrator.analysis.run_data import read_run_data
from orchestrator.report.missing import missing


def test_cancelled_tasks_are_missing(tmp_path: Path) -> None:
    """They are counted, and each is named."""
    store, run = fill_store(
        tmp_path, backbones=["scratch", "squeezenet"], finished=lambda task: task.epoch < 6
    )
    store.cancel(run.name)

    lines = missing(read_run_data(store, run))

    assert lines[0].startswith("4 tasks of 13 not done: 4 cancelled.")
    assert "Scratch (seed 0): training up to epoch 6 was cancelled with the run." in lines

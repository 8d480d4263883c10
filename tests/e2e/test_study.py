"""The whole study on a real Redis with two workers: every backbone, then the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.harness import Lab, rows
from support.newer_records import records_without_format

from jobs.catalog.backbones import CATALOG

pytestmark = pytest.mark.whole

SMALL = ("--image-size", "64", "--weights", "none")
STUDY = (
    *SMALL,
    *("--all-backbones", "--periods", "1", "--epochs-per-period", "1", "--batch-size", "64"),
)
TWO_BACKBONES = (
    *("--image-size", "32", "--weights", "none"),
    *("--backbone", "scratch", "--backbone", "squeezenet"),
    *("--periods", "3", "--epochs-per-period", "2", "--batch-size", "8"),
)


@pytest.fixture
def few_animals(animal_folder: Path) -> Path:
    """Five images a class: three to train with, one to validate, one to test."""
    for image in animal_folder.glob("*/*.png"):
        if int(image.stem) >= 5:
            image.unlink()
    return animal_folder


@pytest.mark.long
def test_seven_backbones_by_two_workers(new_lab: Callable[..., Lab], few_animals: Path) -> None:
    """From submit to the report: each task runs once, both workers are busy, all seven networks are
    in one table.
    """
    lab = new_lab()
    lab.worker("--name", "one")
    lab.worker("--name", "two")
    run = lab.submit(*STUDY, "--data", str(few_animals))
    states = lab.finished(run)
    evaluations = rows(lab, run, "evaluations")
    attempts = rows(lab, run, "attempts")
    out = lab.folder / "report"
    lab.orch("report", run.name, "--out", str(out))
    status = json.loads(lab.orch("status", run.name, "--json"))

    assert len(states) == 1 + 7 * 2
    assert set(states.values()) == {"done"}
    assert {(row["backbone"], row["epoch"]) for row in evaluations} == {(n, 1) for n in CATALOG}
    assert all(row["total"] == 3 and row["accuracy"] == row["correct"] / 3 for row in evaluations)
    assert len(rows(lab, run, "epochs")) == 7
    assert len(rows(lab, run, "predictions")) == 7 * 3
    assert {row["worker"] for row in attempts} == {"one", "two"}
    assert [row["attempt"] for row in attempts] == [1] * 14
    # Both start at once, so their order is random: one of the first two is the largest network.
    in_order = sorted(attempts, key=lambda row: row["started_at"])
    firsts = {row["worker"]: row["task"] for row in reversed(in_order)}
    assert any("vgg16" in task for task in firsts.values())
    assert all(
        (out / name).stat().st_size > 1000 for name in ("report.html", "report.md", "report.json")
    )
    page = (out / "report.html").read_text()
    assert all(entry.title in page for entry in CATALOG.values())
    assert run.name in json.dumps(status)
    assert records_without_format(lab.store) == []
    whole = pq.read_table(lab.store.root / "results" / "evaluations")
    assert whole.num_rows == 7
    assert "trial" in whole.column_names


def test_the_queue_may_burn(new_lab: Callable[..., Lab], animal_folder: Path) -> None:
    """FLUSHALL during the run and every message duplicated: the results are as if nothing had
    happened.
    """
    lab = new_lab()
    run = lab.submit(*TWO_BACKBONES, "--data", str(animal_folder))
    from workers.messaging.broker import connected

    with connected(lab.broker_url, 3.0) as channel:
        channel.client.flushdb()
        lab.worker()
        lab.worker()
        lab.until(lambda: lab.progress(run.tasks[1]), what="training")
        channel.client.flushdb()
    lab.orch("resume", run.name)
    lab.orch("resume", run.name)
    states = lab.finished(run)

    assert set(states.values()) == {"done"}
    assert len(rows(lab, run, "epochs")) == 2 * 6
    assert len(rows(lab, run, "evaluations")) == 2 * 3
    assert [row["attempt"] for row in rows(lab, run, "attempts")] == [1] * 12

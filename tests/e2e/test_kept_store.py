"""A store that version 0.1.0 wrote opens, verifies, reports and resumes as before.

`kept/store-0.1.0.tar.xz` holds three runs: `first` is done, `broken` failed and was retried (it has
a `forgiven.json`), `second` was cancelled at epoch 9 of 12. `kept/report-first.json` is 0.1.0's
report.
"""

from __future__ import annotations

import json
import math
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.harness import Lab

from workers.execution import attempts
from workers.execution.attempts import RESET_FILE

pytestmark = pytest.mark.whole
KEPT = Path(__file__).parent / "kept"


@pytest.fixture
def kept(new_lab: Callable[..., Lab]) -> Lab:
    """A laboratory whose store is the stored one."""
    lab = new_lab()
    unpack(lab.folder)
    return lab


def unpack(folder: Path) -> None:
    """Put the stored store into a folder."""
    with tarfile.open(KEPT / "store-0.1.0.tar.xz") as archive:
        if hasattr(tarfile, "data_filter"):  # not in the first versions of Python 3.11
            archive.extraction_filter = tarfile.data_filter
        archive.extractall(folder)
    (folder / "orch-store").rename(folder / "store")


@pytest.fixture(scope="module")
def figures(
    tmp_path_factory: pytest.TempPathFactory, redis_url: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The report of 0.1.0, and that of now from the same store."""
    folder = tmp_path_factory.mktemp("kept")
    unpack(folder)
    words = ["report", "first", "--format", "json", "--out", str(folder / "report")]
    Lab(folder, redis_url).orch(*words)
    before, now = KEPT / "report-first.json", folder / "report" / "report.json"
    return json.loads(before.read_text()), json.loads(now.read_text())


def test_runs_of_0_1_0_are_listed_as_they_were_left(kept: Lab) -> None:
    """Done, failed and cancelled runs are recognised from the same files."""
    listed = json.loads(kept.orch("status", "--json"))["runs"]

    assert {run["run"]: run["state"] for run in listed} == {
        "first": "done",
        "broken": "failed",
        "second": "cancelled",
    }


def test_files_of_0_1_0_verify(kept: Lab) -> None:
    """Every checksum that 0.1.0 recorded still matches."""
    assert "all checksums match" in kept.orch("verify", "first")


CHANGED = {"answer", "keys", "confused", "images", "questions", "classes", "spec"}
"""Parts that count a network which learned nothing, or a class never predicted, in another way."""


def missing_or_changed(before: Any, now: Any, place: str = "") -> list[str]:
    """Places of values that are gone or have another value; keys may be added."""
    if isinstance(before, dict) and isinstance(now, dict):
        return [
            each
            for key in before
            for each in (
                missing_or_changed(before[key], now[key], f"{place}/{key}")
                if key in now
                else [f"{place}/{key} is gone"]
            )
        ]
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return [
            each
            for number, pair in enumerate(zip(before, now, strict=True))
            for each in missing_or_changed(*pair, f"{place}[{number}]")
        ]
    return [] if before == now or last_digit(before, now) else [f"{place}: {before} became {now}"]


def last_digit(before: Any, now: Any) -> bool:
    """Whether two numbers differ in rounding alone: versions of Python add them differently."""
    floats = isinstance(before, float) and isinstance(now, float)
    return floats and math.isclose(before, now, rel_tol=1e-15)


def test_figures_of_a_report_are_those_of_0_1_0(
    figures: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    """Every figure of report.json, value for value, but for the parts named above."""
    before, now = figures
    same = {key: value for key, value in before.items() if key not in CHANGED}

    assert missing_or_changed(same, now) == []
    assert missing_or_changed(before["spec"], now["spec"]) == []
    assert before.keys() <= now.keys()


def test_what_changed_in_a_report_is_what_a_network_that_learned_nothing_changes(
    figures: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    """One answer to all images: it is no leader, its mistakes fill no list, precision counts 0."""
    before, now = figures

    assert "squeezenet" in now["answer"]["learned_nothing"]
    assert not now["answer"]["leads"]
    for name, rows in before["classes"].items():
        for old, new in zip(rows, now["classes"][name], strict=True):
            assert new["recall"] == old["recall"]
            assert new["precision"] == (old["precision"] or 0.0)
            assert new["images"] * 2 == old["images"]  # images, not images times seeds


def test_failures_that_0_1_0_reset_stay_reset(kept: Lab) -> None:
    """`forgiven.json` names the first attempt; only the second one counts."""
    run = kept.store.load_run("broken")
    task = next(task for task in run.tasks if task.startswith("prepare"))
    folder = kept.store.root / "attempts" / task
    counted = attempts.read_history(kept.store, attempts.Task.parse(task)).counted_failures()

    assert json.loads((folder / RESET_FILE).read_text()) == {"attempt": 1}
    assert [record.attempt for record in counted] == [2]


def test_a_run_of_0_1_0_resumes_from_its_checkpoint_to_the_end(kept: Lab) -> None:
    """Epochs 1 to 9 are not trained again; 10 to 12 are, and the run is done."""
    kept.worker()
    kept.orch("resume", "second", "--no-workers")
    run = kept.store.load_run("second")
    states = kept.finished(run)
    done = kept.store.done(attempts.Task("train", run.trials[0], 12))

    assert set(states.values()) == {"done"}
    assert done is not None
    assert done.epoch == 12
    assert (done.measured_from or 0) >= 8

"""A store that version 0.1.0 wrote opens, verifies, reports and resumes as before.

`kept/store-0.1.0.tar.xz` holds three runs: `first` is done, `broken` failed and was retried (it has
a `forgiven.json`), `second` was cancelled at epoch 9 of 12. `kept/report-first.json` is 0.1.0's
report.
"""

from __future__ import annotations

import json
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
    """A laboratory whose store is the kept one."""
    lab = new_lab()
    with tarfile.open(KEPT / "store-0.1.0.tar.xz") as archive:
        archive.extractall(lab.folder, filter="data")
    (lab.folder / "orch-store").rename(lab.folder / "store")
    return lab


def test_runs_of_0_1_0_are_listed_as_they_were_left(kept: Lab) -> None:
    """Done, failed and cancelled are told apart from the same files."""
    listed = json.loads(kept.orch("status", "--json"))["runs"]

    assert {run["run"]: run["state"] for run in listed} == {
        "first": "done",
        "broken": "failed",
        "second": "cancelled",
    }


def test_files_of_0_1_0_verify(kept: Lab) -> None:
    """Every checksum that 0.1.0 recorded still matches."""
    assert "all whole" in kept.orch("verify", "first")


OF_ANSWER = {"sentence", "price", "cautions", "ranking", "shared_by", "alike", "doubtful"}
OF_LEARNED_TRIALS = {"questions", "confused", "agreement", "images"}


def figures(report: dict[str, Any], images_by_seed: bool) -> dict[str, Any]:
    """A report without its sentences, whose wording may change, and with two mistakes put right.

    0.1.0 counted the images of a class once for each seed, and left the precision of a class that
    was never answered undefined. Ranking, examples and mistakes are left out: since 0.1.0 they are
    of trials that learned something, and here three of four give one answer to all images.
    """
    times = report["spec"]["seeds"] if images_by_seed else 1
    classes = {
        backbone: [
            {**one, "images": one["images"] / times, "precision": one["precision"] or 0.0}
            for one in of_backbone
        ]
        for backbone, of_backbone in report["classes"].items()
    }
    answer = {key: value for key, value in report["answer"].items() if key not in OF_ANSWER}
    kept = {key: value for key, value in report.items() if key not in OF_LEARNED_TRIALS}
    return {**kept, "answer": answer, "keys": None, "classes": classes}


def known(now: Any, before: Any) -> Any:
    """What is in `now` of the keys that `before` has: keys may be added, at any depth."""
    if isinstance(before, dict) and isinstance(now, dict):
        return {key: known(now[key], before[key]) for key in before if key in now}
    if isinstance(before, list) and isinstance(now, list) and len(now) == len(before):
        return [known(new, old) for new, old in zip(now, before, strict=True)]
    return now


def test_figures_of_a_report_are_those_of_0_1_0(kept: Lab, tmp_path: Path) -> None:
    """Every figure of report.json, value for value; keys may have been added."""
    kept.orch("report", "first", "--format", "json", "--out", str(tmp_path / "report"))
    now = json.loads((tmp_path / "report" / "report.json").read_text())
    before = figures(json.loads((KEPT / "report-first.json").read_text()), images_by_seed=True)

    assert known(figures(now, images_by_seed=False), before) == before
    assert set(now) >= OF_LEARNED_TRIALS
    assert set(now["answer"]) >= OF_ANSWER
    assert [one["backbone"] for one in now["answer"]["ranking"]] == ["squeezenet-finetuned"]


def test_failures_that_0_1_0_reset_stay_reset(kept: Lab) -> None:
    """`forgiven.json` names the first attempt; only the second one counts."""
    run = kept.store.load_run("broken")
    task = next(task for task in run.tasks if task.startswith("prepare"))
    folder = kept.store.root / "attempts" / task
    counted = attempts.counted_failures(kept.store, attempts.Task.parse(task))

    assert json.loads((folder / RESET_FILE).read_text()) == {"attempt": 1}
    assert [record["attempt"] for record in counted] == [2]


def test_a_run_of_0_1_0_resumes_from_its_checkpoint_to_the_end(kept: Lab) -> None:
    """Epochs 1 to 9 are not trained again; 10 to 12 are, and the run is done."""
    kept.worker()
    kept.orch("resume", "second", "--no-workers")
    run = kept.store.load_run("second")
    states = kept.finished(run)
    done = kept.store.done(attempts.Task("train", run.trials[0], 12)) or {}

    assert set(states.values()) == {"done"}
    assert done["epoch"] == 12
    assert done["measured_from"] >= 8

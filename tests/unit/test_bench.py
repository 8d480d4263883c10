"""Benchmarks: what is asked for and recorded, who may run them, and what is measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.fake_benchmarks import publish
from support.fake_worker import fake_worker
from support.fakes import fill_store
from support.refusals import clear_line, listing

from jobs import readiness
from jobs.benchmark import Way, host_key
from jobs.errors import BadSpec
from jobs.maintenance import removal
from jobs.settings import Settings
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from jobs.task_title import task_title
from orchestrator import cli, state_folder
from orchestrator.analysis import benchmarks
from orchestrator.analysis.benchmarks import paired_interval
from orchestrator.report.missing import WORK
from orchestrator.submission import bench
from orchestrator.terminal import bench_table
from workers import heartbeat
from workers.devices.admission import Admission, Requirement
from workers.execution import execute
from workers.execution.context import task_context

HERE = host_key(state_folder.host())


@pytest.fixture
def done(tmp_path: Path) -> tuple[Settings, Store, Run]:
    """A finished run of two networks with two seeds, and its checkpoints."""
    store, run = fill_store(
        tmp_path / "store",
        backbones=["scratch", "vgg16"],
        classes=("ape", "bear"),
        seeds=2,
        periods=1,
        images_a_class=5,
        pixels=False,
        name="study",
    )
    (store.root / "0002.pt").write_bytes(b"weights")
    return Settings(store.root, None, None), store, run


def test_a_benchmark_says_by_what_and_where() -> None:
    """Its id is read back as it was, and it is no evaluation on the test images."""
    task = Task("bench", "vgg16-s0-1f3a9c2e", 10, way=Way("onnx", 4, "my-host"))

    assert task.id == "bench.vgg16-s0-1f3a9c2e.0010.onnx-t4-my-host"
    assert Task.parse(task.id) == task
    assert not task.is_test
    for wrong in (
        "bench.a-s0.0010",
        "bench.a-s0.0010.onnx-t0-h",
        "bench.a-s0.0010.jax-t1-h",
        "bench.a-s0.0010.onnx-t1-../h",
        "evaluate.a-s0.0010.onnx-t1-h",
        "train.a-s0.0010.onnx-t1-h",
    ):
        with pytest.raises(BadSpec):
            Task.parse(wrong)


def test_benchmarks_on_a_host_share_a_lease() -> None:
    """Two at once would slow one another down."""
    first = Task("bench", "a-s0", 1, way=Way("onnx", 1, "one"))
    second = Task("bench", "b-s0", 2, way=Way("torch", 4, "one"))
    elsewhere = Task("bench", "b-s0", 2, way=Way("torch", 4, "two"))

    assert first.lease_key == second.lease_key != elsewhere.lease_key


def test_one_seed_of_each_network_is_benchmarked(done: tuple[Settings, Store, Run]) -> None:
    """The run is open again, and the tasks are ready; an older orch does not read the run."""
    settings, store, run = done

    asked = bench.check(settings, store, run, runtimes=["torch", "int8"], threads=1, seed=1)
    grown = bench.record(store, run, asked)
    ready = readiness.ready_tasks(store, store.load_run(run.name))

    assert {store.load_trial(task.subject).seed for task in asked.tasks} == {1}
    assert {task.epoch for task in asked.tasks} == {2}
    assert len(asked.tasks) == 4
    assert {task.way for task in asked.tasks} == {Way("torch", 1, HERE), Way("int8", 1, HERE)}
    assert set(ready) == set(asked.tasks)
    assert all(readiness.is_ready(store, task) for task in ready)
    assert readiness.next_tasks(store, ready[0]) == []
    assert json.loads(store.run_path(run.name).read_text())["format"] == 3
    assert grown.data_sets == run.data_sets
    assert {task.kind for task in map(Task.parse, grown.tasks)} - {"prepare"} == WORK.keys()
    assert "by torch" in task_title(store, asked.tasks[0])


def test_only_workers_of_the_host_take_a_benchmark_and_nothing_runs_beside_it(
    done: tuple[Settings, Store, Run],
) -> None:
    """Not even where the device has room for several tasks."""
    _, store, run = done
    worker = fake_worker(store, "")
    worker.admission = Admission(2, 10**12)
    here, there = (
        Task("bench", run.trials[0], 2, way=Way("torch", 1, host)) for host in ("host", "other")
    )
    bench.record(store, run, bench.BenchRequest((here, there), "host", 0, (), "", ()))

    required = execute.requirement(task_context(worker, here))

    assert [worker.fits(each) for each in (here, there)] == [True, False]
    assert required == Requirement(alone=True)


def test_a_renamed_machine_is_measured_under_the_name_of_its_workers(
    done: tuple[Settings, Store, Run],
) -> None:
    """Workers keep the name that their host had when they started."""
    settings, store, run = done
    worker = fake_worker(store, "")
    worker.host = "before"
    heartbeat.write(worker)

    asked = bench.check(settings, store, run, runtimes=["torch"])

    assert asked.host == "before"


def test_unfinished_benchmarks_of_a_host_that_is_gone_are_dropped(
    done: tuple[Settings, Store, Run],
) -> None:
    """A container has another name after a restart; done benchmarks stay."""
    settings, store, run = done
    tasks = [
        Task("bench", run.trials[0], 2, way=Way(runtime, 1, "gone"))
        for runtime in ("torch", "onnx")
    ]
    was = bench.record(store, run, bench.BenchRequest(tuple(tasks), "gone", 0, (), "", ()))
    publish(store, tasks[0])

    again = bench.check(settings, store, was, runtimes=["torch"])
    grown = bench.record(store, was, again)

    assert again.dropped == (tasks[1],)
    assert tasks[0].id in grown.tasks
    assert tasks[1].id not in grown.tasks
    assert tasks[1] not in store.evaluations(run.trials[0], 2)


def test_a_bad_request_writes_nothing(
    done: tuple[Settings, Store, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    """One clear line, and exit code 2."""
    _, store, _ = done
    before = listing(store.root)
    for words, message in (
        (["--threads", "0"], "--threads 0: from 1 to "),
        (["--runtime", "onx"], "Did you mean 'onnx'?"),
        (["--backbone", "vgg19"], "vgg19"),
        (["--seed", "7"], "It has seeds 0 to 1."),
        (["--host", "nowhere"], "No worker is alive."),
    ):
        code = cli.run(["--store", str(store.root), "bench", "study", *words])
        said = clear_line(capsys.readouterr().err)

        assert code == 2, words
        assert message in said
    assert listing(store.root) == before


def test_results_say_what_was_lost(done: tuple[Settings, Store, Run]) -> None:
    """Counts, McNemar's test and the interval, and each image that is answered otherwise."""
    settings, store, run = done
    asked = bench.check(settings, store, run, ["vgg16"], ["int8"])
    grown = bench.record(store, run, asked)
    publish(store, asked.tasks[0])

    (one,) = benchmarks.of_run(store, grown)

    assert (one.accuracy, one.float32_accuracy) == (0.9, 0.92)
    assert one.difference == pytest.approx(-0.02)
    assert one.p == pytest.approx(0.7265625)  # 2 * P(X <= 3), X ~ B(8, 1/2)
    assert one.interval.low < one.difference < one.interval.high
    assert [each.image for each in one.changed] == ["ape/1.png"]
    assert one.at(32) is not None
    assert bench.results(store, grown, asked) == [one]


def test_the_precision_of_each_accuracy_is_told(done: tuple[Settings, Store, Run]) -> None:
    """With the images that differ; of a benchmark that did not record it, nothing."""
    settings, store, run = done
    asked = bench.check(settings, store, run, runtimes=["torch"])
    grown = bench.record(store, run, asked)
    known = {"evaluation_precision": "bf16", "evaluation_correct": 91}
    publish(store, asked.tasks[0], **known, evaluation_same_answers=97)
    publish(store, asked.tasks[1])

    told = bench_table.lines(list(benchmarks.of_run(store, grown)))

    lines = [line for line in told if "evaluation in" in line]
    assert len(lines) == 1
    assert lines[0].endswith(
        "92.0% here in fp32, 91.0% in the run's evaluation in bf16: 3 of 100 test images are "
        "answered otherwise"
    )


def test_the_interval_is_that_of_agresti_and_min() -> None:
    """Worked out by hand: counts 1.5 and 5.5 of 102 after 0.5 is added to each cell."""
    interval = paired_interval(1, 5, 100)
    middle, half = -4 / 102, 1.959964 * (7 - 16 / 102) ** 0.5 / 102

    assert (interval.low, interval.high) == pytest.approx((middle - half, middle + half))


def test_a_removed_run_takes_its_benchmarks_along(done: tuple[Settings, Store, Run]) -> None:
    """Tables, marks, records and leases."""
    settings, store, run = done
    asked = bench.check(settings, store, run, runtimes=["torch"])
    grown = bench.record(store, run, asked)
    publish(store, asked.tasks[0])
    store.lease_folder(asked.tasks[0].lease_key).mkdir(parents=True)
    orphans = list(removal.find_orphans(store, now=2e9))

    removal.remove_run(store, grown)

    assert orphans == []
    left = [path for path in listing(store.root) if f"bench.{run.trials[0]}" in path]
    assert left == []
    assert not (store.root / "results" / "benchmarks" / f"trial={run.trials[0]}").exists()

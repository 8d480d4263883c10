"""The state of a store as Prometheus metrics: counted right, read cheaply, bounded in every way."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.half_done import NOW, half_done_run, say, training

from jobs import atomic, readiness
from jobs.store.stall_watch import StoreStalled
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.prometheus import server, task_counts
from orchestrator.prometheus.attempt_counts import AttemptCounts
from orchestrator.prometheus.bounded import BoundedReader
from orchestrator.prometheus.facts import Facts, FactsReader
from orchestrator.prometheus.families import FAMILIES
from orchestrator.prometheus.gpus import Gpu, read_gpus

prometheus_client = pytest.importorskip(
    "prometheus_client", reason="prometheus_client is not installed (extra 'metrics')"
)

from orchestrator.prometheus import collector  # noqa: E402  (after the check above)

DOCUMENT = Path(__file__).parents[2] / "docs" / "monitoring.md"


def sample(facts: Facts, name: str, **labels: str) -> float | None:
    """The value of one series; None if it is not exposed."""
    registry = collector.registry_of(lambda: facts)
    return registry.get_sample_value(name, labels)


def test_ready_tasks_are_those_of_the_plan(tmp_path: Path) -> None:
    """The quick count over listings agrees with what workers ask of each task."""
    store, run = half_done_run(tmp_path)
    other = training(run)
    store.done_path(Task("evaluate", other.subject, 2)).unlink()
    ledger = store.ledger()
    states = readiness.task_states(store, run, ledger)
    still_open = [task for task, state in states.items() if state == "open"]

    quick = task_counts.ready_tasks(store, [store.outline(run.name)], ledger, still_open)

    assert quick == {task.id for task in readiness.ready_tasks(store, run, ledger)}
    assert len(quick) == 3


def test_nothing_but_the_preparation_is_ready_before_it_is_done(tmp_path: Path) -> None:
    """Trainings wait for their data set."""
    store, run = half_done_run(tmp_path)
    for name in atomic.list_names(store.ledger_folder("done")):
        (store.ledger_folder("done") / name).unlink()
    outline, ledger = store.outline(run.name), store.ledger()

    counts = task_counts.count_tasks(store, [outline], ledger, set(), set())

    assert counts.ready == {Task("prepare", run.data).id}
    assert counts.tasks["waiting", "train"] == 4
    assert sum(counts.tasks.values()) == len(run.tasks)


def test_a_task_that_two_runs_share_counts_once(tmp_path: Path) -> None:
    """It stays open while one of them wants it, although the other is cancelled."""
    store, run = half_done_run(tmp_path)
    twin = atomic.read_json(store.run_path(run.name)) | {"name": "twin"}
    atomic.write_json(store.run_path("twin"), twin)
    store.cancel("twin")
    outlines = [store.outline(name) for name in ("twin", run.name)]

    counts = task_counts.count_tasks(store, outlines, store.ledger(), set(), set())

    assert sum(counts.tasks.values()) == len(run.tasks)
    assert counts.tasks["ready", "train"] == 2
    assert not any(state == "cancelled" for state, _ in counts.tasks)
    assert counts.runs == {"waiting": 1, "cancelled": 1}


def test_an_attempt_at_a_finished_task_is_read_once(tmp_path: Path) -> None:
    """Attempts of tasks that are done are not read again; those of open tasks are."""
    store = Store(tmp_path).open(create=True)
    done, still_open = (
        Task("train", "scratch-s0-00000000", 1),
        Task("train", "scratch-s1-00000000", 1),
    )
    atomic.write_json(store.done_path(done), {})
    _attempt(store, done, 1, "failed", "out-of-memory")
    _attempt(store, done, 2, "done", None)
    _attempt(store, still_open, 1, "running", None)
    counts = AttemptCounts(store)

    first = counts.read(store.ledger())
    (store.attempts_folder(done) / "0001.json").unlink()
    _attempt(store, still_open, 1, "lost", "worker-lost")
    second = counts.read(store.ledger())

    assert first == {("failed", "out-of-memory"): 1, ("done", "none"): 1}
    assert second == {**first, ("lost", "worker-lost"): 1}


def test_a_damaged_record_makes_no_series_of_its_own(tmp_path: Path) -> None:
    """Labels have few values, whatever a file says."""
    store = Store(tmp_path).open(create=True)
    task = Task("train", "scratch-s0-00000000", 1)
    for number, failure in enumerate(("x" * 5000, "a\nb", "1234"), 1):
        _attempt(store, task, number, "failed", failure)

    assert AttemptCounts(store).read(store.ledger()) == {("failed", "other"): 3}


def _attempt(store: Store, task: Task, number: int, state: str, failure: str | None) -> None:
    record = {"attempt": number, "state": state, "failure": failure, "position": "", "worker": "w"}
    atomic.write_json(store.attempts_folder(task) / f"{number:04d}.json", record)


def test_a_scrape_opens_only_what_may_have_changed(tmp_path: Path) -> None:
    """Of a store with finished tasks, the second scrape opens a handful of files."""
    store, run = half_done_run(tmp_path)
    for task in map(Task.parse, run.tasks):
        _attempt(store, task, 1, "done", None)
    reader = FactsReader(store, lambda: ())
    reader.read()

    opened = _opened_by(reader.read, tmp_path)

    waiting = [name for name in run.tasks if not store.is_done(Task.parse(name))]
    assert len([name for name in opened if name.endswith(".json")]) <= 2 + len(waiting)
    assert not [name for name in opened if "/ledger/" in name or "/runs/" in name]


def _opened_by(act: Callable[[], object], folder: Path) -> list[str]:
    """Paths of the files below a folder that a call opens."""
    opened: list[str] = []
    state = {"on": True}

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if state["on"] and event == "open" and str(arguments[0]).startswith(str(folder)):
            opened.append(str(arguments[0]))

    sys.addaudithook(hook)
    act()
    state["on"] = False
    return opened


def readers() -> set[threading.Thread]:
    """The threads of bounded readers; other tests of this process may leave threads too."""
    return {each for each in threading.enumerate() if each.name == "orch-metrics-reader"}


def test_a_stalled_store_is_told_in_time_and_recovers(tmp_path: Path) -> None:
    """A heartbeat that blocks whoever opens it stands for a disk that is away."""
    store, _ = half_done_run(tmp_path)
    store.heartbeats_folder.mkdir()
    os.mkfifo(tmp_path / "pipe")
    os.link(tmp_path / "pipe", store.heartbeats_folder / "stalled.json")
    reader = BoundedReader(FactsReader(store, lambda: ()).read, 0.2, store.root)
    exposure = server.Exposure(reader)
    before = readers()

    stalled = [exposure.read() for _ in range(3)]

    assert [sample(facts, "orch_store_up") for facts in stalled] == [0.0] * 3
    assert all(sample(facts, "orch_runs", state="waiting") is None for facts in stalled)
    assert len(readers() - before) == 1
    with pytest.raises(StoreStalled, match="does not answer"):
        reader.read()
    (store.heartbeats_folder / "stalled.json").unlink()
    (tmp_path / "pipe").open("wb").close()  # whoever waited for the other end goes on
    reader.limit_s = 10.0
    assert sample(exposure.read(), "orch_store_up") == 1.0


class FakeNvml:
    """Two GPUs; the second is divided, so that NVML tells no use of it."""

    class NVMLError(Exception):
        """What NVML raises."""

    def __init__(self, broken: bool = False) -> None:
        self.broken = broken

    def nvmlInit(self) -> None:
        """Open the library."""
        if self.broken:
            raise self.NVMLError("Driver Not Loaded")

    def nvmlShutdown(self) -> None:
        """Close it."""

    def nvmlDeviceGetCount(self) -> int:
        """How many GPUs there are; the third answers nothing."""
        return 3

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        """A GPU."""
        if index == 2:
            raise self.NVMLError("GPU is lost")
        return index

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        """Its memory."""
        return type("Memory", (), {"used": 4 * 2**30, "total": 16 * 2**30})

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:
        """Its use in per cent."""
        if handle == 1:
            raise self.NVMLError("Not Supported")
        return type("Rates", (), {"gpu": 75, "memory": 10})

    def nvmlDeviceGetUUID(self, handle: int) -> str:
        """Its UUID."""
        return f"GPU-{handle}"

    def nvmlDeviceGetName(self, handle: int) -> str:
        """Its model."""
        return "A 16"


def test_gpus_are_exposed_as_far_as_the_driver_tells() -> None:
    """A divided GPU has no use, and a lost one hides no other."""
    facts = Facts(None, read_gpus(FakeNvml), store_up=None)

    labels = {"gpu": "GPU-0", "model": "A 16"}
    assert sample(facts, "orch_gpu_utilization_ratio", **labels) == 0.75
    assert sample(facts, "orch_gpu_memory_used_bytes", gpu="GPU-1", model="A 16") == 4 * 2**30
    assert sample(facts, "orch_gpu_utilization_ratio", gpu="GPU-1", model="A 16") is None
    assert len(facts.gpus) == 2


def test_a_machine_without_a_driver_has_no_gpu_metrics() -> None:
    """Its store is exposed all the same."""
    assert read_gpus(lambda: FakeNvml(broken=True)) == ()
    assert "orch_gpu_memory_size_bytes{" not in collector.as_text(Facts(None, (), None))


def test_a_metric_has_at_most_a_thousand_series() -> None:
    """How many were left out is a metric."""
    many = tuple(Gpu(f"GPU-{number}", "A", 0.5, 1, 2) for number in range(1005))
    text = collector.as_text(Facts(None, many, store_up=None))

    assert text.count("\norch_gpu_memory_size_bytes{") == 1000
    assert 'orch_series_left_out{metric="orch_gpu_memory_size_bytes"} 5.0' in text


def test_the_document_lists_every_metric_with_its_labels() -> None:
    """And no other."""
    rows = [
        line.split("|")[1:3] for line in DOCUMENT.read_text().splitlines() if "| `orch_" in line
    ]
    told = {
        name.strip(" `"): tuple(filter(None, (each.strip(" `") for each in labels.split(","))))
        for names, labels in rows
        for name in names.split(",")
    }
    own = {"orch_store_up": (), "orch_series_left_out": ("metric",)}

    assert told == own | {family.name: family.labels for family in FAMILIES}


def test_names_follow_the_conventions_of_prometheus() -> None:
    """Base units at the end, and totals for counters alone."""
    for family in FAMILIES:
        assert family.name.startswith("orch_")
        assert not family.name.endswith(("_ms", "_gb", "_count", "_percent"))
        assert family.help.endswith(".")


def test_progress_is_exposed_by_device_and_trial(tmp_path: Path) -> None:
    """Speeds are added up by device; epoch and loss are of the trial."""
    store, run = half_done_run(tmp_path)
    task = training(run)
    say(store, task, NOW - time.time(), phase="train", epoch=3, loss=0.5, images_per_second=210.5)
    facts = FactsReader(store, lambda: ()).read()

    trial = {"trial": task.subject, "backbone": task.subject.rpartition("-s")[0]}
    place = {"host": "alpha", "device": "cpu", "kind": "train"}
    assert sample(facts, "orch_images_per_second", **place) == 210.5
    assert sample(facts, "orch_training_epoch", **trial) == 3
    assert sample(facts, "orch_training_loss", **trial) == 0.5
    assert sample(facts, "orch_training_target_epoch", **trial) == 4
    assert sample(facts, "orch_tasks", state="running", kind="train") == 1

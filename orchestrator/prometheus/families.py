"""The metrics: one entry for each, with its labels and where its values come from."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from jobs.task import KINDS, Task
from orchestrator.monitoring.progress import PROGRESS_FRESH_S, TaskProgress
from orchestrator.prometheus.facts import Facts, StoreFacts
from orchestrator.prometheus.gpus import Gpu
from orchestrator.prometheus.task_counts import RUN_STATES, STATES

Sample = tuple[tuple[str, ...], float]
"""Values of the labels, and the value."""

WORKER_STATES = ("working", "idle", "loading", "paused", "drained", "silent", "ended")


@dataclass(frozen=True, slots=True)
class Family:
    """A metric of the store: its samples are those of `of_store`."""

    name: str
    help: str
    labels: tuple[str, ...]
    of_store: Callable[[StoreFacts], Iterable[Sample]]

    def samples(self, facts: Facts) -> Iterable[Sample]:
        """The samples; none where the store was not read."""
        return self.of_store(facts.store) if facts.store else ()


@dataclass(frozen=True, slots=True)
class GpuFamily:
    """A metric of each GPU of this machine."""

    name: str
    help: str
    of_gpu: Callable[[Gpu], float | None]
    labels: tuple[str, ...] = ("gpu", "model")

    def samples(self, facts: Facts) -> Iterator[Sample]:
        """One sample for each GPU that has the value."""
        for gpu in facts.gpus:
            if (value := self.of_gpu(gpu)) is not None:
                yield (gpu.uuid, gpu.model), value


def _tasks(facts: StoreFacts) -> Iterator[Sample]:
    for state in STATES:
        for kind in KINDS:
            yield (state, kind), facts.counts.tasks.get((state, kind), 0)


def _unfit(facts: StoreFacts) -> Iterator[Sample]:
    yield from (((kind,), facts.unfit.get(kind, 0)) for kind in KINDS)


def _runs(facts: StoreFacts) -> Iterator[Sample]:
    yield from (((state,), facts.counts.runs.get(state, 0)) for state in RUN_STATES)


def _workers(facts: StoreFacts) -> Iterator[Sample]:
    counted = Counter(
        "drained" if each.drained and each.state in ("idle", "paused") else each.state
        for each in facts.workers
    )
    yield from (((state,), counted[state]) for state in WORKER_STATES)


def _last_heard(facts: StoreFacts) -> Iterator[Sample]:
    for each in facts.workers:
        yield (each.name, each.host, each.device), each.last_heard_s


def _paused(facts: StoreFacts) -> Iterator[Sample]:
    for each in facts.workers:
        if each.paused and each.state not in ("silent", "ended"):
            yield (each.name, each.host, each.pause_class or "other"), 1


def _speeds(facts: StoreFacts) -> Iterator[Sample]:
    hosts = {each.name: each.host for each in facts.workers}
    speeds: dict[tuple[str, ...], float] = defaultdict(float)
    for each in facts.progress:
        if each.images_per_second is not None and each.age_s < PROGRESS_FRESH_S:
            place = (hosts.get(each.worker, ""), each.device, each.kind)
            speeds[place] += each.images_per_second
    yield from speeds.items()


def _training(value: Callable[[TaskProgress], float | None], facts: StoreFacts) -> Iterator[Sample]:
    for each in facts.progress:
        told = value(each) if each.kind == "train" else None
        if told is not None:
            trial = Task.parse(each.task).subject
            yield (trial, trial.rpartition("-s")[0]), told


def _target_epoch(each: TaskProgress) -> float:
    return float(Task.parse(each.task).epoch)


def _failures(facts: StoreFacts) -> Iterator[Sample]:
    yield from (((failure,), count) for failure, count in facts.failures.items())


def _lease_ages(facts: StoreFacts) -> Iterator[Sample]:
    yield from (((kind,), age_s) for kind, age_s in facts.lease_ages.items())


def _of_trial(name: str, text: str, value: Callable[[TaskProgress], float | None]) -> Family:
    return Family(name, text, ("trial", "backbone"), partial(_training, value))


def _one(name: str, text: str, value: Callable[[StoreFacts], float]) -> Family:
    return Family(name, text, (), lambda facts: [((), value(facts))])


FAMILIES: tuple[Family | GpuFamily, ...] = (
    Family("orch_tasks", "Tasks of all runs, each counted once.", ("state", "kind"), _tasks),
    Family(
        "orch_tasks_unfit",
        "Ready tasks that require more than any living worker's device has.",
        ("kind",),
        _unfit,
    ),
    Family("orch_runs", "Runs.", ("state",), _runs),
    Family("orch_failed_tasks", "Failed tasks by failure class.", ("failure",), _failures),
    Family(
        "orch_attempts_total",
        "Ended attempts; smaller after orch rm or prune.",
        ("state", "failure"),
        lambda facts: facts.attempts.items(),
    ),
    Family("orch_workers", "Workers, silent ones for a day.", ("state",), _workers),
    Family(
        "orch_worker_last_heard_seconds",
        "Age of a worker's last heartbeat.",
        ("worker", "host", "device"),
        _last_heard,
    ),
    Family(
        "orch_worker_paused",
        "1 for a worker that takes no task now; why, as a failure class.",
        ("worker", "host", "reason"),
        _paused,
    ),
    Family(
        "orch_images_per_second",
        "Images per second of running tasks, by device.",
        ("host", "device", "kind"),
        _speeds,
    ),
    _of_trial("orch_training_epoch", "Epoch (from 1) of a running training.", lambda it: it.epoch),
    _of_trial("orch_training_target_epoch", "Epoch at which its task ends.", _target_epoch),
    _of_trial("orch_training_loss", "Loss of a running training.", lambda it: it.loss),
    Family(
        "orch_lease_age_seconds",
        "Seconds since the oldest renewal of a running task's lease.",
        ("kind",),
        _lease_ages,
    ),
    _one("orch_disk_free_bytes", "Free bytes where the store is.", lambda it: it.disk_free_bytes),
    _one("orch_disk_size_bytes", "Bytes of the disk where the store is.", lambda it: it.disk_bytes),
    _one("orch_store_read_seconds", "How long reading the store took.", lambda it: it.read_s),
    GpuFamily(
        "orch_gpu_utilization_ratio",
        "Share of the last second in which this machine's GPU was used.",
        lambda gpu: gpu.used_share,
    ),
    GpuFamily(
        "orch_gpu_memory_used_bytes",
        "Used memory of a GPU of this machine.",
        lambda gpu: gpu.memory_used_bytes,
    ),
    GpuFamily(
        "orch_gpu_memory_size_bytes",
        "Memory of a GPU of this machine.",
        lambda gpu: gpu.memory_bytes,
    ),
)
"""The metrics, in the order in which they are exposed; docs/monitoring.md lists them."""
